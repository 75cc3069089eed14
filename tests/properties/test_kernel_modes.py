"""Run the properties once more with the kernel compiled, and with every index checked.

Here they interpret the kernel, which needs no compiling; --full compiles it under all rules. In
processes of their own: numba reads its switches once.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.properties.feeding import OF_THE_DEFAULT_KERNEL

PROPERTIES = (
    "tests/properties/test_engine_equals_oracle.py",
    "tests/properties/test_engine_late_facts.py",
)


def run_properties(**switches: str) -> None:
    """Run the properties in a process of its own and fail with what it said."""
    options = ["-q", "-x", "-p", "no:cacheprovider", "--full"]
    command = [sys.executable, "-m", "pytest", *options, *PROPERTIES]
    done = subprocess.run(
        command, env=os.environ | switches, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-8_000:]


def test_compiled_the_kernel_does_the_same() -> None:
    run_properties(REWAKE_EXAMPLES="20", REWAKE_PACKS=",".join(OF_THE_DEFAULT_KERNEL))


@pytest.mark.timeout(400)  # a kernel of its own, compiled once
def test_the_kernel_stays_within_its_arrays() -> None:
    run_properties(NUMBA_BOUNDSCHECK="1", REWAKE_EXAMPLES="20", REWAKE_PACKS="small_cadence")
