"""Remember a customer's last orders, so that a refund finds its order and ``p`` can move back.

Responsible for n (net orders), p0 and p (instants of the first and last net order) and the list of
the last ten. It must not know about windows or money figures.

An order is known by its number, counted from 1 in order of arrival: neither ids nor instants are
unique. The listed ones form a chain in a pool (`segmenters.pools`), the latest first, from
``latest`` on, ordered by (instant, arrival). An eleventh pushes the earliest out: it still counts
in n, but can no longer be refunded by name; the earliest and latest instants pushed out are kept,
so p0 and p stay exact.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from segmenters.instants import NEVER
from segmenters.jitable import jitable
from segmenters.pools import END, insert, remove

LISTED: Final = 10
FIELDS: Final = (
    ("p0", "i8"),
    ("p", "i8"),
    ("pushed_first", "i8"),
    ("pushed_last", "i8"),
    ("n", "i4"),
    ("ordered", "i4"),
    ("latest", "i4"),
    ("listed", "i1"),
)
ORDER: Final = (("ts", "i8"), ("id", "i8"), ("left", "i8"), ("number", "i4"), ("next", "i4"))
"""``left``: what is left of the amount, in minor units."""
PROFIT: Final = ("profit_left", "i8")
"""What a listed order has besides where profit is counted."""


def order_dtype(profit: bool) -> np.dtype[Any]:
    """Return what a listed order is."""
    return np.dtype([PROFIT, *ORDER] if profit else list(ORDER))


@jitable
def remember_order(row: Any, orders: Any, ts: int, order: int, amount: int) -> int:
    """Put an order into the list at its place; the earliest leaves a full list.

    Returns
    -------
    int
        Its place in the pool; END where it is earlier than ten others.
    """
    row.p0 = min(row.p0, ts) if row.n > 0 else ts
    row.p = max(row.p, ts)
    row.n += 1
    row.ordered += 1
    cells = orders.cells
    before = END
    k = row.latest
    while k != END and cells[k].ts > ts:
        before = k
        k = cells[k].next
    if row.listed == LISTED:
        if k == END:
            _push_out(row, ts)
            return END
        k = _push_earliest_out(row, orders, before, k)
    k = insert(orders, before, k)
    if before == END:
        row.latest = k
    row.listed += 1
    cells[k].ts = ts
    cells[k].id = order
    cells[k].left = amount
    cells[k].number = row.ordered
    return int(k)


@jitable
def find_order(row: Any, orders: Any, order: int) -> int:
    """Return the place in the pool of the latest listed order with this id, or END."""
    k = row.latest if order != 0 else END
    while k != END and orders.cells[k].id != order:
        k = orders.cells[k].next
    return int(k)


@jitable
def forget_order(row: Any, orders: Any, k: int) -> None:
    """Remove the listed order at place ``k`` of the pool, as if it had never been made."""
    before = END
    j = row.latest
    while j != k:
        before = j
        j = orders.links[j]
    following = remove(orders, before, k)
    if before == END:
        row.latest = following
    row.n -= 1
    row.listed -= 1
    _find_first_and_last(row, orders)


@jitable
def _find_first_and_last(row: Any, orders: Any) -> None:
    pushed = row.n > row.listed
    row.p0 = row.pushed_first if pushed else NEVER
    row.p = row.pushed_last if pushed else NEVER
    k = row.latest
    if k != END:
        row.p = max(row.p, orders.cells[k].ts)
        while orders.links[k] != END:
            k = orders.links[k]
        ts = orders.cells[k].ts
        row.p0 = min(row.p0, ts) if pushed else ts


@jitable
def _push_earliest_out(row: Any, orders: Any, before: int, k: int) -> int:
    """Push the earliest out of a full list; return what stands at the place of ``k`` then."""
    earliest = k
    while orders.links[earliest] != END:
        before = earliest
        earliest = orders.links[earliest]
    _push_out(row, orders.cells[earliest].ts)
    remove(orders, before, earliest)
    row.listed -= 1
    return END if earliest == k else k


@jitable
def _push_out(row: Any, ts: int) -> None:
    # Before this one is pushed out, n - 1 - listed orders have been: none means the two instants
    # are unset.
    if row.n - 1 == row.listed:
        row.pushed_first = ts
        row.pushed_last = ts
    else:
        row.pushed_first = min(row.pushed_first, ts)
        row.pushed_last = max(row.pushed_last, ts)
