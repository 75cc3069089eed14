"""Every kind of mistake in a rules file is told with its path, what came and what is allowed."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from schemas.errors import RulesError
from segmenters.mistakes import examine, find

if TYPE_CHECKING:
    from pathlib import Path

LIFE = "[systems.lifecycle]\n"
RHYTHM = LIFE + "[systems.lifecycle.cadence]\n"
MONEY = "[systems.monetary_tier]\n"
RFM = "[systems.rfm]\n"
PLAYS = LIFE + "[plays]\n"


def mistakes(text: str) -> list[tuple[str, str]]:
    return [(each.path, each.detail) for each in find(tomllib.loads(text))]


@pytest.mark.parametrize(
    ("text", "path", "allowed", "came"),
    [
        # names
        (LIFE + "[engin]", "engin", "did you mean engine? expected one of engine", "engin"),
        ("[engine]\nbase = 'GBP'\n" + LIFE, "engine.base", "did you mean base_currency?", "base"),
        ("[systems.lifecycel]", "systems.lifecycel", "did you mean lifecycle?", "lifecycel"),
        ("[systems.abc]", "systems.abc", "expected one of lifecycle, churn_risk", "abc"),
        (LIFE + "silent_day = 9", "systems.lifecycle.silent_day",
         "did you mean silent_purchase_days? expected one of silent_purchase_days, ", "silent_day"),
        (LIFE + "x = 9", "systems.lifecycle.x", "expected one of silent_purchase_days, ", "x"),
        (RHYTHM + "quantil = 5", "systems.lifecycle.cadence.quantil",
         "did you mean quantile? expected one of quantile, silent_pct, ", "quantil"),
        (MONEY + "thresholds = { huge = 1 }", "systems.monetary_tier.thresholds.huge",
         "expected one of large, medium", "huge"),
        # types
        (LIFE + "new_days = '9'", "systems.lifecycle.new_days", "expected a whole number", "'9'"),
        (LIFE + "new_days = 1.5", "systems.lifecycle.new_days", "expected a whole number", "1.5"),
        (LIFE + "new_days = true", "systems.lifecycle.new_days", "expected a whole number", "True"),
        (LIFE + "new_days = 2011-01-01", "systems.lifecycle.new_days", "a whole number", "2011"),
        (MONEY + "down_ratio = 'most'", "systems.monetary_tier.down_ratio", "a decimal", "'most'"),
        (MONEY + "down_ratio = nan", "systems.monetary_tier.down_ratio", "a number", "NaN"),
        (MONEY + "thresholds = { large = 'inf' }", "systems.monetary_tier.thresholds.large",
         "a number", "Infinity"),
        (RFM + "map = 3", "systems.rfm.map", "expected a text in quotes", "3"),
        (RFM + "frequency = 3", "systems.rfm.frequency", "expected a list", "3"),
        (RFM + "frequency = [9, 6, '3', 2]", "systems.rfm.frequency[2]", "a whole number", "'3'"),
        (RFM + "recency_days = [30, 60]", "systems.rfm.recency_days", "length 4", "[30, 60]"),
        # ranges
        (LIFE + "new_days = -1", "systems.lifecycle.new_days", ">= 0", "-1"),
        (LIFE + "new_days = 9999", "systems.lifecycle.new_days", "<= 3650", "9999"),
        (RHYTHM + "quantile = 101", "systems.lifecycle.cadence.quantile", "<= 100", "101"),
        ("[engine]\nmax_lateness_days = 401\n" + LIFE, "engine.max_lateness_days", "<= 400", "401"),
        (MONEY + "down_ratio = 1.5", "systems.monetary_tier.down_ratio", "at most 1", "1.5"),
        # order
        (MONEY + "thresholds = { large = 5, medium = 10 }", "systems.monetary_tier.thresholds",
         "large > medium > 0", "5 and 10"),
        (RFM + "frequency = [3, 6, 2, 1]", "systems.rfm.frequency", "must fall", "'3', '6'"),
        (RFM + "recency_days = [30, 20, 60, 90]", "systems.rfm.recency_days", "must rise", "20"),
        # shapes
        ("systems = 3", "systems", "expected a table", "3"),
        ("systems.lifecycle = 3", "systems.lifecycle", "expected a table", "3"),
        ("[[systems.lifecycle]]", "systems.lifecycle", "expected a table", "[{}]"),
        ("engine = 'GBP'\n" + LIFE, "engine", "expected a table", "'GBP'"),
        ("plays = 3\n" + LIFE, "plays", "expected a table", "3"),
        (LIFE + "cadence = 3", "systems.lifecycle.cadence", "a table", "3"),
        (MONEY + "thresholds = [5, 1]", "systems.monetary_tier.thresholds", "a table", "[5, 1]"),
        ("[engine]\nrates = 'EUR'\n" + LIFE, "engine.rates", "a table", "'EUR'"),
        # plays
        (PLAYS + "silent = { zh = '', en = '' }", "plays.silent", "'system:segment'", "silent"),
        (PLAYS + "'lifecycle:asleep' = { zh = '', en = '' }", "plays.lifecycle:asleep",
         "prospect, new, active, silent", "asleep"),
        (PLAYS + "'lifecicle:new' = { zh = '', en = '' }", "plays.lifecicle:new",
         "did you mean lifecycle?", "lifecicle"),
        (PLAYS + "'lifecycle:new' = { zh = '新' }", "plays.lifecycle:new", "the key en", "{'zh'"),
        (PLAYS + "'lifecycle:new' = 'call'", "plays.lifecycle:new", "a table", "'call'"),
        (PLAYS + "'lifecycle:new' = { zh = 1, en = '' }", "plays.lifecycle:new.zh", "a text", "1"),
        # money and time
        ("[engine]\nbase_currency = 'pound'\n" + LIFE, "engine.base_currency", "ISO 4217", "pound"),
        ("[engine.rates]\nEURO = '1'\n" + LIFE, "engine.rates.EURO", "ISO 4217", "'EURO'"),
        ("[engine.rates]\nEUR = '-1'\n" + LIFE, "engine.rates.EUR", "decimal above 0", "'-1'"),
        ("[engine.rates]\nEUR = 0.86\n" + LIFE, "engine.rates.EUR", "a text in quotes", "0.86"),
        ("[engine.rates]\nGBP = '1'\n" + LIFE, "engine.rates.GBP", "no rate for the base", "GBP"),
        ("[engine]\nbusiness_timezone = 'Mars'\n" + LIFE, "engine.business_timezone",
         "an IANA time zone such as Europe/London", "'Mars'"),
        ("[engine]\nqualifying_engagements = ['login', 3]\n" + LIFE,
         "engine.qualifying_engagements[1]", "a text in quotes", "3"),
        # maps
        (RFM + "map = 'Z'", "systems.rfm.map", "expected A, B, C or the path of a map file", "'Z'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_alone_with_its_path_what_is_allowed_and_what_came(
    text: str, path: str, allowed: str, came: str
) -> None:
    ((where, said),) = mistakes(text)
    assert where.split(": ")[0] == path
    assert allowed in said
    assert came in f"{where} {said}"


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ('all = "R12345 F12345 M1234"', "25 have none: 115 125"),
        ('one = "R12345 F12345"\ntwo = "555"', "1 have several: 555 (one, two)"),
        ('one = "R1234 F6"', "expected cells such as '555 554'"),
        ("one = ", "is not TOML"),
    ],
)
def test_a_map_that_does_not_cover_is_told_with_its_cells(
    tmp_path: Path, cells: str, said: str
) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(cells, encoding="utf-8")
    ((path, detail),) = mistakes(f"{RFM}map = '{own}'")
    assert path == "systems.rfm.map"
    assert said in detail
    assert str(own) in detail


def test_an_empty_file_is_told_what_it_lacks_once() -> None:
    ((path, said),) = mistakes("")
    assert path == "systems"
    assert "expected a table for each system to enable: lifecycle" in said


def test_all_mistakes_are_found_wherever_they_are() -> None:
    text = (
        "[engine]\nbase_currency = 'quid'\nbusiness_timezone = 'Mars'\nspeed = 3\n"
        "rates = { EUR = '0', USD = 1 }\n"
        "[systems.lifecycle]\nnew_days = 'x'\nold_days = 1\nwake_days = 0\n"
        "[systems.lifecycle.cadence]\nquantile = 0\n"
        "[systems.segments]\n[systems.rfm]\nfrequency = [1]\nmonetary = [1, 2, 3, 4]\n"
        "[plays]\n'silent' = 3\n'rfm:best' = { zh = '', en = '' }"
    )
    assert {path.split(": ")[0] for path, _ in mistakes(text)} == {
        "engine.base_currency", "engine.business_timezone", "engine.speed", "engine.rates.EUR",
        "engine.rates.USD", "systems.lifecycle.new_days", "systems.lifecycle.old_days",
        "systems.lifecycle.wake_days", "systems.lifecycle.cadence.quantile", "systems.segments",
        "systems.rfm.frequency", "plays.silent", "plays.rfm:best",
    }  # fmt: skip


def test_a_wrong_parameter_makes_no_mistake_of_those_it_is_compared_with() -> None:
    text = LIFE + "silent_purchase_days = 'x'\nchurned_purchase_days = 60"
    assert [path for path, _ in mistakes(text)] == ["systems.lifecycle.silent_purchase_days"]


def test_a_wrong_base_currency_makes_no_mistake_of_a_rate() -> None:
    text = "[engine]\nbase_currency = 'quid'\nrates = { GBP = '1.2' }\n" + LIFE
    assert [path for path, _ in mistakes(text)] == ["engine.base_currency"]


def test_two_contradictions_of_one_system_are_both_found_where_they_stand_in_the_file() -> None:
    text = LIFE + "churned_purchase_days = 9\nnew_orders = 1"
    assert {path for path, _ in mistakes(text)} == {
        "systems.lifecycle.churned_purchase_days",
        "systems.lifecycle.new_orders",
    }


def test_a_file_without_mistakes_is_read(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text(LIFE)
    rules, wrong = examine(file)
    assert rules is not None
    assert ([system.key for system in rules.systems], wrong) == (["lifecycle"], [])


@pytest.mark.parametrize("text", [None, "systems = ]"])
def test_a_file_that_is_none_is_refused_as_a_whole(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "r.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(RulesError, match=r"expected (a readable rules file|TOML)"):
        examine(file)
