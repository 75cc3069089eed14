"""Remember a customer's last orders, so that a refund finds its order and ``p`` can move back.

Responsible for n (net orders), p0 and p (instants of the first and last net order) and the list of
the last ten. It must not know about windows or money figures.

An order is known by its number, counted from 1 in order of arrival: neither ids nor instants are
unique. The ten are ordered by (instant, arrival). An eleventh pushes the earliest out: it still
counts in n, but can no longer be refunded by name; the earliest and latest instants pushed out are
kept, so p0 and p stay exact.
"""

from __future__ import annotations

from typing import Any, Final

from numba.extending import register_jitable

from segmenters.instants import NEVER

LISTED: Final = 10
FIELDS: Final = (
    ("n", "i4"),
    ("ordered", "i4"),
    ("listed", "i4"),
    ("pushed_first", "i8"),
    ("pushed_last", "i8"),
    ("order_ts", "i8", (LISTED,)),
    ("order_id", "i8", (LISTED,)),
    ("order_left", "i8", (LISTED,)),
    ("order_no", "i4", (LISTED,)),
)


@register_jitable
def remember_order(row: Any, ts: int, order: int, amount: int) -> None:
    """Put an order into the list at its place; the earliest leaves a full list."""
    row.n += 1
    row.ordered += 1
    if row.listed == LISTED:
        if ts < row.order_ts[0]:
            _push_out(row, ts)
            return
        _push_out(row, row.order_ts[0])
        _close_gap(row, 0)
    k = row.listed
    while k > 0 and row.order_ts[k - 1] > ts:
        row.order_ts[k] = row.order_ts[k - 1]
        row.order_id[k] = row.order_id[k - 1]
        row.order_left[k] = row.order_left[k - 1]
        row.order_no[k] = row.order_no[k - 1]
        k -= 1
    row.order_ts[k] = ts
    row.order_id[k] = order
    row.order_left[k] = amount
    row.order_no[k] = row.ordered
    row.listed += 1


@register_jitable
def find_order(row: Any, order: int) -> int:
    """Return the place of the latest listed order with this id, or -1."""
    if order != 0:
        for k in range(row.listed - 1, -1, -1):
            if row.order_id[k] == order:
                return k
    return -1


@register_jitable
def forget_order(row: Any, k: int) -> None:
    """Remove the order at place ``k``, as if it had never been made."""
    row.n -= 1
    _close_gap(row, k)


@register_jitable
def last_order(row: Any) -> int:
    """Return p, the instant of the last net order, or NEVER."""
    if row.listed > 0:
        return int(row.order_ts[row.listed - 1])
    if row.n > 0:
        return int(row.pushed_last)
    return NEVER


@register_jitable
def first_order(row: Any) -> int:
    """Return p0, the instant of the first net order, or NEVER."""
    if row.n > row.listed:
        return int(row.pushed_first)
    if row.listed > 0:
        return int(row.order_ts[0])
    return NEVER


@register_jitable
def _push_out(row: Any, ts: int) -> None:
    # Before this one is pushed out, n - 1 - listed orders have been: none means the two instants
    # are unset.
    if row.n - 1 == row.listed:
        row.pushed_first = ts
        row.pushed_last = ts
    else:
        row.pushed_first = min(row.pushed_first, ts)
        row.pushed_last = max(row.pushed_last, ts)


@register_jitable
def _close_gap(row: Any, k: int) -> None:
    row.listed -= 1
    for j in range(k, row.listed):
        row.order_ts[j] = row.order_ts[j + 1]
        row.order_id[j] = row.order_id[j + 1]
        row.order_left[j] = row.order_left[j + 1]
        row.order_no[j] = row.order_no[j + 1]
