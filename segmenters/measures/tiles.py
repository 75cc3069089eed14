"""Remember purchases by day, so that any window can be added up at any instant.

Responsible for the pool of day tiles (customer, local day -> net orders, net spend). It must not
keep running sums: figures are added up from the tiles when asked, so they cannot drift.

A customer's tiles form a chain in one array, newest day first. Element 0 of ``free`` is the head of
the chain of returned tiles, element 1 the number of tiles ever used; the pool is grown between
batches, never inside one.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba.extending import register_jitable

END: Final = -1
FIELDS: Final = (("head", "i4"), ("tiles", "i4"))
TILE: Final = np.dtype(
    [("spend", "i8"), ("day", "i4"), ("orders", "i4"), ("next", "i4"), ("pad", "i4")]
)


@register_jitable
def add_to_day(
    row: Any, pool: Any, free: Any, day: int, orders: int, spend: int, keep: int
) -> None:
    """Add orders and spend (minor units) to the tile of a local day, making it where there is none.

    Tiles more than ``keep`` days older than a newly opened newest day are given back: no window
    reaches them.
    """
    before = END
    k = row.head
    while k != END and pool[k].day > day:
        before = k
        k = pool[k].next
    if k == END or pool[k].day != day:
        new = take_tile(free, pool)
        pool[new].day = day
        pool[new].orders = 0
        pool[new].spend = 0
        pool[new].next = k
        if before == END:
            row.head = new
        else:
            pool[before].next = new
        row.tiles += 1
        k = new
        if before == END:
            _give_back_old(row, pool, free, day - keep)
    pool[k].orders += orders
    pool[k].spend += spend


@register_jitable
def give_back_all(row: Any, pool: Any, free: Any) -> None:
    """Return all tiles of a customer to the pool."""
    k = row.head
    while k != END:
        following = pool[k].next
        pool[k].next = free[0]
        free[0] = k
        k = following
    row.head = END
    row.tiles = 0


@register_jitable
def take_tile(free: Any, pool: Any) -> int:
    """Return an unused tile."""
    k = free[0]
    if k != END:
        free[0] = pool[k].next
        return int(k)
    k = free[1]
    free[1] += 1
    return int(k)


@register_jitable
def _give_back_old(row: Any, pool: Any, free: Any, oldest: int) -> None:
    k = row.head
    while k != END:
        following = pool[k].next
        if following != END and pool[following].day < oldest:
            pool[k].next = END
            while following != END:
                after = pool[following].next
                pool[following].next = free[0]
                free[0] = following
                row.tiles -= 1
                following = after
            return
        k = following
