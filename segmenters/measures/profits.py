"""Remember the profit of the orders that can still be taken back.

Responsible for what is left of a listed order's profit. It must not know how profit is worked out
(`schemas.profits`), nor where windows end.
"""

from __future__ import annotations

from typing import Any

from segmenters.jitable import jitable


@jitable
def take_profit(order: Any, most: int, all_of_it: bool) -> int:
    """Take ``most`` from a listed order's profit, or what is left of it; return what was taken.

    An order from before profit was counted had none.
    """
    taken = order.profit_left if all_of_it else most
    order.profit_left -= taken
    return int(taken)
