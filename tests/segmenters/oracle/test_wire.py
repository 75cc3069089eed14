"""The oracle reads events by itself; where both can read one, it reads what the product does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Rejected
from schemas.events import decode_engagement, decode_purchase
from schemas.instants import format_instant, parse_instant
from schemas.money import Currencies
from segmenters.oracle.book import CANCEL, ENGAGEMENT, ORDER, REFUND, Fact
from segmenters.oracle.wire import Terms, Unreadable, read_engagement, read_purchase

TERMS = Terms("GBP", 2, {"EUR": "0.86", "JPY": "0.00523"})
MONEY = Currencies("GBP", TERMS.rates)
TS = 1_298_967_960_000


def read_by_the_product(value: Any) -> tuple[int, int]:
    event: Any = decode_purchase(value)
    return parse_instant(event.ts), MONEY.to_minor(event.amount, event.currency)


def order(**changes: Any) -> bytes:
    event = {
        "event_id": "e", "customer_id": "客", "ts": TS, "type": "order", "order_id": "o",
        "amount": "12.50", "currency": "GBP",
    } | changes  # fmt: skip
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


def test_an_order_a_refund_a_cancellation_and_an_engagement_become_facts() -> None:
    assert read_purchase(order(), TERMS) == Fact("客", TS, ORDER, 1250, "o", "e")
    assert read_purchase(order(type="refund"), TERMS) == Fact("客", TS, REFUND, 1250, "o", "e")
    assert read_purchase(order(type="refund", order_id=None), TERMS).order_id is None
    assert read_purchase(order(type="cancel"), TERMS) == Fact("客", TS, CANCEL, 0, "o", "e")
    click = b'{"event_id":"e","customer_id":"c","ts":%d,"kind":"email_%s","type":"other"}'
    assert read_engagement(click % (TS, b"click"), TERMS) == Fact("c", TS, ENGAGEMENT, 0, None, "e")
    assert not read_engagement(click % (TS, b"open"), TERMS).qualifies


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b"{oops", b"[1]", b"\xff", order(amount="NaN"), order(amount="-1"),
        order(amount=None), order(amount=True), order(order_id=7), order(type="gift"),
        order(currency="XXX"), order(customer_id=""), order(event_id=None), order(ts="yesterday"),
        order(ts="2011-03-01T08:26:00"), order(ts=TS // 1000), b"[" * 100_000,
        order().replace(b'"12.50"', b"NaN"),
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused_and_the_product_refuses_it_too(value: bytes | None) -> None:
    with pytest.raises(Unreadable):
        read_purchase(value, TERMS)
    with pytest.raises((ValueError, TypeError, RecursionError, Rejected)):
        read_by_the_product(value)


AMOUNTS = st.decimals(0, 10**12, allow_nan=False, allow_infinity=False, places=None).map(str)


@given(st.one_of(AMOUNTS, st.integers(0, 10**14).map(str)), st.sampled_from(["GBP", "EUR", "JPY"]))
def test_money_is_the_products_to_the_last_minor_unit(amount: str, currency: str) -> None:
    as_text = order(amount=amount, currency=currency)
    as_number = as_text.replace(b'"%s"' % amount.encode(), amount.encode())
    for value in (as_text, as_number):
        assert read_purchase(value, TERMS).amount == read_by_the_product(value)[1]


@given(
    st.integers(631_152_000_000, 7_258_118_399_999), st.sampled_from(["Z", "z", "456Z", "+08:00"])
)
def test_instants_are_the_products_to_the_millisecond(ts: int, ending: str) -> None:
    for written in (ts, format_instant(ts)[:-1] + ending):
        value = (
            b'{"event_id":"e","customer_id":"c","kind":"k","ts":%s}' % json.dumps(written).encode()
        )
        event = decode_engagement(value)
        try:
            expected = parse_instant(event.ts)
        except Rejected:
            continue  # an offset may lead beyond the years that are believed
        assert read_engagement(value, TERMS).ts == expected
