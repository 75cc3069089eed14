"""Find Prometheus for the tests that need one; without it they are skipped, and the run says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

UNPACKED = Path(__file__).parents[2] / ".rewake" / "prometheus" / "usr" / "bin"
_MISSING = pytest.StashKey[bool]()


def _find(config: pytest.Config, name: str) -> str:
    """Return a program as `scripts/promtool` has left it, or as it is installed."""
    local = UNPACKED / name
    found = str(local) if local.exists() else shutil.which(name)
    if found is None:
        config.stash[_MISSING] = True
        pytest.skip(f"no {name} here; scripts/promtool fetches it")
    return found


@pytest.fixture(scope="session")
def promtool(pytestconfig: pytest.Config) -> str:
    """Give the path of promtool."""
    return _find(pytestconfig, "promtool")


@pytest.fixture(scope="session")
def prometheus_program(pytestconfig: pytest.Config) -> str:
    """Give the path of prometheus."""
    return _find(pytestconfig, "prometheus")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly that alerts and dashboard were not tried."""
    if terminalreporter.config.stash.get(_MISSING, False):
        terminalreporter.write_line(
            "NO PROMETHEUS HERE: alerts and dashboard were not tried on one. Run scripts/promtool, "
            "or install prometheus.",
            red=True,
            bold=True,
        )
