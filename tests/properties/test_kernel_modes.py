"""Run the properties once more with the kernel compiled: on their own they interpret it.

That is in processes of their own, since numba reads its switches once. Interpreted, an index beyond
an array is an error; compiled only where numba is told to check, which --full does, too.
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


@pytest.mark.timeout(900)  # in full two more kernels are compiled
def test_compiled_the_kernel_does_the_same(full: bool) -> None:
    packs = ",".join(OF_THE_DEFAULT_KERNEL)
    run_properties(REWAKE_EXAMPLES="20", REWAKE_PACKS=packs)
    if full:
        packs += ",small_cadence"
        run_properties(NUMBA_BOUNDSCHECK="1", REWAKE_EXAMPLES="20", REWAKE_PACKS=packs)
