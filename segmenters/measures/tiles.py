"""Remember what was done by day, so that any window can be added up at any instant.

Responsible for the day tiles (customer, local day -> orders, spend, engagements). It must not keep
running sums: figures are added up from the tiles when asked, so they cannot drift.

A customer's tiles form a chain in a pool (`segmenters.pools`), newest day first, from ``head`` on.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from segmenters.jitable import jitable
from segmenters.pools import END, insert, remove

FIELDS: Final = (("head", "i4"), ("tiles", "i2"))
TILE: Final = (("spend", "i8"), ("day", "i4"), ("orders", "i4"), ("engaged", "i4"), ("next", "i4"))
PROFIT: Final = ("profit", "i8")
"""What a tile has besides where profit is counted."""


def tile_dtype(profit: bool) -> np.dtype[Any]:
    """Return what a tile is: a day's net spend and profit (minor units), orders, engagements."""
    return np.dtype([PROFIT, *TILE] if profit else list(TILE))


@jitable
def tile_of(row: Any, tiles: Any, day: int, keep: int, engaged_keep: int) -> int:
    """Return the tile of a local day, made where there is none.

    Tiles that no window reaches any more are given back when a newest day is opened: those more
    than ``keep`` days older, and those with nothing but engagements more than ``engaged_keep``.
    """
    cells = tiles.cells
    before = END
    k = row.head
    while k != END and cells[k].day > day:
        before = k
        k = cells[k].next
    if k == END or cells[k].day != day:
        k = insert(tiles, before, k)
        cells[k].day = day
        row.tiles += 1
        if before == END:
            row.head = k
            _give_back_old(row, tiles, day - keep, day - engaged_keep)
    return int(k)


@jitable
def _give_back_old(row: Any, tiles: Any, oldest: int, oldest_engaged: int) -> None:
    before = row.head
    k = tiles.links[before]
    while k != END:
        tile = tiles.cells[k]
        idle = tile.orders == 0 and tile.spend == 0
        if tile.day < oldest or (idle and tile.day < oldest_engaged):
            k = remove(tiles, before, k)
            row.tiles -= 1
        else:
            before = k
            k = tile.next
