"""Check what the oracle reads an order's items to earn, and the profit column of a file."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from segmenters.oracle.wire import Terms, Unreadable, read_purchase
from tests.oracle_replay import read_replay_csv

if TYPE_CHECKING:
    from pathlib import Path

ASKED = Terms("GBP", 2, {"EUR": "0.5"}, margin=Decimal("0.30"), margins={"tea": Decimal("0.5")})


def profit(*items: dict[str, Any], terms: Terms = ASKED, **more: Any) -> int | None:
    event = {
        "event_id": "e", "customer_id": "c", "ts": 1_500_000_000_000, "type": "order",
        "order_id": "o", "amount": 10, "currency": "GBP", "items": list(items),
    }  # fmt: skip
    return read_purchase(json.dumps(event | more).encode(), terms).profit


def test_an_item_earns_what_is_paid_beyond_its_cost_per_piece() -> None:
    assert profit({"qty": 2, "unit_price": "5.00", "discount": 1, "unit_cost": 3.5}) == 100
    assert profit({"unit_price": 5, "unit_cost": 7}) == -200
    assert profit({"qty": "0.5", "unit_price": 5, "unit_cost": 0}) == 250


def test_an_item_without_a_cost_earns_the_margin_of_its_category() -> None:
    assert profit({"qty": 2, "unit_price": 10, "discount": 5}) == 300
    assert profit({"qty": 2, "unit_price": 10, "category": "tea"}) == 1_000
    assert profit({"qty": 2, "unit_price": 10, "category": "rum"}) == 600


#  0.005 + 0.005 = 0.01: rounded one by one they would be nothing; 0.005 and 0.015 go to even


def test_the_sum_is_rounded_once_half_to_even() -> None:
    half = {"unit_price": "0.005", "unit_cost": 0}
    assert profit(half, half) == 1
    assert profit(half) == 0
    assert profit(half, half, half) == 2


def test_items_are_in_the_currency_of_the_order() -> None:
    assert profit({"unit_price": 5, "unit_cost": 3}, currency="EUR") == 100
    assert profit(amount="0.03", currency="EUR") == 0  # 0.015 · 0.3 = 0.0045
    assert profit(amount=100) == 3_000


def test_nothing_is_read_where_nobody_asks_and_a_refund_earns_nothing() -> None:
    assert profit({"unit_price": "much"}, terms=Terms()) is None
    assert profit(type="refund") is None


@pytest.mark.parametrize("item", [{}, {"unit_price": "much"}, {"unit_price": "NaN"}])
def test_an_item_without_a_price_is_unreadable(item: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        profit(item)


def test_a_file_may_say_the_profit_of_an_order(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(
        "customer_id,ts,type,amount,order_id,ref,profit\n"
        "c,2016-01-01,purchase,10,a,1,-2.50\nc,2016-01-02,purchase,10,b,2,\n"
        "c,2016-01-03,refund,10,b,3,7\n",
        encoding="utf-8",
    )
    facts, skipped = read_replay_csv(path)
    assert [fact.profit for fact in facts] == [-250, None, None]
    assert not skipped
