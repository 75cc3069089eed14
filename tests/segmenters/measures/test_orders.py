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
    forget_order,
    order_dtype,
    remember_order,
)
from segmenters.pools import BLANK, END, empty, fitted


class Orders:
    """Hold a pool and the rows of two customers."""

    def __init__(self) -> None:
        self.pool = fitted(empty(order_dtype(profit=True)), 100)
        self.rows: Any = np.zeros(2, np.dtype(list(orders.FIELDS))).view(np.recarray)
        self.rows.latest = END
        self.rows.p0 = self.rows.p = NEVER
        self.row: Any = self.rows[0]

    def remember(self, ts: int, order: int, amount: int = 1) -> int:
        return remember_order(self.row, self.pool, ts, order, amount)

    def find(self, order: int) -> int:
        return find_order(self.row, self.pool, order)

    def forget(self, order: int) -> None:
        forget_order(self.row, self.pool, self.find(order))

    @property
    def listed(self) -> list[tuple[int, int, int]]:
        """Instant, id and number of the listed orders, the earliest first."""
        found: list[tuple[int, int, int]] = []
        k = self.row.latest
        while k != END:
            order = self.pool.cells[k]
            found.insert(0, (int(order.ts), int(order.id), int(order.number)))
            k = order.next
        assert len(found) == self.row.listed
        return found

    @property
    def ends(self) -> tuple[int, int]:
        """p0 and p."""
        return int(self.row.p0), int(self.row.p)


def test_without_orders_there_is_no_first_and_no_last() -> None:
    one = Orders()
    assert (one.ends, one.find(7)) == ((NEVER, NEVER), END)


def test_orders_stand_by_instant_then_arrival() -> None:
    one = Orders()
    for ts, order in ((20, 1), (10, 2), (20, 3), (15, 4)):
        one.remember(ts, order)
    assert one.listed == [(10, 2, 2), (15, 4, 4), (20, 1, 1), (20, 3, 3)]
    assert (one.ends, one.row.n) == ((10, 20), 4)


def test_an_eleventh_pushes_the_earliest_out_and_it_still_counts() -> None:
    one = Orders()
    for ts in range(LISTED + 1):
        one.remember(ts, 100 + ts)
    assert (one.row.n, one.row.listed, one.find(100)) == (11, 10, END)
    assert one.ends == (0, 10)


def test_a_late_order_may_be_the_one_pushed_out() -> None:
    one = Orders()
    for ts in range(10, 10 + LISTED):
        one.remember(ts, ts)
    assert one.remember(5, 99) == END
    assert (one.find(99), one.ends, one.row.n) == (END, (5, 19), 11)


@pytest.mark.parametrize("ts", [10, 11, 15, 19, 20])
def test_wherever_an_eleventh_belongs_the_earliest_goes(ts: int) -> None:
    one = Orders()
    for each in range(10, 10 + LISTED):
        one.remember(each, each)
    place = one.remember(ts, 99, 7)
    assert [each for each, _, _ in one.listed] == sorted([*range(11, 20), ts])
    assert (place, one.find(10), one.ends) == (one.find(99), END, (10, max(ts, 19)))
    assert one.pool.cells[place].left == 7


def test_removing_brings_nothing_back_but_the_last_is_exact() -> None:
    one = Orders()
    for ts in range(12):
        one.remember(ts, 100 + ts)
    for order in range(111, 101, -1):
        one.forget(order)
    assert (one.row.n, one.row.listed) == (2, 0)
    assert one.ends == (0, 1)


# Two were pushed out, all others taken back; one that comes late belongs before, between or after.
@pytest.mark.parametrize(
    ("ts", "ends"), [(5, (5, 20)), (10, (10, 20)), (15, (10, 20)), (25, (10, 25))]
)
def test_orders_pushed_out_are_still_the_first_and_last_beside_a_late_one(
    ts: int, ends: tuple[int, int]
) -> None:
    one = Orders()
    for each in range(10, 130, 10):
        one.remember(each, each)
    for order in range(30, 130, 10):
        one.forget(order)
    one.remember(ts, 1)
    one.remember(ts, 2)
    assert one.ends == ends
    one.forget(2)
    assert one.ends == ends
    one.forget(1)
    assert one.ends == (10, 20)


def test_of_several_orders_with_one_id_the_latest_is_meant() -> None:
    one = Orders()
    for ts in (30, 10, 20):
        one.remember(ts, 7)
    assert one.pool.cells[one.find(7)].ts == 30


def test_an_order_without_an_id_is_never_found() -> None:
    one = Orders()
    one.remember(1, 0)
    assert one.find(0) == END


def test_places_of_orders_that_left_are_used_again_with_nothing_of_what_they_held() -> None:
    one = Orders()
    for ts in range(LISTED):
        one.pool.cells[one.remember(ts, 100 + ts)].profit_left = 5
    used = int(one.pool.free[1])
    assert used == BLANK + 1 + LISTED
    for ts in range(LISTED, 3 * LISTED):
        assert one.pool.cells[one.remember(ts, 100 + ts)].profit_left == 0
    for ts in range(2 * LISTED, 2 * LISTED + 3):
        one.forget(100 + ts)
    mine = one.listed
    one.row = one.rows[1]
    for ts in range(3):
        one.remember(ts, ts)
    assert int(one.pool.free[1]) == used
    one.row = one.rows[0]
    assert one.listed == mine


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 14)), max_size=60))
@pytest.mark.parametrize("removals", [0, 1])
def test_first_and_last_are_those_of_all_net_orders(
    removals: int, moves: list[tuple[int, int]]
) -> None:
    # In moves below ten the k-th listed order is taken back, where there is one and it is wanted.
    one = Orders()
    net: list[tuple[int, int]] = []
    kept: list[tuple[int, int]] = []
    for number, (ts, k) in enumerate(moves, 1):
        if removals and k < len(kept):
            gone = kept.pop(k)
            net.remove(gone)
            one.forget(next(order for at, order, no in one.listed if (at, no) == gone))
        else:
            one.remember(ts, number)
            for each in (net, kept):
                each.append((ts, int(one.row.ordered)))
                each.sort()
            kept = kept[-LISTED:]
        assert one.row.n == len(net)
        assert [(at, no) for at, _, no in one.listed] == kept
        assert one.ends == ((net[0][0], net[-1][0]) if net else (NEVER, NEVER))
    assert int(one.pool.free[1]) <= BLANK + 1 + LISTED
