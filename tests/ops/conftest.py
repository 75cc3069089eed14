"""Find Prometheus for the tests that need one; without it they are skipped, and the run says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

UNPACKED = Path(__file__).parents[2] / ".rewake" / "prometheus" / "usr" / "bin"


def _find(name: str) -> str:
    """Return a program as `scripts/promtool` has left it, or as it is installed."""
    local = UNPACKED / name
    found = str(local) if local.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"alerts and dashboard: no {name} here; scripts/promtool fetches it")
    return found


@pytest.fixture(scope="session")
def promtool() -> str:
    """Give the path of promtool."""
    return _find("promtool")


@pytest.fixture(scope="session")
def prometheus_program() -> str:
    """Give the path of prometheus."""
    return _find("prometheus")
