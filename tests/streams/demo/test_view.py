"""The picture: readable on a small terminal, honest about what is missing."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from schemas.changes import Change, Words
from segmenters.system import Label
from streams.demo.feed import Reached
from streams.demo.tally import Tally
from streams.demo.view import Picture, draw

AT = 1298967960000
SEGMENTS = {"new": Label("新客户", "New"), "silent": Label("沉默客户", "Silent")}


def shown(width: int = 100, **changed: Any) -> str:
    usual = Picture("a shop", SEGMENTS, 0, 2 * AT, 400, Reached(100, AT), Tally(), 2.0)
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(draw(usual._replace(**changed)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def told() -> Tally:
    tally = Tally()
    for number, segment in enumerate(("new", "new", "new", "silent")):
        words = Words("", "")
        features = {"days_without_order": 90}
        tally.hear(
            Change(
                "", 1, f"c{number}", "lifecycle", None, segment, AT, AT, "clock", None, None,
                "", words, None, features,
            )
        )  # fmt: skip
    return tally


def test_it_shows_time_rate_sizes_and_the_newest_change_first() -> None:
    text = shown(tally=told())
    assert "event time" in text
    assert "2011-03-01 08:26" in text
    assert "100 of 400 events (50/s) · 4 changes" in text
    assert "新客户 New" in text
    assert "75%" in text
    lines = text.splitlines()
    first = lines.index("newest changes of lifecycle") + 1
    assert lines[first].strip() == "c3: silent at 2011-03-01 08:26, 90 days without an order"


def test_rejections_and_a_broken_promise_are_shown_only_where_there_are_some() -> None:
    assert "rejected" not in shown()
    assert "missing" not in shown()
    tally = told()
    tally.hear_rejection("missing_customer")
    tally.missing = 1
    text = shown(tally=tally)
    assert "rejected 1: 1 missing_customer" in text
    assert "1 missing, 0 repeated" in text


def test_before_the_first_clock_it_says_so_and_at_the_end_too() -> None:
    assert "not begun" in shown(reached=Reached(0, None), seconds=0.0)
    assert "(" not in shown(reached=Reached(0, None), seconds=0.0).split("events")[1]
    assert "2011-03-01 08:26, the end" in shown(until=AT)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    text = shown(width, tally=told(), footer=("the worker starts",))
    assert max(map(len, text.splitlines())) <= width
    assert text.rstrip().endswith("the worker starts")
    assert len(text.splitlines()) <= 24
