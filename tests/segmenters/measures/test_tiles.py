"""A customer's days form a chain, newest first, in a pool that is used again."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segmenters.measures import tiles
from segmenters.measures.tiles import tile_dtype, tile_of
from segmenters.pools import BLANK, END, empty, fitted, give_back

KEEP, ENGAGED_KEEP = 100, 20


class Days:
    """Hold a pool and rows of two customers."""

    def __init__(self) -> None:
        self.pool = fitted(empty(tile_dtype(profit=True)), 400)
        self.rows: Any = np.zeros(2, np.dtype(list(tiles.FIELDS))).view(np.recarray)
        self.rows.head = END

    def add(
        self, day: int, orders: int = 1, spend: int = 10, row: int = 0, engaged: int = 0
    ) -> None:
        k = tile_of(self.rows[row], self.pool, day, KEEP, ENGAGED_KEEP)
        self.pool.cells[k].orders += orders
        self.pool.cells[k].spend += spend
        self.pool.cells[k].engaged += engaged

    def stand(self, row: int = 0) -> list[tuple[int, int, int]]:
        found, k = [], self.rows[row].head
        while k != END:
            tile = self.pool.cells[k]
            found.append((int(tile.day), int(tile.orders), int(tile.spend)))
            k = tile.next
        assert len(found) == self.rows[row].tiles
        return found

    def cell(self, row: int = 0) -> Any:
        return self.pool.cells[self.rows[row].head]

    def forget(self, row: int = 0) -> None:
        give_back(self.pool, self.rows[row].head)
        self.rows[row].head = END
        self.rows[row].tiles = 0


def test_a_day_is_one_tile_and_days_stand_newest_first() -> None:
    days = Days()
    for day in (5, 7, 5, 6):
        days.add(day)
    assert days.stand() == [(7, 1, 10), (6, 1, 10), (5, 2, 20)]


def test_a_refund_takes_from_its_day_and_may_leave_less_than_nothing() -> None:
    days = Days()
    days.add(5)
    days.add(5, -1, -10)
    days.add(4, 0, -3)
    assert days.stand() == [(5, 0, 0), (4, 0, -3)]


def test_days_no_window_reaches_are_given_back_and_used_again() -> None:
    days = Days()
    for day in (0, 1, 2, KEEP + 2):
        days.add(day)
    assert [day for day, _, _ in days.stand()] == [KEEP + 2, 2]
    used = int(days.pool.free[1])
    days.add(50, row=1)
    days.add(51, row=1)
    assert days.pool.free[1] == used
    assert [day for day, _, _ in days.stand(1)] == [51, 50]


def test_days_with_nothing_but_engagements_are_given_back_earlier() -> None:
    days = Days()
    days.add(0)
    for day in (1, 5):
        days.add(day, orders=0, spend=0, engaged=3)
    days.add(ENGAGED_KEEP + 5)
    assert [day for day, _, _ in days.stand()] == [ENGAGED_KEEP + 5, 5, 0]


def test_a_tile_used_again_has_nothing_of_what_it_was() -> None:
    days = Days()
    days.add(0, engaged=3)
    days.cell().profit = 7
    days.forget()
    days.add(9, orders=0, spend=0)
    tile = days.cell()
    assert (tile.orders, tile.spend, tile.engaged, tile.profit) == (0, 0, 0, 0)


def test_an_old_day_added_late_is_kept_until_a_newer_day_opens() -> None:
    days = Days()
    days.add(KEEP + 10)
    days.add(3)
    assert [day for day, _, _ in days.stand()] == [KEEP + 10, 3]
    days.add(KEEP + 11)
    assert [day for day, _, _ in days.stand()] == [KEEP + 11, KEEP + 10]


def test_all_tiles_of_a_customer_can_be_given_back() -> None:
    days = Days()
    for day in range(5):
        days.add(day)
    days.add(3, row=1)
    days.forget()
    assert (days.stand(), days.stand(1)) == ([], [(3, 1, 10)])
    for day in range(5):
        days.add(day)
    assert days.pool.free[1] == BLANK + 1 + 6


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 60), st.integers(-50, 50)), max_size=80)
)
def test_what_was_added_to_a_day_is_there(additions: list[tuple[int, int, int]]) -> None:
    days = Days()
    sums: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for row, day, spend in additions:
        days.add(day, 1, spend, row)
        sums[row][day] = sums[row].get(day, 0) + spend
    for row in (0, 1):
        assert [(day, spend) for day, _, spend in days.stand(row)] == sorted(
            sums[row].items(), reverse=True
        )
