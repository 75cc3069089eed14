"""Whatever is printed, logged or served, no secret of the settings is in it."""

from __future__ import annotations

import json
import subprocess
import time
import traceback
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import psutil
import pytest

from schemas.errors import SettingsError
from streams import cli
from streams.local.endpoints import HOST, free_port
from streams.masking import MASK, is_secret
from streams.settings import Settings, load_settings
from tests.secure.conftest import REWAKE, environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]

CANARY = "canary-bird"
FORMS = (
    "{word}",
    "{word}:read+explain",
    "redis://worker:{word}@127.0.0.1:1/0",
    "https://worker:{word}@127.0.0.1:1/",
)
"""Values that some secret setting takes; the first that one takes is its own."""


def secrets() -> dict[str, str]:
    """Return a value with a canary in it for every setting that may hold a secret."""
    found = {}
    for name, field in Settings.model_fields.items():
        if is_secret(field):
            word = f"{CANARY}-of-{name.replace('_', '-')}"
            values = [form.format(word=word) for form in FORMS]
            found[f"REWAKE_{name.upper()}"] = next(each for each in values if _taken(name, each))
    return found


def _taken(name: str, value: str) -> bool:
    try:
        load_settings(None, **{name: value})
    except SettingsError:
        return False
    return True


def test_every_setting_with_a_secret_has_a_canary() -> None:
    assert len(secrets()) >= 4
    assert all(CANARY in value for value in secrets().values())


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_the_settings_are_printed_without_their_secrets(run: Run, words: tuple[str, ...]) -> None:
    done = run(secrets(), "settings", *words)
    assert done.returncode == 0, done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert done.stdout.count(MASK) == len(secrets())


@pytest.mark.parametrize("name", secrets())
def test_an_error_of_any_setting_shows_no_secret(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    # Of no form at all, where a form is asked for; and right, where another setting is wrong.
    wrong = {name: f" {CANARY}\x7f://x ", "REWAKE_GRACE": "2"}
    for variables in (wrong, secrets() | {"REWAKE_PARTITIONS": "0"}):
        with monkeypatch.context() as patch:
            for each, value in variables.items():
                patch.setenv(each, value)
            assert cli.main(["settings"]) == 2
            said = capsys.readouterr()
            assert "REWAKE_" in said.err
            with pytest.raises(SettingsError) as caught:
                cli.main(["--debug", "settings"])
        assert CANARY not in said.out + said.err
        assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_a_traceback_of_a_connection_that_fails_shows_no_secret(run: Run) -> None:
    more = {"REWAKE_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}
    done = run(secrets() | more, "--debug", "lookup", "c-1")
    assert "Traceback" in done.stderr
    assert MASK in done.stderr
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.server
def test_a_service_that_is_asked_with_tokens_logs_and_serves_none(
    redis_url: str, kafka: str, tmp_path: Path
) -> None:
    port = free_port()
    variables = secrets() | {
        "REWAKE_KAFKA": kafka, "REWAKE_REDIS": redis_url, "REWAKE_WEB": f"{HOST}:{port}",
        "REWAKE_LOG_LEVEL": "debug", "REWAKE_LOG_FORMAT": "json",
    }  # fmt: skip
    token = secrets()["REWAKE_WEB_TOKENS"].partition(":")[0]
    log = tmp_path / "serve.log"
    with log.open("wb") as out:
        service = subprocess.Popen(
            [REWAKE, "serve"], env=environment(tmp_path, variables), stdout=out, stderr=out
        )
    try:
        pages = [
            _ask(service, f"http://{HOST}:{port}/v1/systems", word) for word in (token, CANARY)
        ]
        pages.append(_ask(service, f"http://{HOST}:{port}/metrics", token))
        arguments = " ".join(psutil.Process(service.pid).cmdline())
    finally:
        service.terminate()
        service.wait(60)
    assert json.loads(pages[0])["systems"]
    assert CANARY not in "".join(pages) + arguments + log.read_text()


def _ask(service: subprocess.Popen[bytes], url: str, token: str) -> str:
    """Ask, as soon as the service listens; return what it says, a refusal too."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    deadline = time.monotonic() + 150
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.read().decode()
        except OSError:
            assert service.poll() is None, "the service has ended"
            assert time.monotonic() < deadline, "the service does not listen"
            time.sleep(0.2)
