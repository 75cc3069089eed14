"""What docs/operations.md and the service unit name exists."""

from __future__ import annotations

import re
from pathlib import Path

from streams.settings import Settings

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "streams" / "ops" / "systemd" / "rewake-worker@.service"
PAGES = [ROOT / "docs" / f"{name}.md" for name in ("operations", "security", "tutorial")]
KNOWN = {f"REWAKE_{name.upper()}" for name in Settings.model_fields} | {"REWAKE_CACHE_DIR"}


def test_the_unit_sets_only_settings_that_exist() -> None:
    named = set(re.findall(r"(?<=[ =])(REWAKE_\w+?)(?:_FILE)?=", UNIT.read_text("utf-8")))
    assert len(named) >= 4
    assert named <= KNOWN


def test_the_pages_name_only_settings_and_files_that_exist() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        named = set(re.findall(r"\bREWAKE_[A-Z_]*[A-Z]\b", text))
        assert {each.removesuffix("_FILE") for each in named} <= KNOWN, page.name
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
        assert [link for link in links if not (page.parent / link).exists()] == [], page.name
