"""`rewake replay --compare`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Inside = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.interpreted

HISTORY = """customer_id,ts,type,amount,ref
a,2010-12-01T08:26:00Z,purchase,139.12,1
b,2011-01-20T08:26:00Z,purchase,10,2
c,2011-03-20T08:26:00Z,purchase,5,3
,2010-12-02T00:00:00Z,purchase,5,4
"""
NINETY = "[systems.lifecycle]\nsilent_engagement_days = 0\n"
FIFTY = "[systems.lifecycle]\nsilent_engagement_days = 0\nsilent_purchase_days = 50\n"


@pytest.fixture
def _files(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text(HISTORY)
    (tmp_path / "90.toml").write_text(NINETY)
    (tmp_path / "50.toml").write_text(FIFTY)
    (tmp_path / "more.toml").write_text(NINETY + "[systems.monetary_tier]\n")


COMPARE = ("replay", "h.csv", "--rules", "90.toml", "--compare", "50.toml")


# 2010-12-01  2011-01-20  2011-03-11  2011-03-20
# a           b           b silent    c, the end of time
#                         by 50 days  a silent by both
@pytest.mark.usefixtures("_files")
def test_the_matrix_says_who_ends_where_with_shares_of_rows_and_both_languages(
    inside: Inside,
) -> None:
    done = inside(*COMPARE)
    assert done.returncode == 0, done.stderr
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0].startswith("from  90.toml (rules version ")
    assert lines[0].endswith("3 customers, 6 changes")
    assert lines[1].startswith("to    50.toml (rules version ")
    assert lines[1].endswith("3 customers, 7 changes")
    assert lines[2] == "up to 2011-03-20 08:26"
    assert "lifecycle  生命周期 / Lifecycle" in lines
    assert "1 of 3 customers end elsewhere (33.3%)" in lines
    (row,) = [line for line in lines if line.startswith("active  活跃客户 / Active")]
    assert row.split()[4:] == ["1", "·", "1", "100.0%"]
    (sample,) = [line for line in lines if line.split()[:3] == ["active", "silent", "b"]]
    assert "2011-02-19 08:26, n=1 p=2011-01-20T08:26 " in sample
    assert "2011-03-11 08:26, n=1 p=2011-01-20T08:26 " in sample
    (told,) = [line for line in lines if line.split()[:2] == ["lifecycle", "clock"]]
    assert told.split()[2:] == ["3", "4", "+1"]
    assert "skipped 1 missing_customer, the first: h.csv, row 4" in done.stderr


@pytest.mark.usefixtures("_files")
def test_json_has_the_same_for_programs(inside: Inside) -> None:
    found = json.loads(inside(*COMPARE, "--json").stdout)
    assert (found["rules"]["name"], found["other"]["name"]) == ("90.toml", "50.toml")
    assert (found["rules"]["customers"], found["rules"]["changes"]) == (3, 6)
    assert found["rules"]["rules_version"] != found["other"]["rules_version"]
    (lifecycle,) = found["systems"]
    assert (lifecycle["in"], lifecycle["customers"], lifecycle["moved"]) == ("both", 3, 1)
    assert lifecycle["labels"]["other"]["silent"] == {"zh": "沉默客户", "en": "Silent"}
    moves = {(cell["from"], cell["to"]): cell for cell in lifecycle["matrix"]}
    assert {move: (cell["customers"], cell["row_share"]) for move, cell in moves.items()} == {
        ("new", "new"): (1, 1.0),
        ("active", "silent"): (1, 1.0),
        ("silent", "silent"): (1, 1.0),
    }
    assert moves["new", "new"]["samples"] == []
    (sample,) = moves["active", "silent"]["samples"]
    assert sample["customer_id"] == "b"
    assert (sample["rules"]["segment"], sample["other"]["segment"]) == ("active", "silent")
    assert sample["other"]["cause"] == "clock"
    assert sample["other"]["features"]["n"] == 1
    assert found["changes"] == [
        {"system": "lifecycle", "cause": "clock", "rules": 3, "other": 4},
        {"system": "lifecycle", "cause": "event", "rules": 3, "other": 3},
    ]


@pytest.mark.usefixtures("_files")
def test_samples_and_until_are_as_asked(inside: Inside) -> None:
    none = json.loads(inside(*COMPARE, "--json", "--samples", "0").stdout)
    assert not any(cell["samples"] for cell in none["systems"][0]["matrix"])
    early = json.loads(inside(*COMPARE, "--json", "--until", "2011-01-19T08:26:00Z").stdout)
    assert early["systems"][0]["customers"] == 1


@pytest.mark.usefixtures("_files")
def test_a_system_in_only_one_of_the_two_is_said_to_be_so(inside: Inside) -> None:
    call = ("replay", "h.csv", "--rules", "more.toml", "--compare", "90.toml")
    told = inside(*call).stdout
    assert "only in more.toml; 90.toml does not enable it" in told
    assert "small    小额客户 / Small" in told
    systems = json.loads(inside(*call, "--json").stdout)["systems"]
    assert [(each["system"], each["in"]) for each in systems] == [
        ("lifecycle", "both"),
        ("monetary_tier", "rules"),
    ]
    assert systems[1]["sizes"] == {"small": 3}


@pytest.mark.usefixtures("_files")
def test_customers_whose_facts_only_one_of_the_two_can_take_are_in_the_matrix(
    inside: Inside, tmp_path: Path
) -> None:
    (tmp_path / "h.csv").write_text(
        "customer_id,ts,type,amount,currency\n"
        "a,2010-12-01T08:26:00Z,purchase,1,GBP\n"
        "b,2010-12-02T08:26:00Z,purchase,1,EUR\n"
    )
    (tmp_path / "euro.toml").write_text('[engine.rates]\nEUR = "0.86"\n' + NINETY)
    done = inside("replay", "h.csv", "--rules", "90.toml", "--compare", "euro.toml")
    lines = done.stdout.splitlines()
    # Time ends for both at the last fact that either has taken.
    assert "up to 2010-12-02 08:26" in lines
    (row,) = [line for line in lines if line.startswith("–  未判定 / Not judged")]
    assert row.split()[5:] == ["1", "1", "100.0%"]
    (sample,) = [line for line in lines if line.split()[:3] == ["–", "new", "b"]]
    assert sample.split()[3:5] == ["–", "2010-12-02"]
    assert "90.toml:\nskipped 1 unknown_currency, the first: h.csv, row 2" in done.stderr


@pytest.mark.usefixtures("_files")
def test_of_no_facts_nothing_comes(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text("customer_id,ts,type,amount\n")
    told = inside(*COMPARE)
    assert (told.returncode, told.stdout.splitlines()[-1]) == (0, "no facts: nothing happened")
    found = json.loads(inside(*COMPARE, "--json").stdout)
    assert (found["until"], found["systems"][0]["matrix"], found["changes"]) == (None, [], [])


@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--compare", "none.toml"), "expected a readable rules file, got none.toml"),
        (("--compare", "50.toml", "--out", "c.jsonl"), "--out: expected without --compare"),
        (("--samples", "2"), "--samples: expected together with --compare OTHER_RULES"),
        (("--compare", "50.toml", "--samples", "-1"), "Invalid value for '--samples'"),
    ],
)
def test_a_wrong_call_ends_with_code_2_and_says_what_was_expected(
    inside: Inside, words: tuple[str, ...], said: str
) -> None:
    done = inside("replay", "h.csv", "--rules", "90.toml", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
