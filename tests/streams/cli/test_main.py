"""The command as a whole: exit codes, and messages without a traceback."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from schemas.errors import RewakeError, RulesError, SettingsError, UsageError
from streams import cli

if TYPE_CHECKING:
    from .conftest import Rewake


def test_the_version_is_that_of_the_distribution(installed: Rewake) -> None:
    done = installed("--version")
    assert (done.returncode, done.stdout) == (0, f"rewake {version('rewake')}\n")


@pytest.mark.parametrize("words", [(), ("nonsense",), ("settings", "--nonsense"), ("topics",)])
def test_a_wrong_call_ends_with_code_2_and_says_how_to_call(
    installed: Rewake, words: tuple[str, ...]
) -> None:
    done = installed(*words)
    assert done.returncode == 2
    assert "Usage: rewake" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_setting_ends_with_code_2_and_one_line(installed: Rewake) -> None:
    done = installed("settings", REWAKE_GRACE="2")
    assert done.returncode == 2
    assert done.stderr.startswith("rewake: REWAKE_GRACE: expected a span with its unit")
    assert done.stderr.count("\n") == 1


def test_debug_shows_where_an_error_came_from(installed: Rewake) -> None:
    done = installed("--debug", "settings", REWAKE_GRACE="2")
    assert "Traceback" in done.stderr
    assert "load_settings" in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("wrong"), 2),
        (RulesError("engine", "wrong"), 2),
        (SettingsError("wrong"), 2),
        (RewakeError("wrong"), 1),
    ],
)
def test_every_error_of_ours_becomes_its_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: RewakeError,
    code: int,
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr("streams.settings.load_settings", fail)
    assert cli.main(["settings"]) == code
    assert capsys.readouterr().err == f"rewake: {error}\n"


def test_every_command_explains_itself(installed: Rewake) -> None:
    listed = installed("--help").stdout
    for command in ("local", "settings", "topics"):
        assert command in listed
        assert installed(command, "--help").returncode == 0
