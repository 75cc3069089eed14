"""A customer's days form a chain, newest first, in a pool that is used again."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segmenters.measures import tiles
from segmenters.measures.tiles import BLANK, END, give_back_all, tile_dtype, tile_of

KEEP, ENGAGED_KEEP = 100, 20


class Pool:
    """Hold a pool and rows of two customers."""

    def __init__(self) -> None:
        self.tiles: Any = np.zeros(400, tile_dtype(profit=True)).view(np.recarray)
        self.free = np.array([END, BLANK + 1], np.int64)
        self.rows: Any = np.zeros(2, np.dtype(list(tiles.FIELDS))).view(np.recarray)
        self.rows.head = END

    def add(
        self, day: int, orders: int = 1, spend: int = 10, row: int = 0, engaged: int = 0
    ) -> None:
        k = tile_of(self.rows[row], self.tiles, self.free, day, KEEP, ENGAGED_KEEP)
        self.tiles[k].orders += orders
        self.tiles[k].spend += spend
        self.tiles[k].engaged += engaged

    def days(self, row: int = 0) -> list[tuple[int, int, int]]:
        found, k = [], self.rows[row].head
        while k != END:
            tile = self.tiles[k]
            found.append((int(tile.day), int(tile.orders), int(tile.spend)))
            k = tile.next
        assert len(found) == self.rows[row].tiles
        return found


def test_a_day_is_one_tile_and_days_stand_newest_first() -> None:
    pool = Pool()
    for day in (5, 7, 5, 6):
        pool.add(day)
    assert pool.days() == [(7, 1, 10), (6, 1, 10), (5, 2, 20)]


def test_a_refund_takes_from_its_day_and_may_leave_less_than_nothing() -> None:
    pool = Pool()
    pool.add(5)
    pool.add(5, -1, -10)
    pool.add(4, 0, -3)
    assert pool.days() == [(5, 0, 0), (4, 0, -3)]


def test_days_no_window_reaches_are_given_back_and_used_again() -> None:
    pool = Pool()
    for day in (0, 1, 2, KEEP + 2):
        pool.add(day)
    assert [day for day, _, _ in pool.days()] == [KEEP + 2, 2]
    used = int(pool.free[1])
    pool.add(50, row=1)
    pool.add(51, row=1)
    assert pool.free[1] == used
    assert [day for day, _, _ in pool.days(1)] == [51, 50]


def test_days_with_nothing_but_engagements_are_given_back_earlier() -> None:
    pool = Pool()
    pool.add(0)
    for day in (1, 5):
        pool.add(day, orders=0, spend=0, engaged=3)
    pool.add(ENGAGED_KEEP + 5)
    assert [day for day, _, _ in pool.days()] == [ENGAGED_KEEP + 5, 5, 0]


def test_a_tile_used_again_has_nothing_of_what_it_was() -> None:
    pool = Pool()
    pool.add(0, engaged=3)
    pool.tiles[pool.rows[0].head].profit = 7
    give_back_all(pool.rows[0], pool.tiles, pool.free)
    pool.add(9, orders=0, spend=0)
    tile = pool.tiles[pool.rows[0].head]
    assert (tile.orders, tile.spend, tile.engaged, tile.profit) == (0, 0, 0, 0)


def test_an_old_day_added_late_is_kept_until_a_newer_day_opens() -> None:
    pool = Pool()
    pool.add(KEEP + 10)
    pool.add(3)
    assert [day for day, _, _ in pool.days()] == [KEEP + 10, 3]
    pool.add(KEEP + 11)
    assert [day for day, _, _ in pool.days()] == [KEEP + 11, KEEP + 10]


def test_all_tiles_of_a_customer_can_be_given_back() -> None:
    pool = Pool()
    for day in range(5):
        pool.add(day)
    pool.add(3, row=1)
    give_back_all(pool.rows[0], pool.tiles, pool.free)
    assert (pool.days(), pool.days(1)) == ([], [(3, 1, 10)])
    for day in range(5):
        pool.add(day)
    assert pool.free[1] == BLANK + 1 + 6


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 60), st.integers(-50, 50)), max_size=80)
)
def test_what_was_added_to_a_day_is_there(additions: list[tuple[int, int, int]]) -> None:
    pool = Pool()
    sums: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for row, day, spend in additions:
        pool.add(day, 1, spend, row)
        sums[row][day] = sums[row].get(day, 0) + spend
    for row in (0, 1):
        assert [(day, spend) for day, _, spend in pool.days(row)] == sorted(
            sums[row].items(), reverse=True
        )
