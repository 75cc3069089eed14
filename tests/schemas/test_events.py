"""Decoding events and saying what is wrong with bad ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import events
from schemas.errors import Reason, Rejected
from schemas.events import (
    MAX_EVENT_BYTES,
    Cancel,
    Engagement,
    Item,
    Order,
    Refund,
    decode_engagement,
    decode_purchase,
    diagnose,
)
from schemas.instants import parse_instant
from schemas.money import Currencies

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parent / "golden"
ORDER = {
    "event_id": "e-1",
    "customer_id": "c-1",
    "ts": 1298967960000,
    "type": "order",
    "order_id": "o-1",
    "amount": "12.50",
    "currency": "GBP",
}
REFUND = {key: value for key, value in ORDER.items() if key != "order_id"} | {"type": "refund"}
CANCEL = {key: ORDER[key] for key in ("event_id", "customer_id", "ts", "order_id")} | {
    "type": "cancel"
}
ENGAGEMENT = {"event_id": "e-1", "customer_id": "c-1", "ts": 1298967960000, "kind": "visit"}
FAMILIES: dict[str, Callable[[Any], Any]] = {
    "purchase": decode_purchase,
    "engagement": decode_engagement,
}


def verdict(value: bytes | dict[str, object] | None, family: str = "purchase") -> Rejected:
    """Decode what cannot be decoded and return the diagnosis."""
    raw = json.dumps(value).encode() if isinstance(value, dict) else value
    with pytest.raises((ValueError, TypeError, RecursionError)) as caught:
        FAMILIES[family](raw)
    return diagnose(raw, family, caught.value)


def without(event: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in event.items() if key != name}


def test_the_golden_order_decodes_with_every_digit_it_was_written_with() -> None:
    assert decode_purchase((GOLDEN / "order.json").read_bytes()) == Order(
        "evt-0001",
        "c-17850",
        "2011-03-01T08:26:00Z",
        "o-536365",
        "139.12",
        "GBP",
        (
            Item("85123A", "home", None, 6, "2.55", "2.95", "0.40", "1.10", ("gift", "新品")),
            Item("71053", qty="0.5"),
        ),
        "web",
        "spring",
    )


def test_the_golden_refund_keeps_a_json_number_as_text() -> None:
    refund = decode_purchase((GOLDEN / "refund.json").read_bytes())
    assert refund == Refund("evt-0002", "c-17850", 1299054360000, "27.50", "EUR", "o-536365")
    assert Currencies("GBP", {"EUR": "0.86"}).to_minor(refund.amount, refund.currency) == 2365


def test_the_golden_cancellation_decodes() -> None:
    cancel = decode_purchase((GOLDEN / "cancel.json").read_bytes())
    assert cancel == Cancel("evt-0003", "客户-1", "2011-03-03T09:26:00.250+01:00", "o-536365")
    assert parse_instant(cancel.ts) == 1299140760250


def test_the_golden_engagement_decodes() -> None:
    engagement = decode_engagement((GOLDEN / "engagement.json").read_bytes())
    assert engagement == Engagement(
        "evt-0004",
        "c-17850",
        "2011-03-04T08:26:00.5Z",
        "email_click",
        "email",
        "newsletter-17",
        "spring-2011",
    )


@pytest.mark.parametrize("event", [ORDER, REFUND, CANCEL])
def test_the_required_fields_are_enough_for_a_purchase(event: dict[str, object]) -> None:
    assert decode_purchase(json.dumps(event).encode()).customer_id == "c-1"


def test_optional_fields_may_be_null() -> None:
    event = REFUND | {"order_id": None, "items": None, "channel": None, "promo_id": None}
    assert decode_purchase(json.dumps(event).encode()) == decode_purchase(
        json.dumps(REFUND).encode()
    )


@pytest.mark.parametrize(
    ("family", "event", "name"),
    [
        ("purchase", event, name)
        for event in (ORDER, REFUND, CANCEL)
        for name in event
        if name != "customer_id"
    ]
    + [("engagement", ENGAGEMENT, name) for name in ENGAGEMENT if name != "customer_id"],
)
def test_an_absent_required_field_is_named(
    family: str, event: dict[str, object], name: str
) -> None:
    rejected = verdict(without(event, name), family)
    assert rejected.reason is Reason.MISSING_FIELD
    assert rejected.detail.startswith(f"{name}: ")


@pytest.mark.parametrize("family", ["purchase", "engagement"])
def test_without_a_customer_there_is_nobody_to_judge(family: str) -> None:
    event = ORDER if family == "purchase" else ENGAGEMENT
    for bad in (without(event, "customer_id"), event | {"customer_id": ""}):
        assert verdict(bad, family).reason is Reason.MISSING_CUSTOMER
    assert verdict(event | {"customer_id": None}, family).reason is Reason.MISSING_CUSTOMER
    assert verdict(event | {"customer_id": 17850}, family).reason is Reason.WRONG_TYPE


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("event_id", 5),
        ("event_id", None),
        ("ts", None),
        ("ts", True),
        ("ts", 1.5),
        ("ts", [1]),
        ("order_id", 7),
        ("currency", None),
        ("channel", 1.5),
        ("items", {}),
        ("items", [{"sku": 1}]),
        ("items", [{"tags": "gift"}]),
        ("type", None),
        ("type", 3),
    ],
)
def test_a_field_of_the_wrong_type_is_named(name: str, bad: object) -> None:
    rejected = verdict(ORDER | {name: bad})
    assert rejected.reason is Reason.WRONG_TYPE
    assert rejected.detail.startswith(f"{name}: ")


@pytest.mark.parametrize("name", ["event_id", "order_id"])
def test_an_empty_id_is_an_invalid_value(name: str) -> None:
    rejected = verdict(ORDER | {name: ""})
    assert rejected.reason is Reason.INVALID_VALUE
    assert rejected.detail.startswith(f"{name}: ")


@pytest.mark.parametrize("kind", ["loan", "", "Order", "engagement"])
def test_a_type_nobody_knows_is_unknown(kind: str) -> None:
    assert verdict(ORDER | {"type": kind}).reason is Reason.UNKNOWN_TYPE


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b'{"a": 1,}',
        b"{'a': 1}",
        b'{"event_id": NaN}',
        b'{"event_id": Infinity}',
        b'{"event_id": -Infinity}',
        b'{"amount": 01}',
        b"\xef\xbb\xbf{}",
        b'{"event_id": "\xff"}',
        b'{"event_id": "\xed\xa0\x80"}',
        b'{"event_id": "\\ud800"}',
        b'{"event_id": "\\udc00 and more text after it"}',
        b'{"event_id": "a\x01b"}',
        '{"event_id": "e"}'.encode("utf-16"),
        b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"x": ' + b'{"x": ' * 20_000,
        b"{} trailing",
    ],
)
@pytest.mark.parametrize("family", ["purchase", "engagement"])
def test_what_is_no_json_is_malformed(value: bytes | None, family: str) -> None:
    assert verdict(value, family).reason is Reason.MALFORMED_JSON


@pytest.mark.parametrize("value", [b"[]", b"null", b"5", b'"order"', b"true"])
def test_json_that_is_no_object_has_the_wrong_type(value: bytes) -> None:
    assert verdict(value).reason is Reason.WRONG_TYPE


def test_numbers_beyond_any_range_are_json_still() -> None:
    long = b"1" * 5000
    event = json.dumps(ORDER).encode()
    assert verdict(event.replace(b"1298967960000", long)).reason is Reason.INVALID_VALUE
    assert verdict(event.replace(b'"12.50"', long)).reason is Reason.INVALID_VALUE
    assert verdict(event.replace(b"1298967960000", b"1e999")).reason is Reason.WRONG_TYPE
    assert FAMILIES["purchase"](event.replace(b'"12.50"', b"1e999")).amount == "1e999"


def test_an_event_may_have_256_kib_and_not_a_byte_more() -> None:
    padded = json.dumps(ORDER | {"event_id": 5}).encode()
    padded = padded[:-1] + b" " * (MAX_EVENT_BYTES - len(padded)) + b"}"
    assert verdict(padded).reason is Reason.WRONG_TYPE
    assert verdict(padded + b" ").reason is Reason.OVERSIZED


def test_a_rejection_passes_through_the_diagnosis_as_it_is() -> None:
    rejected = Rejected(Reason.TOO_LATE, "ts: expected no more than 400 days, got 401")
    assert diagnose(b"{}", "purchase", rejected) is rejected


def test_an_error_without_a_visible_fault_is_told_with_the_decoders_words() -> None:
    rejected = diagnose(json.dumps(ORDER).encode(), "purchase", ValueError("out of ideas"))
    assert rejected.reason is Reason.INVALID_VALUE
    assert "out of ideas" in rejected.detail


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def outcome(raw: bytes, family: str) -> str:
    """Return the customer an event decodes to, or the detail of its rejection."""
    try:
        customer: str = FAMILIES[family](raw).customer_id
    except (ValueError, RecursionError) as error:
        return diagnose(raw, family, error).detail
    return customer


@given(
    st.dictionaries(st.sampled_from([*ORDER, "items", "kind", "channel"]), json_values),
    st.sampled_from([ORDER, REFUND, CANCEL, ENGAGEMENT]),
    st.sampled_from(sorted(FAMILIES)),
)
def test_every_broken_event_is_decoded_or_diagnosed(
    broken: dict[str, object], event: dict[str, object], family: str
) -> None:
    assert outcome(json.dumps(event | broken).encode(), family).encode()


@given(st.binary(max_size=200), st.sampled_from(sorted(FAMILIES)))
def test_any_bytes_are_decoded_or_diagnosed(raw: bytes, family: str) -> None:
    assert outcome(raw, family).encode()


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
items = st.builds(Item, sku=st.none() | texts, qty=st.integers(0, 99), tags=st.just(("a", "b")))
purchases = (
    st.builds(
        Order,
        texts,
        texts,
        st.integers(0, 2**53) | texts,
        texts,
        st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,4})?", fullmatch=True),
        st.sampled_from(["GBP", "EUR"]),
        st.none() | st.lists(items, max_size=3).map(tuple),
        st.none() | texts,
    )
    | st.builds(Refund, texts, texts, st.integers(), texts, texts, st.none() | texts)
    | st.builds(Cancel, texts, texts, texts, texts)
)


@given(purchases)
def test_a_purchase_survives_the_wire(event: Order | Refund | Cancel) -> None:
    assert decode_purchase(msgspec.json.encode(event)) == event


@given(st.builds(Engagement, texts, texts, st.integers() | texts, texts, st.none() | texts))
def test_an_engagement_survives_the_wire(event: Engagement) -> None:
    assert decode_engagement(msgspec.json.encode(event)) == event


def test_events_are_immutable_and_cost_the_garbage_collector_nothing() -> None:
    event = decode_engagement(json.dumps(ENGAGEMENT).encode())
    with pytest.raises(AttributeError):
        event.kind = "open"  # type: ignore[misc]
    for shape in (Item, Order, Refund, Cancel, Engagement):
        assert shape.__struct_config__.gc is False
    assert events.MAX_EVENT_BYTES == 256 * 1024
