"""Building the jars of Kafka: what does not match the committed hashes is never used."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from schemas.errors import RewakeError
from streams.local import jars

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GOOD, DAMAGED = b"a whole jar", b"half a j"


def test_the_jars_in_use_are_those_the_hashes_name() -> None:
    folder = jars.ensure_jars(print)
    hashes = {jar.name: digest for jar, digest in jars.read_list().items()}
    assert jars.find_mismatches(folder, hashes) == []
    assert "kafka-clients-4.3.1.jar" in hashes
    named = {jars.Jar(*jar.split(":")) for jar in jars.COORDINATES.split("+")}
    assert named <= jars.read_list().keys(), "list anew what is needed: scripts/lock"
    assert not [name for name in hashes if name.startswith(("log4j-slf4j", "slf4j-reload"))]


def test_every_kind_of_mismatch_is_named(tmp_path: Path) -> None:
    (tmp_path / "changed.jar").write_bytes(DAMAGED)
    (tmp_path / "foreign.jar").write_bytes(GOOD)
    digest = hashlib.sha256(GOOD).hexdigest()
    found = jars.find_mismatches(tmp_path, {"changed.jar": digest, "absent.jar": digest})
    assert found[:2] == ["absent.jar is missing", "foreign.jar is not in the list"]
    assert found[2].startswith("changed.jar has sha256 ")
    assert found[2].endswith(digest)


# The registry is the one thing no test may depend on: downloads are replaced by files, and what
# happens to them afterwards is real.
@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.setattr(jars, "_PAUSE_SECONDS", 0.0)

    def deliver(*answers: bytes | Exception) -> None:
        waiting = list(answers)

        def fetch(workshop: Path, wanted: list[jars.Jar]) -> list[Path]:
            assert wanted == [jars.Jar("org.apache", "kafka", "1")]
            answer = waiting.pop(0)
            if isinstance(answer, Exception):
                raise answer
            jar = workshop / "m2" / "kafka-1.jar"
            jar.parent.mkdir(parents=True, exist_ok=True)
            jar.write_bytes(answer)
            return [jar]

        monkeypatch.setattr(jars, "_fetch", fetch)

    return deliver


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "hashes"
    path.write_text(f"{hashlib.sha256(GOOD).hexdigest()}  org.apache:kafka:1\n")
    return path


def test_a_registry_that_stumbles_is_asked_again(
    registry: Callable[..., None], tmp_path: Path, listed: Path
) -> None:
    registry(OSError("reset"), DAMAGED, GOOD)
    said: list[str] = []
    folder = jars.ensure_jars(said.append, tmp_path / "kafka", listed)
    assert [path.read_bytes() for path in folder.iterdir()] == [GOOD]
    assert not (tmp_path / "kafka" / "build").exists()
    assert "reset" in said[1]
    assert "kafka-1.jar has sha256" in said[2]


def test_jars_that_never_match_are_refused_and_not_installed(
    registry: Callable[..., None], tmp_path: Path, listed: Path
) -> None:
    registry(*[DAMAGED] * 4)
    with pytest.raises(RewakeError, match=r"kafka-1\.jar has sha256 .* expected"):
        jars.ensure_jars(print, tmp_path / "kafka", listed)
    assert [path.name for path in (tmp_path / "kafka").iterdir()] == ["build"]


def test_an_installed_jar_that_was_changed_is_built_again(
    registry: Callable[..., None], tmp_path: Path, listed: Path
) -> None:
    registry(GOOD, GOOD)
    folder = jars.ensure_jars(print, tmp_path / "kafka", listed)
    (folder / "kafka-1.jar").write_bytes(DAMAGED)
    assert jars.ensure_jars(print, tmp_path / "kafka", listed) == folder
    assert (folder / "kafka-1.jar").read_bytes() == GOOD
