"""Run the command as its users do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from segmenters.kernel import cache_folder
from streams import cli
from tests import forked

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

REWAKE = Path(sys.executable).with_name("rewake")


class Rewake(Protocol):
    """A call of the command with variables besides its words."""

    def __call__(self, *words: str, **variables: str) -> CompletedProcess[str]: ...


@pytest.fixture
def rewake(request: pytest.FixtureRequest, tmp_path: Path, full: bool) -> Rewake:
    """Give a function that runs `rewake` in an empty folder and returns how it ended."""
    interpreted = request.node.get_closest_marker("interpreted") is not None and not full
    switch = {"NUMBA_DISABLE_JIT": "1"} if interpreted else {}

    def run(*words: str, **variables: str) -> CompletedProcess[str]:
        environment = _environment(tmp_path, switch | variables)
        return forked.run(["rewake", *words], tmp_path, environment, 150)

    return run


@pytest.fixture
def installed(tmp_path: Path) -> Rewake:
    """Give the same for the installed command, which starts as a Python of its own."""

    def run(*words: str, **variables: str) -> CompletedProcess[str]:
        return subprocess.run(
            [REWAKE, *words],
            env=_environment(tmp_path, variables),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )

    return run


def _environment(home: Path, variables: dict[str, str]) -> dict[str, str]:
    # A new home has nothing compiled: what others have compiled is shared.
    cache = str(cache_folder().parent)
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "REWAKE_CACHE_DIR": cache, **variables}


@pytest.fixture
def inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., CompletedProcess[str]]:
    """Give the same for commands that start nothing: in this process, which spares the imports."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> CompletedProcess[str]:
        code = cli.main(words)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)

    return run
