"""What an order earned is exact, and what cannot be read is said."""

from __future__ import annotations

from decimal import Decimal

import pytest

from schemas.errors import Reason, Rejected
from schemas.events import Item
from schemas.money import Currencies
from schemas.profits import Margins, Profits

PROFITS = Profits(
    Margins(Decimal("0.3"), {"tea": Decimal("0.125")}), Currencies("GBP", {"EUR": "0.86"})
)


def test_items_with_costs_earn_price_less_discount_less_cost_a_piece():
    items = [
        Item(qty=3, unit_price="9.99", discount="0.99", unit_cost="4"),
        Item(qty="0.5", unit_price=2, unit_cost="3.10"),
    ]
    assert PROFITS.of_order(items, "999", "GBP") == 1500 - 55


def test_a_missing_cost_is_the_margin_of_its_category():
    items = [Item(category="tea", unit_price="10"), Item(category="cups", unit_price="10")]
    assert PROFITS.of_order(items, "20", "GBP") == 125 + 300


@pytest.mark.parametrize("items", [None, ()])
def test_an_order_without_items_earns_the_margin(items: tuple[Item, ...] | None):
    assert PROFITS.of_order(items, "139.12", "GBP") == 4174  # 41.736
    assert PROFITS.of_minor(13_912) == 4174


def test_another_currency_is_converted_and_rounded_once_half_to_even():
    assert PROFITS.of_order([Item(unit_price="0.25", unit_cost="0")], "1", "EUR") == 22  # 21.5
    assert PROFITS.of_order([Item(unit_price="0.05", unit_cost="0.1")], "1", "GBP") == -5


@pytest.mark.parametrize(
    ("item", "reason", "path"),
    [
        (Item(unit_price=None), Reason.INVALID_VALUE, "items[0].unit_price"),
        (Item(unit_price="ten"), Reason.INVALID_VALUE, "items[0].unit_price"),
        (Item(unit_price="NaN"), Reason.INVALID_VALUE, "items[0].unit_price"),
        (Item(unit_price="1_0"), Reason.INVALID_VALUE, "items[0].unit_price"),
        (Item(unit_price="-1"), Reason.INVALID_VALUE, "items[0].unit_price"),
        (Item(unit_price="1e400"), Reason.INVALID_VALUE, "items[0].unit_price"),
        (Item(unit_price="1", discount=[1]), Reason.WRONG_TYPE, "items[0].discount"),
        (Item(unit_price="1", unit_cost=True), Reason.WRONG_TYPE, "items[0].unit_cost"),
        (Item(unit_price="1", qty=""), Reason.INVALID_VALUE, "items[0].qty"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_place(item: Item, reason: Reason, path: str):
    with pytest.raises(Rejected) as caught:
        PROFITS.of_order([item], "1", "GBP")
    assert caught.value.reason == reason
    assert path in caught.value.detail


def test_an_unknown_currency_is_refused():
    with pytest.raises(Rejected) as caught:
        PROFITS.of_order(None, "1", "JPY")
    assert caught.value.reason == Reason.UNKNOWN_CURRENCY
