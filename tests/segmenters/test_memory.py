"""What a customer may cost in memory, by the arithmetic of the arrays."""

from __future__ import annotations

from segmenters.layout import compose
from segmenters.rules import defaults

COLUMNS = 3 * 8
"""Due, refresh and stamp, beside the row."""
BUDGET = 576
ACTIVE_DAYS = 3
"""With an order on each."""


def test_a_customer_of_three_active_days_fits_the_budget() -> None:
    layout = compose(defaults().systems)
    day = layout.tile.itemsize + layout.order.itemsize
    assert layout.row.itemsize + COLUMNS + ACTIVE_DAYS * day <= BUDGET
