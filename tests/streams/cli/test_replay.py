"""`rewake replay`."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Rewake

pytestmark = pytest.mark.interpreted

HISTORY = """customer_id,ts,type,amount,ref
17850,2010-12-01T08:26:00Z,purchase,139.12,1
17850,2011-03-20T08:26:00Z,purchase,10,2
,2010-12-02T00:00:00Z,purchase,5,3
d,2010-12-01T08:26:00Z,purchase,5,4
"""
RULES = "[systems.lifecycle]\nsilent_engagement_days = 0\n"


@pytest.fixture
def _history(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text(HISTORY)
    (tmp_path / "r.toml").write_text(RULES)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.usefixtures("_history")
def test_changes_go_to_a_file_and_the_summary_to_standard_error(
    rewake: Rewake, tmp_path: Path
) -> None:
    done = rewake("replay", "h.csv", "--rules", "r.toml", "--out", "c.jsonl")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    told = [
        (c["customer_id"], c["to"], c["cause"]) for c in lines((tmp_path / "c.jsonl").read_text())
    ]
    assert told == [
        ("17850", "new", "event"),
        ("d", "new", "event"),
        ("17850", "active", "clock"),
        ("d", "active", "clock"),
        ("17850", "silent", "clock"),
        ("d", "silent", "clock"),
        ("17850", "reactivated", "event"),
    ]
    assert "read 4 events in " in done.stderr
    assert "events/s), applied 3\n" in done.stderr
    assert "skipped 1 missing_customer, the first: h.csv, row 3: customer_id" in done.stderr
    assert "2 customers, 7 changes up to 2011-03-20T08:26:00.000Z" in done.stderr
    assert "lifecycle  active  silent             2\n" in done.stderr
    # Nobody watches: no bars.
    assert "\x1b" not in done.stderr


@pytest.mark.usefixtures("_history")
def test_out_may_be_gzipped_or_standard_output_and_is_the_same(
    rewake: Rewake, tmp_path: Path
) -> None:
    printed = rewake("replay", "h.csv", "--rules", "r.toml", "--out", "-").stdout
    assert len(lines(printed)) == 7
    rewake("replay", "h.csv", "--rules", "r.toml", "--out", "c.jsonl.gz")
    assert gzip.decompress((tmp_path / "c.jsonl.gz").read_bytes()).decode() == printed
    assert {path.name for path in tmp_path.iterdir()} >= {"c.jsonl.gz", "h.csv", "r.toml"}
    assert not list(tmp_path.glob(".c.jsonl*"))


@pytest.mark.usefixtures("_history")
def test_until_ends_time_earlier_or_later(rewake: Rewake) -> None:
    call = ("replay", "h.csv", "--rules", "r.toml", "--json", "--until")
    early = json.loads(rewake(*call, "2010-12-31T08:26:00Z").stdout)
    assert (early["applied"], early["beyond_until"], early["changes"]) == (2, 1, 4)
    before = json.loads(rewake(*call, str(early["until"] - 1)).stdout)
    assert before["changes"] == 2
    late = json.loads(rewake(*call, "2012-01-01").stdout)
    assert {"system": "lifecycle", "from": "silent", "to": "churned", "changes": 2} in late["moves"]


@pytest.mark.usefixtures("_history")
def test_json_is_the_summary_and_steps_aside_for_changes_on_standard_output(
    rewake: Rewake,
) -> None:
    summary = json.loads(rewake("replay", "h.csv", "--rules", "r.toml", "--json").stdout)
    assert summary["events"] == 4
    assert summary["skipped"] == {"missing_customer": 1}
    assert summary["customers"] == 2
    assert summary["changes"] == 7 == sum(move["changes"] for move in summary["moves"])
    both = rewake("replay", "h.csv", "--rules", "r.toml", "--json", "--out", "-")
    assert len(lines(both.stdout)) == 7
    assert json.loads(both.stderr)["changes"] == 7


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none.csv",), "expected a file of history, got none.csv: No such file"),
        (("r.toml",), "r.toml: expected a header with the columns customer_id, ts, type"),
        (("h.csv", "--rules", "none.toml"), "expected a readable rules file, got none.toml"),
        (("h.csv", "--rules", "r.toml", "--until", "soon"), "--until: expected ISO 8601 or epoch"),
        (
            ("h.csv", "--rules", "r.toml", "--out", "no/where.jsonl"),
            "--out: expected a file that can be written",
        ),
        ((), "Usage: rewake replay"),
    ],
)
def test_a_wrong_call_ends_with_code_2_and_says_what_was_expected(
    rewake: Rewake, words: tuple[str, ...], said: str
) -> None:
    done = rewake("replay", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
