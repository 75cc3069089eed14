"""The rhythm is the instants of the last 21 net orders; a quantile of the gaps is a real gap."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenters.measures import gaps
from segmenters.measures.gaps import REMEMBERED, forget_instant, gap_quantile, remember_instant


def with_instants(*instants: int) -> Any:
    row: Any = np.zeros(1, np.dtype(list(gaps.FIELDS))).view(np.recarray)[0]
    for ts in instants:
        remember_instant(row, ts)
    return row


def rhythm(row: Any) -> list[int]:
    return [int(ts) for ts in row.rhythm[: row.rhythm_n]]


def test_instants_stand_in_order_however_they_arrive() -> None:
    assert rhythm(with_instants(30, 10, 20, 10)) == [10, 10, 20, 30]


def test_the_earliest_leaves_when_there_are_too_many() -> None:
    assert rhythm(with_instants(*range(REMEMBERED + 2))) == list(range(2, REMEMBERED + 2))


def test_a_late_instant_before_all_remembered_ones_is_left_out() -> None:
    row = with_instants(*range(10, 10 + REMEMBERED), 5)
    assert rhythm(row) == list(range(10, 10 + REMEMBERED))


def test_taking_an_order_back_makes_its_two_gaps_one() -> None:
    row = with_instants(0, 10, 25)
    forget_instant(row, 10)
    assert rhythm(row) == [0, 25]
    forget_instant(row, 11)
    assert rhythm(row) == [0, 25]


def test_without_two_orders_there_is_no_gap() -> None:
    assert gap_quantile(with_instants(), 50) == gap_quantile(with_instants(7), 50) == -1


@pytest.mark.parametrize(("percent", "gap"), [(1, 1), (25, 1), (26, 2), (50, 2), (51, 4), (100, 8)])
def test_a_quantile_is_the_gap_at_its_place(percent: int, gap: int) -> None:
    # gaps 4 1 8 2, in order 1 2 4 8: four places of 25 % each
    assert gap_quantile(with_instants(0, 4, 5, 13, 15), percent) == gap


@given(
    st.lists(st.integers(0, 10**12), min_size=2, max_size=REMEMBERED),
    st.integers(1, 100),
)
def test_a_quantile_is_of_type_one(instants: list[int], percent: int) -> None:
    ordered = sorted(b - a for a, b in pairwise(sorted(instants)))
    place = math.ceil(len(ordered) * percent / 100)
    assert gap_quantile(with_instants(*instants), percent) == ordered[place - 1]
