"""What is left of an order's profit goes with it when it is taken back."""

from __future__ import annotations

from typing import Any

import numpy as np

from segmenters.measures.orders import order_dtype
from segmenters.measures.profits import take_profit


def order(profit: int) -> Any:
    cell = np.zeros(1, order_dtype(profit=True)).view(np.recarray)[0]
    cell.profit_left = profit
    return cell


def test_a_part_taken_back_takes_as_much_profit_and_the_rest_takes_what_is_left() -> None:
    one = order(30)
    assert [take_profit(one, 10, False), take_profit(one, 90, True)] == [10, 20]
    assert one.profit_left == 0


def test_a_part_may_take_more_profit_than_there_was_and_the_rest_puts_it_back() -> None:
    one = order(30)
    assert [take_profit(one, 50, False), take_profit(one, 50, True)] == [50, -20]


def test_an_order_from_before_profit_was_counted_leaves_none_and_takes_none() -> None:
    one = order(0)
    assert take_profit(one, 40, False) + take_profit(one, 60, True) == 0
