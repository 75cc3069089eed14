"""The RFM report on a real shop: as published elsewhere, and as the engine has it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from segmenters.rules import loads
from streams import cli
from streams.history import read_history
from streams.replay import replay

EVENTS = Path(__file__).parents[1] / "data" / "online_retail" / "events.csv.gz"
BOUNDS = Path(__file__).parents[1] / "docs" / "how-to" / "report-rfm.md"
"""Has the bounds that the report without options leads to."""
NOTEBOOK = ("--reference-date", "2011-12-11", "--window-days", "all", "--positive-only")
PUBLISHED = {
    "champions": 633,
    "loyal": 819,
    "potential_loyalist": 484,
    "new": 42,
    "promising": 94,
    "need_attention": 187,
    "about_to_sleep": 352,
    "cannot_lose": 63,
    "at_risk": 593,
    "hibernating": 1_071,
}

Sizer = Callable[..., dict[str, int]]


@pytest.fixture
def sizes(capsys: pytest.CaptureFixture[str]) -> Sizer:
    """Give a function that makes the report and returns the sizes of the segments."""

    def make(*words: str) -> dict[str, int]:
        assert cli.main(["report", "rfm", str(EVENTS), "--quintiles", "--json", *words]) == 0
        segments = json.loads(capsys.readouterr().out)["segments"]
        return {segment["segment"]: segment["customers"] for segment in segments}

    return make


def test_the_published_sizes_are_reproduced_with_orders_cut_by_rank(sizes: Sizer) -> None:
    found = sizes(*NOTEBOOK, "--cut", "rank_first")
    assert found == PUBLISHED
    assert sum(found.values()) == 4_338


def test_cut_at_values_customers_with_equal_orders_stay_together_and_sizes_differ(
    sizes: Sizer,
) -> None:
    found = sizes(*NOTEBOOK)
    assert {segment: found[segment] - count for segment, count in PUBLISHED.items()} == {
        "champions": -29,
        "loyal": -71 - 60,
        "potential_loyalist": 29 + 71 - 25 - 75,
        "new": 25,
        "promising": 75,
        "need_attention": 60 - 126,
        "about_to_sleep": 126,
        "cannot_lose": -28,
        "at_risk": 28 - 264,
        "hibernating": 264,
    }


def test_with_free_and_returned_orders_one_customer_more_is_promising(sizes: Sizer) -> None:
    found = sizes(*NOTEBOOK[:-1], "--cut", "rank_first")
    assert found == PUBLISHED | {"promising": 95}


def test_fixed_bounds_at_the_cuts_of_a_report_make_the_engine_end_in_the_same_segments(
    sizes: Sizer,
) -> None:
    rules = loads(BOUNDS.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0])
    changes, _ = replay(read_history([EVENTS], rules).facts, rules)
    last = {change.customer_id: change.to for change in changes}
    assert dict(Counter(last.values())) == sizes()
