"""The last ten orders are known by name; the first and the last of all, for ever."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenters.instants import NEVER
from segmenters.measures import orders
from segmenters.measures.orders import (
    LISTED,
    find_order,
    first_order,
    forget_order,
    last_order,
    remember_order,
)


def blank() -> Any:
    return np.zeros(1, np.dtype(list(orders.FIELDS))).view(np.recarray)[0]


def listed(row: Any) -> list[tuple[int, int, int]]:
    return [
        (int(row.order_ts[k]), int(row.order_id[k]), int(row.order_no[k]))
        for k in range(row.listed)
    ]


def test_without_orders_there_is_no_first_and_no_last() -> None:
    row = blank()
    assert (first_order(row), last_order(row), find_order(row, 7)) == (NEVER, NEVER, -1)


def test_orders_stand_by_instant_then_arrival() -> None:
    row = blank()
    for ts, order in ((20, 1), (10, 2), (20, 3), (15, 4)):
        remember_order(row, ts, order, 100)
    assert listed(row) == [(10, 2, 2), (15, 4, 4), (20, 1, 1), (20, 3, 3)]
    assert (first_order(row), last_order(row), row.n) == (10, 20, 4)


def test_an_eleventh_pushes_the_earliest_out_and_it_still_counts() -> None:
    row = blank()
    for ts in range(LISTED + 1):
        remember_order(row, ts, 100 + ts, 1)
    assert (row.n, row.listed, find_order(row, 100)) == (11, 10, -1)
    assert (first_order(row), last_order(row)) == (0, 10)


def test_a_late_order_may_be_the_one_pushed_out() -> None:
    row = blank()
    for ts in range(10, 10 + LISTED):
        remember_order(row, ts, ts, 1)
    remember_order(row, 5, 99, 1)
    assert (find_order(row, 99), first_order(row), row.n) == (-1, 5, 11)


def test_removing_brings_nothing_back_but_the_last_is_exact() -> None:
    row = blank()
    for ts in range(12):
        remember_order(row, ts, 100 + ts, 1)
    for order in range(111, 101, -1):
        forget_order(row, find_order(row, order))
    assert (row.n, row.listed) == (2, 0)
    assert (first_order(row), last_order(row)) == (0, 1)


def test_of_several_orders_with_one_id_the_latest_is_meant() -> None:
    row = blank()
    for ts in (30, 10, 20):
        remember_order(row, ts, 7, 1)
    assert row.order_ts[find_order(row, 7)] == 30


def test_an_order_without_an_id_is_never_found() -> None:
    row = blank()
    remember_order(row, 1, 0, 1)
    assert find_order(row, 0) == -1


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 14)), max_size=60))
@pytest.mark.parametrize("removals", [0, 1])
def test_first_and_last_are_those_of_all_net_orders(
    removals: int, moves: list[tuple[int, int]]
) -> None:
    # In moves below ten the k-th listed order is taken back, where there is one and it is wanted.
    row, net = blank(), []
    for number, (ts, k) in enumerate(moves, 1):
        if removals and k < row.listed:
            net.remove((int(row.order_ts[k]), int(row.order_no[k])))
            forget_order(row, k)
        else:
            remember_order(row, ts, number, 1)
            net.append((ts, int(row.ordered)))
        net.sort()
        assert row.n == len(net)
        assert [(ts, no) for ts, _, no in listed(row)] == net[len(net) - row.listed :]
        if net:
            assert (first_order(row), last_order(row)) == (net[0][0], net[-1][0])
