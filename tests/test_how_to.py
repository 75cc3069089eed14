"""Commands on the how-to pages print what stands below them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from segmenters.kernel import cache_folder

ROOT = Path(__file__).parents[1]
PAGES = ("report-rfm.md", "try-other-rules.md")
REWAKE = Path(sys.executable).with_name("rewake")

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_VERSION = re.compile(r"\(rules version [0-9a-f]{16}\)")


def fenced(page: str) -> list[tuple[str, str]]:
    return _FENCED.findall((ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8"))


def commands(page: str) -> list[tuple[str, str]]:
    blocks = fenced(page)
    return [
        (words.strip(), output)
        for (kind, words), (below, output) in pairwise(blocks)
        if kind == "sh" and not below
    ]


def comparable(text: str) -> list[str]:
    """Leave out what a person does not see, and what each release changes."""
    return [_VERSION.sub("(rules version …)", line).rstrip() for line in text.splitlines()]


@pytest.mark.parametrize(
    ("page", "command", "output"),
    [
        pytest.param(page, *each, id=f"{page}-{number}")
        for page in PAGES
        for number, each in enumerate(commands(page), 1)
    ],
)
def test_a_command_prints_what_the_page_says(
    page: str, command: str, output: str, tmp_path: Path
) -> None:
    (tmp_path / "data").symlink_to(ROOT / "data")
    for kind, text in fenced(page):
        if kind == "toml":
            (tmp_path / text.splitlines()[0].removeprefix("# ")).write_text(text, encoding="utf-8")
    _, *words = shlex.split(command)
    environ = {**os.environ, "REWAKE_CACHE_DIR": str(cache_folder().parent)}
    done = subprocess.run(
        [REWAKE, *words], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert comparable(done.stdout) == comparable(output)


@pytest.mark.parametrize("page", PAGES)
def test_each_page_shows_a_command_with_its_output(page: str) -> None:
    assert commands(page)
