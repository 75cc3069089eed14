"""Remember what was done by day, so that any window can be added up at any instant.

Responsible for the pool of day tiles (customer, local day -> orders, spend, engagements). It must
not keep running sums: figures are added up from the tiles when asked, so they cannot drift.

A customer's tiles form a chain in one array, newest day first. Element 0 of ``free`` is the head of
the chain of returned tiles, element 1 the number of tiles ever used; the pool is grown between
batches, never inside one.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba.extending import register_jitable

END: Final = -1
BLANK: Final = 0
"""The first tile of a pool stays empty: what a new one is a copy of, whatever fields it has."""
FIELDS: Final = (("head", "i4"), ("tiles", "i2"))
TILE: Final = (("spend", "i8"), ("day", "i4"), ("orders", "i4"), ("engaged", "i4"), ("next", "i4"))
PROFIT: Final = ("profit", "i8")
"""What a tile has besides where profit is counted."""


def tile_dtype(profit: bool) -> np.dtype[Any]:
    """Return what a tile is: a day's net spend and profit (minor units), orders, engagements."""
    return np.dtype([PROFIT, *TILE] if profit else list(TILE))


@register_jitable
def tile_of(row: Any, pool: Any, free: Any, day: int, keep: int, engaged_keep: int) -> int:
    """Return the tile of a local day, made where there is none.

    Tiles that no window reaches any more are given back when a newest day is opened: those more
    than ``keep`` days older, and those with nothing but engagements more than ``engaged_keep``.
    """
    before = END
    k = row.head
    while k != END and pool[k].day > day:
        before = k
        k = pool[k].next
    if k == END or pool[k].day != day:
        new = take_tile(free, pool)
        pool[new].day = day
        pool[new].next = k
        if before == END:
            row.head = new
        else:
            pool[before].next = new
        row.tiles += 1
        k = new
        if before == END:
            _give_back_old(row, pool, free, day - keep, day - engaged_keep)
    return int(k)


@register_jitable
def take_tile(free: Any, pool: Any) -> int:
    """Return a tile with nothing on it."""
    k = free[0]
    if k != END:
        free[0] = pool[k].next
    else:
        k = free[1]
        free[1] += 1
    pool[k] = pool[BLANK]
    return int(k)


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
def _give_back_old(row: Any, pool: Any, free: Any, oldest: int, oldest_engaged: int) -> None:
    k = row.head
    following = pool[k].next
    while following != END:
        tile = pool[following]
        after = tile.next
        idle = tile.orders == 0 and tile.spend == 0
        if tile.day < oldest or (idle and tile.day < oldest_engaged):
            pool[k].next = after
            tile.next = free[0]
            free[0] = following
            row.tiles -= 1
        else:
            k = following
        following = after
