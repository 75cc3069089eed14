"""`rewake validate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Rewake

DATA = Path(__file__).parents[3] / "data"


@pytest.mark.parametrize("shop", ["online_retail", "complete_journey"])
def test_the_rules_that_come_with_the_data_are_valid(rewake: Rewake, shop: str) -> None:
    found = json.loads(rewake("validate", str(DATA / shop / "rules.toml"), "--json").stdout)
    assert found["valid"] is True
    assert len(found["rules_version"]) == 16
    lifecycle = next(system for system in found["systems"] if system["key"] == "lifecycle")
    assert lifecycle["segments"]["silent"] == {"zh": "沉默客户", "en": "Silent"}
    assert lifecycle["changed"] == {
        "online_retail": ["by_value", "silent_engagement_days"],
        "complete_journey": ["cadence"],
    }[shop]  # fmt: skip


def test_the_summary_is_in_both_languages_and_shows_what_was_changed(
    rewake: Rewake, tmp_path: Path
) -> None:
    (tmp_path / "r.toml").write_text(
        '[engine]\nbase_currency = "EUR"\nrates = { GBP = "1.2" }\n'
        "[systems.lifecycle]\nsilent_purchase_days = 40\n"
    )
    done = rewake("validate", "r.toml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("r.toml: valid, rules version ")
    assert "amounts in EUR, days of UTC" in done.stdout
    assert "  1 GBP = 1.2 EUR\n" in done.stdout
    assert "lifecycle  生命周期 / Lifecycle\n" in done.stdout
    assert "  silent  沉默客户 / Silent   → " in done.stdout
    assert "  other than by default: silent_purchase_days = 40\n" in done.stdout
    assert "rfm" not in done.stdout


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("[systems.lifecycle]\nsilent_days = 9", "systems.lifecycle.silent_days", "no such key"),
        ("[systems.lifecycle]\nnew_days = 'x'", "systems.lifecycle.new_days", "got 'x'"),
        ("[systems.rfm]\n[engine]\nbusiness_timezone = 'Mars'", "engine.business_timezone", "IANA"),
        ("[systems.lifecycle", "", "expected TOML"),
    ],
)
def test_an_error_has_the_path_of_what_is_wrong(
    rewake: Rewake, tmp_path: Path, text: str, path: str, said: str
) -> None:
    (tmp_path / "r.toml").write_text(text)
    done = rewake("validate", "r.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("rewake: ")
    assert path in done.stderr
    assert said in done.stderr
    as_json = rewake("validate", "r.toml", "--json")
    found = json.loads(as_json.stdout)
    assert (as_json.returncode, found["valid"]) == (2, False)
    (mistake,) = found["mistakes"]
    assert said in mistake["error"]
    assert mistake["path"] == path


def test_all_mistakes_are_told_at_once(rewake: Rewake, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(
        "[engine]\nbase_currency = 'quid'\n[systems.lifecycle]\nnew_days = 'x'\nold_days = 3\n"
        "[systems.rfm]\nmap = 'Z'"
    )
    paths = [
        "engine.base_currency",
        "systems.lifecycle.new_days",
        "systems.lifecycle.old_days",
        "systems.rfm.map",
    ]
    done = rewake("validate", "r.toml")
    first, *lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert first == "rewake: r.toml: 4 mistakes"
    assert sorted(line.split(":")[0].strip() for line in lines) == paths
    found = json.loads(rewake("validate", "r.toml", "--json").stdout)
    assert sorted(mistake["path"] for mistake in found["mistakes"]) == paths
