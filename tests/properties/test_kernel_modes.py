"""Run the properties once more with the kernel interpreted, and with every index checked.

Both are slower by far, so on fewer examples and in processes of their own: numba reads its switches
once.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROPERTIES = (
    "tests/properties/test_engine_equals_oracle.py",
    "tests/properties/test_engine_late_facts.py",
)


def run_properties(**switches: str) -> None:
    """Run the properties in a process of its own and fail with what it said."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *PROPERTIES]
    done = subprocess.run(
        command, env=os.environ | switches, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-8_000:]


def test_interpreted_the_kernel_does_the_same() -> None:
    run_properties(NUMBA_DISABLE_JIT="1", REWAKE_EXAMPLES="5")


@pytest.mark.timeout(400)  # a kernel of its own, compiled once
def test_the_kernel_stays_within_its_arrays() -> None:
    run_properties(NUMBA_BOUNDSCHECK="1", REWAKE_EXAMPLES="20", REWAKE_PACKS="small_cadence")
