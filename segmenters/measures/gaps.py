"""Remember the rhythm of a customer's orders: the instants of the last 21 and their gaps.

Responsible for the gaps alone. It must not decide anything from them: that is the systems' part.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from segmenters.jitable import jitable
from segmenters.pools import END

REMEMBERED: Final = 21
FIELDS: Final = (("rhythm", "i8", (REMEMBERED,)), ("rhythm_n", "i4"))


@jitable
def remember_instant(row: Any, ts: int) -> None:
    """Put the instant of an order at its place; the earliest leaves when there are 21."""
    if row.rhythm_n == REMEMBERED:
        if ts < row.rhythm[0]:
            return
        for j in range(REMEMBERED - 1):
            row.rhythm[j] = row.rhythm[j + 1]
        row.rhythm_n -= 1
    k = row.rhythm_n
    while k > 0 and row.rhythm[k - 1] > ts:
        row.rhythm[k] = row.rhythm[k - 1]
        k -= 1
    row.rhythm[k] = ts
    row.rhythm_n += 1


@jitable
def forget_instant(row: Any, ts: int) -> None:
    """Remove the instant of an order that was taken back; its two gaps become one."""
    for k in range(row.rhythm_n - 1, -1, -1):
        if row.rhythm[k] == ts:
            row.rhythm_n -= 1
            for j in range(k, row.rhythm_n):
                row.rhythm[j] = row.rhythm[j + 1]
            return


def begin_with_listed(rows: Any, orders: Any) -> None:
    """Begin the rhythm of rows that had none with the instants of the orders still listed."""
    place = rows["listed"].astype(np.int64)
    rows["rhythm_n"] = place
    k = rows["latest"].copy()
    while (k != END).any():
        some = np.flatnonzero(k != END)
        place[some] -= 1
        rows["rhythm"][some, place[some]] = orders.cells["ts"][k[some]]
        k[some] = orders.links[k[some]]


@jitable
def gap_quantile(row: Any, percent: int) -> int:
    """Return a quantile of the gaps in milliseconds, or -1 where there is none.

    Type 1: always one of the gaps themselves, the one at place ceil(gaps * percent / 100).
    """
    gaps = row.rhythm_n - 1
    if gaps < 1:
        return -1
    ordered = np.empty(gaps, np.int64)
    for k in range(gaps):
        gap = row.rhythm[k + 1] - row.rhythm[k]
        j = k
        while j > 0 and ordered[j - 1] > gap:
            ordered[j] = ordered[j - 1]
            j -= 1
        ordered[j] = gap
    return int(ordered[(gaps * percent + 99) // 100 - 1])
