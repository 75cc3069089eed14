"""Remember the profit of the orders that can still be taken back.

Responsible for what is left of each listed order's profit, by the order's number. It must not know
how profit is worked out (`schemas.profits`), nor where windows end.
"""

from __future__ import annotations

from typing import Any, Final

from numba.extending import register_jitable

from segmenters.measures.orders import LISTED

FIELDS: Final = (("profit_left", "i8", (LISTED,)), ("profit_no", "i4", (LISTED,)))


@register_jitable
def remember_profit(row: Any, number: int, profit: int) -> None:
    """Keep an order's profit in place of one whose order is no longer listed.

    There always is one: an order that has just been numbered is among the listed, or was too old.
    """
    for k in range(LISTED):
        if not _listed(row, row.profit_no[k]):
            row.profit_no[k] = number
            row.profit_left[k] = profit
            return


@register_jitable
def take_profit(row: Any, number: int, most: int, all_of_it: bool) -> int:
    """Take ``most`` from an order's profit, or what is left of it; return what was taken.

    An order from before profit was counted has none left.
    """
    for k in range(LISTED):
        if row.profit_no[k] == number:
            taken = row.profit_left[k] if all_of_it else most
            row.profit_left[k] -= taken
            return int(taken)
    return 0 if all_of_it else most


@register_jitable
def _listed(row: Any, number: int) -> bool:
    found = False
    for k in range(row.listed):
        found = found or row.order_no[k] == number
    return found
