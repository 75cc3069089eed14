"""A rules file is taken whole or refused with the path of what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.errors import RulesError
from segmenters.rules import PLAYS, defaults, load, loads, recall

if TYPE_CHECKING:
    from pathlib import Path

LIFECYCLE = "[systems.lifecycle]\n"


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (LIFECYCLE + "silent_purchase_day = 9", "systems.lifecycle.silent_purchase_day",
         "did you mean silent_purchase_days?"),
        (LIFECYCLE + "silent_purchase_days = '9'", "systems.lifecycle.silent_purchase_days",
         "expected a whole number, got '9'"),
        (LIFECYCLE + "silent_purchase_days = 0", "systems.lifecycle.silent_purchase_days", ">= 1"),
        (LIFECYCLE + "churned_purchase_days = 60", "systems.lifecycle.churned_purchase_days",
         "at least silent_purchase_days (90)"),
        (LIFECYCLE + "new_orders = 1", "systems.lifecycle.new_orders", "at least 2"),
        (LIFECYCLE + "new_days = 0", "systems.lifecycle.new_days", "never end"),
        (LIFECYCLE + "silent_engagement_days = 0\nwake_engagements = 1",
         "systems.lifecycle.wake_engagements", "must be 0"),
        (LIFECYCLE + "[systems.lifecycle.cadence]\nquantil = 5",
         "systems.lifecycle.cadence.quantil", "did you mean quantile?"),
        ("[systems.lifecycles]", "systems.lifecycles", "did you mean lifecycle?"),
        ("[systems.monetary_tier]\nthresholds = { large = 5, medium = 10 }",
         "systems.monetary_tier.thresholds", "large > medium > 0"),
        ("[systems.monetary_tier]\ndown_ratio = 1.5", "systems.monetary_tier.down_ratio", "1.5"),
        ("[systems.rfm]\nmap = 'Z'", "systems.rfm.map", "got 'Z'"),
        ("[systems.rfm]\nfrequency = [3, 6, 2, 1]", "systems.rfm.frequency", "must fall"),
        ("[systems.rfm]\nrecency_days = [30, 60, 90]", "systems.rfm.recency_days", "length 4"),
        ("[engine]\nbusiness_timezone = 'Europe/Lundun'\n" + LIFECYCLE,
         "engine.business_timezone", "IANA time zone"),
        ("[engine]\nbase_currency = 'pounds'\n" + LIFECYCLE, "engine.base_currency", "ISO 4217"),
        ("[engine]\nbase = 'GBP'\n" + LIFECYCLE, "engine.base", "base_currency"),
        ("[engine]\n", "systems", "expected a table for each system"),
        ("[plays]\n'lifecycle:asleep' = { zh = '', en = '' }\n" + LIFECYCLE,
         "plays.lifecycle:asleep", "asleep"),
        ("[plays]\n'silent' = { zh = '', en = '' }\n" + LIFECYCLE, "plays.silent",
         "'system:segment'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_path(text: str, path: str, message: str) -> None:
    with pytest.raises(RulesError) as caught:
        loads(text, "my.toml")
    told = str(caught.value)
    assert told.startswith("my.toml: ")
    assert path in told
    assert message.lower() in told.lower()
    assert caught.value.exit_code == 2


def test_text_that_is_not_toml_is_refused_with_the_line() -> None:
    with pytest.raises(RulesError, match=r"my\.toml.*line 1"):
        loads("systems = ]", "my.toml")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="expected a readable rules file"):
        load(tmp_path / "none.toml")


def test_the_version_follows_what_is_meant_not_how_it_is_written() -> None:
    one = loads("[systems.lifecycle]\nsilent_purchase_days = 90\n[systems.rfm]")
    same = loads("# a comment\n[systems.rfm]\n[systems.lifecycle]")
    other = loads("[systems.lifecycle]\nsilent_purchase_days = 91\n[systems.rfm]")
    assert one.version == same.version != other.version


def test_systems_are_evaluated_lifecycle_first_then_by_number() -> None:
    rules = loads("[systems.rfm]\n[systems.monetary_tier]\n[systems.lifecycle]")
    assert [system.key for system in rules.systems] == ["lifecycle", "monetary_tier", "rfm"]


def test_the_most_specific_play_is_suggested() -> None:
    play = "'lifecycle:active>silent' = { zh = '慢', en = 'Slow' }"
    rules = loads(f"[plays]\n{play}\n" + LIFECYCLE)
    assert rules.play("lifecycle", "active", "silent", {}).en == "Slow"  # type: ignore[union-attr]
    assert rules.play("lifecycle", "new", "silent", {}) == PLAYS["lifecycle:silent"]
    assert rules.play("rfm", None, "loyal", {}) is None


def test_rules_are_read_back_from_their_canonical_text(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text('"a \\"good\\" one" = "R345 F12345"\nbad = "R12 F12345"', encoding="utf-8")
    text = (
        "[engine]\nbusiness_timezone = 'Europe/London'\nrates = { EUR = '0.86' }\n"
        "[systems.lifecycle]\nnew_days = 7\n[systems.lifecycle.cadence]\nquantile = 80\n"
        f"[systems.monetary_tier]\ndown_ratio = 0.5\n[systems.rfm]\nmap = '{own}'\n"
        "[plays]\n'rfm:bad' = { zh = '差', en = 'Bad' }"
    )
    rules = loads(text)
    own.unlink()  # what is recorded needs no file any more
    again = recall(rules.text)
    assert (again.version, again.plays) == (rules.version, rules.plays)
    assert again.systems[:2] == rules.systems[:2]
    assert again.systems[2].segments == ("none", 'a "good" one', "bad")
    assert again.engine == rules.engine
    assert recall(again.text).text == rules.text


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"systems": {}, "engine": {}, "plays": {}}',
     defaults().text.replace("new_days", "newer_days")],
)  # fmt: skip
def test_a_text_that_is_no_recorded_rules_is_refused(text: str) -> None:
    with pytest.raises(RulesError):
        recall(text)
