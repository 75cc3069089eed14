"""`rewake report`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Inside = Callable[..., CompletedProcess[str]]

# Ten customers; the later their last order, the more they have ordered.
HISTORY = "customer_id,ts,type,amount,ref\n" + "".join(
    f"c{k},2011-01-{k + 1:02}T12:00:00Z,purchase,{k}.50,{k}-{n}\n"
    for k in range(10)
    for n in range(k + 1)
)
MORE = """c0,2011-01-01T13:00:00Z,purchase,0,free
c0,2011-01-01T14:00:00Z,refund,2.00,back
,2011-01-02T00:00:00Z,purchase,5,guest
c0,2011-01-03T00:00:00Z,engagement,,seen
"""
REPORT = ("report", "rfm", "h.csv", "--quintiles")


@pytest.fixture(autouse=True)
def _history(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text(HISTORY + MORE)


def test_a_report_says_what_it_is_of_and_the_sizes_in_both_languages(inside: Inside) -> None:
    done = inside(*REPORT, "--reference-date", "2011-01-11")
    assert done.returncode == 0, done.stderr
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0] == (
        "10 customers with orders up to 2011-01-11 00:00; the last 365 days, orders less what was "
        "taken back; fifths cut at values, map A"
    )
    (best,) = [line for line in lines if line.startswith("champions  ")]
    assert best.split() == [
        "champions", "冠军客户", "/", "Champions", "2", "20.0%", "0.5", "9.5", "85.75", "48.2%",
    ]  # fmt: skip
    (lowest,) = [line for line in lines if line.startswith("M1 ")]
    assert lowest.split()[-3:] == ["-1.50", "3.00", "2"]
    assert "skipped 1 missing_customer, the first: h.csv" in done.stderr
    assert "note: fifths of fewer than 500 customers say little" in done.stderr
    # Nobody watches: no bars.
    assert "\x1b" not in done.stderr


def test_json_has_the_same_for_programs(inside: Inside) -> None:
    found = json.loads(inside(*REPORT, "--reference-date", "2011-01-11", "--json").stdout)
    assert found["reference"] == 1294704000000
    assert (found["window_days"], found["cut"], found["map"]) == (365, "edges", "A")
    assert (found["currency"], found["positive_only"], found["customers"]) == ("GBP", False, 10)
    assert found["segments"][0] == {
        "segment": "champions",
        "label": {"zh": "冠军客户", "en": "Champions"},
        "customers": 2,
        "mean_days": 0.5,
        "mean_orders": 9.5,
        "spend": 171.5,
    }
    assert found["scores"]["R"][0] == {"score": 5, "customers": 2, "least": 0, "most": 1}
    assert found["scores"]["M"][-1] == {"score": 1, "customers": 2, "least": -1.5, "most": 3.0}
    assert sum(found["cells"].values()) == 10


def test_a_report_is_the_same_each_time(inside: Inside) -> None:
    assert inside(*REPORT).stdout == inside(*REPORT).stdout


def test_positive_only_leaves_out_what_was_taken_back_and_what_was_free(inside: Inside) -> None:
    def worst(*words: str) -> object:
        return json.loads(inside(*REPORT, "--json", *words).stdout)["scores"]["M"][-1]["least"]

    assert worst() == -1.5
    assert worst("--positive-only") == 0.5


def test_the_reference_is_the_last_fact_unless_it_is_given(inside: Inside) -> None:
    assert "up to 2011-01-10 12:00;" in inside(*REPORT).stdout
    early = json.loads(inside(*REPORT, "--json", "--reference-date", "2011-01-06").stdout)
    assert early["customers"] == 5


def test_the_window_counts_orders_and_spend(inside: Inside) -> None:
    def orders(window: str) -> list[int]:
        answer = inside(*REPORT, "--json", "--window-days", window).stdout
        bands = json.loads(answer)["scores"]["F"]
        return [bands[0]["most"], bands[-1]["least"]]

    assert orders("5") == [10, 0]
    assert orders("all") == orders("365") == [10, 2]


def test_the_cut_and_the_map_are_as_asked(inside: Inside) -> None:
    done = inside(*REPORT, "--cut", "rank_first", "--map", "C")
    assert "fifths cut orders by rank, map C" in done.stdout
    assert "重要价值 / Key: value" in done.stdout


def test_currency_and_days_are_those_of_the_rules(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('[engine]\nbase_currency = "JPY"\n[systems.rfm]\n')
    found = json.loads(inside(*REPORT, "--json", "--rules", "r.toml").stdout)
    assert (found["currency"], found["scores"]["M"][0]["most"]) == ("JPY", 100)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("report", "rfm", "h.csv"), "--quintiles: expected, as the only way of scoring here"),
        ((*REPORT, "--window-days", "0"), "--window-days: expected a number of days, or all"),
        ((*REPORT, "--window-days", "²"), "--window-days: expected a number of days, or all"),
        ((*REPORT, "--reference-date", "soon"), "--reference-date: expected ISO 8601 or epoch"),
        ((*REPORT, "--map", "D"), "expected A, B, C or the path of a map file, got 'D'"),
        ((*REPORT, "--cut", "ranks"), "Invalid value for '--cut'"),
        (("report", "rfm", "none.csv", "--quintiles"), "expected a file of history, got none.csv"),
        (
            ("report", "rfm", "empty.csv", "--quintiles"),
            "expected facts that can be taken, got none",
        ),
        (("report",), "Usage: rewake report"),
    ],
)
def test_a_wrong_call_ends_with_code_2_and_says_what_was_expected(
    inside: Inside, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "empty.csv").write_text("customer_id,ts,type,amount\n")
    done = inside(*words)
    assert done.returncode == 2
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
