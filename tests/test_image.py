"""The image is built from locked libraries, from the files it is given, and runs as nobody."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[1]
IMAGE: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8")
INSTRUCTIONS: Final = [
    line.strip()
    for line in re.sub(r"\\\n\s*", "", IMAGE).splitlines()
    if line and not line.startswith("#")
]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def lock(name: str) -> dict[str, str]:
    """Read a lock as package -> its lines, hashes and all, without where it comes from."""
    text = re.sub(r"(?m)^ *#.*\n", "", (ROOT / name).read_text(encoding="utf-8"))
    entries = re.split(r"\n(?=\S)", text.strip())
    return {entry.partition("==")[0]: re.sub(r"\s+", " ", entry) for entry in entries}


def without_marker(entry: str) -> str:
    return re.sub(r" ;.*?(?= \\)", "", entry)


def test_the_locks_of_the_image_are_parts_of_the_lock_with_the_same_versions_and_hashes() -> None:
    whole = lock("requirements.lock")
    for name in ("requirements.image.lock", "requirements.build.lock"):
        part = lock(name)
        assert len(part) > 5
        for package, entry in part.items():
            assert "--hash=sha256:" in entry
            assert without_marker(entry) == without_marker(whole[package]), package


def needed(names: list[str]) -> set[str]:
    """Return these packages and all they need here, without extras that nobody asked for."""
    found: set[str] = set()
    todo = [Requirement(name) for name in names]
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        known = name in found
        found.add(name)
        for text in requires(name) or () if not known or wanted.extras else ():
            inner = Requirement(text)
            extras = wanted.extras or {""}
            if inner.marker is None or any(inner.marker.evaluate({"extra": e}) for e in extras):
                inner.marker = None
                todo.append(inner)
    return found


def test_the_image_gets_all_the_product_needs_and_nothing_of_the_tests() -> None:
    image = set(lock("requirements.image.lock"))
    assert needed(PROJECT["project"]["dependencies"]) <= image
    extras = PROJECT["project"]["optional-dependencies"]
    only = {
        canonicalize_name(Requirement(name).name) for name in (*extras["local"], *extras["dev"])
    }
    assert image & (only - needed(PROJECT["project"]["dependencies"])) == set()
    assert needed(PROJECT["build-system"]["requires"]) <= set(lock("requirements.build.lock"))


def test_nothing_is_installed_that_is_not_locked_or_made_here() -> None:
    installs = [step for line in INSTRUCTIONS for step in line.split("&& ") if " install " in step]
    assert len(installs) == 3
    for step in installs:
        assert "--require-hashes -r requirements." in step or "--no-deps --no-index dist/" in step
    assert "apt-get" not in IMAGE


def test_the_base_is_slim_pinned_and_the_same_in_both_stages() -> None:
    assert re.search(r"^ARG PYTHON=3\.12\.\d+-slim-\w+$", IMAGE, re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", IMAGE, re.MULTILINE) == ["python:${PYTHON}"] * 2


def test_it_runs_as_nobody_in_particular() -> None:
    last = INSTRUCTIONS[INSTRUCTIONS.index("FROM python:${PYTHON}") :]
    users = [line for line in last if line.startswith("USER ")]
    assert users == ["USER rewake"]
    assert last.index("USER rewake") < last.index('ENTRYPOINT ["rewake"]')
    assert 'CMD ["worker"]' in last


def let_through(path: str) -> bool:
    """Say whether the ignore file lets a path into the image's context."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    allowed = [line[1:] for line in lines if line.startswith("!")]
    return any(path == name or path.startswith(f"{name}/") for name in allowed)


def test_what_is_copied_exists_and_is_let_into_the_context_and_nothing_else_is() -> None:
    copied = [
        source
        for line in INSTRUCTIONS
        if line.startswith("COPY ") and "--from=" not in line
        for source in line.split()[1:-1]
    ]
    for source in copied:
        assert (ROOT / source).exists()
        assert let_through(source)
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in lines if line.startswith("!")} == set(copied)
    assert {"schemas", "segmenters", "streams"} <= set(copied)
    assert not let_through(".env")
