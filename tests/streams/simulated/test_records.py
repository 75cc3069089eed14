"""Records of a simulated shop: what the product's own decoder makes of them, and their defects."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from schemas.errors import Reason, UsageError
from schemas.money import Currencies
from schemas.topics import ENGAGEMENTS, PURCHASES
from schemas.vocabulary import Kind
from segmenters.rules import defaults
from streams.decode import Decoder
from streams.runs import LOG_APPEND_TIME
from streams.simulated.defects import WAYS, WHOLE, arrive, draw_defects, spoil, way_of
from streams.simulated.figures import count
from streams.simulated.plan import CustomerKind, Plan
from streams.simulated.records import messages, to_seed
from streams.simulated.shop import Shop, open_shop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.seeding import Message

PLAN = Plan(customers=1_000, days=400, seed=1)


class Raw(NamedTuple):
    """A record as the client yields it."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes
    headers: tuple[()] = ()


@cache
def shop() -> Shop:
    return open_shop(PLAN)


@cache
def written() -> tuple[Message, ...]:
    return tuple(messages(shop()))


@cache
def events() -> list[dict[str, Any]]:
    """Read back every record that is not broken, each once."""
    _, repeats, _, broken = shop().arrivals
    whole = (broken == WHOLE) & ~repeats
    return [json.loads(written()[place].value) for place in np.flatnonzero(whole)]


def rejections(records: Sequence[Message], until: int) -> list[Reason | None]:
    """Let the worker's decoder judge records; one partition takes them all."""
    found: list[Reason | None] = [None] * len(records)
    for topic, family in ((PURCHASES, "purchase"), (ENGAGEMENTS, "engagement")):
        places = [place for place, each in enumerate(records) if each.topic == topic]
        raws = [
            Raw(n, until, LOG_APPEND_TIME, records[place].key, records[place].value)
            for n, place in enumerate(places)
        ]
        currencies = Currencies("GBP", {})
        decoder = Decoder(family, 1, currencies, defaults().qualifying)
        run = decoder.decode(raws, 0, len(raws), 0, until)
        for n, rejected in run.rejections.items():
            found[places[n]] = rejected.reason
    return found


def test_the_decoder_takes_every_sound_record_and_no_broken_one() -> None:
    found = rejections(written(), to_seed(shop()).until)
    broken = shop().arrivals.broken
    assert len(found) > 50_000
    for message, reason, chosen in zip(written(), found, broken.tolist(), strict=True):
        assert (reason is None) == (chosen == WHOLE), message


@pytest.mark.parametrize("number", range(len(WAYS)))
def test_a_record_is_rejected_for_the_reason_it_was_broken_for(number: int) -> None:
    sound = written()[:3_000]
    broken = shop().arrivals.broken[:3_000]
    until = max(message.ts for message in sound)
    spoilt, reasons = [], []
    for message, chosen in zip(sound, broken.tolist(), strict=True):
        if chosen == WHOLE:
            way, key, value = spoil(number, message.key or b"", message.value)
            spoilt.append(message._replace(key=key, value=value))
            reasons.append(way.reason)
    assert rejections(spoilt, until) == reasons


def test_every_way_breaks_some_record() -> None:
    order = {"event_id": "", "customer_id": "", "ts": 0, "type": "", "amount": "", "currency": ""}
    assert [way_of(number, order) for number in range(len(WAYS))] == list(WAYS)
    assert len({way.reason for way in WAYS}) == 10


def test_records_go_to_the_topic_of_their_kind_under_the_customers_id() -> None:
    broken = shop().arrivals.broken.tolist()
    for message, chosen in zip(written(), broken, strict=True):
        assert message.topic == (ENGAGEMENTS if message.kind == Kind.ENGAGEMENT else PURCHASES)
        if chosen == WHOLE:
            assert message.key == json.loads(message.value)["customer_id"].encode()


def test_event_ids_and_order_ids_name_one_thing_each() -> None:
    ids = [event["event_id"] for event in events()]
    assert len(set(ids)) == len(ids)
    orders = [event["order_id"] for event in events() if event.get("type") == "order"]
    assert len(set(orders)) == len(orders)


# ---- money


def line_total(item: dict[str, Any]) -> Decimal:
    paid = Decimal(item["unit_price"]) - Decimal(item.get("discount", 0))
    return Decimal(item["qty"]) * paid


def test_the_items_of_an_order_add_up_to_its_amount() -> None:
    orders = [event for event in events() if event.get("type") == "order"]
    assert len(orders) > 5_000
    for order in orders:
        assert sum(map(line_total, order["items"])) == Decimal(order["amount"])


def test_items_have_prices_one_can_believe() -> None:
    items = [item for event in events() for item in event.get("items", ())]
    assert all(Decimal(item["unit_price"]) <= Decimal(item["list_price"]) for item in items)
    assert all(set(item) >= {"sku", "category", "brand", "qty"} for item in items)
    costed = [item for item in items if "unit_cost" in item]
    assert 0.8 < len(costed) / len(items) < 1.0
    assert all(Decimal(item["unit_cost"]) < Decimal(item["list_price"]) for item in costed)
    assert 0.1 < np.mean(["discount" in item for item in items]) < 0.4
    sold = Counter(item["sku"] for item in items)
    best = sum(number for _, number in sold.most_common(len(sold) // 5))
    assert best > 0.4 * len(items), "some goods sell, most lie about"


def test_refunds_give_back_all_or_a_part_and_mostly_name_their_order() -> None:
    amounts = {e["order_id"]: Decimal(e["amount"]) for e in events() if e.get("type") == "order"}
    refunds = [event for event in events() if event.get("type") == "refund"]
    linked = [refund for refund in refunds if "order_id" in refund]
    assert 0.7 < len(linked) / len(refunds) < 0.95
    known = [refund for refund in linked if refund["order_id"] in amounts]
    shares = [Decimal(refund["amount"]) / amounts[refund["order_id"]] for refund in known]
    assert all(0 < share <= 1 for share in shares)
    assert 0.4 < np.mean([share == 1 for share in shares]) < 0.8
    assert 0.03 < len(refunds) / len(amounts) < 0.08


def test_what_is_taken_back_was_ordered_before_by_the_same_customer_and_once() -> None:
    placed = {e["order_id"]: e for e in events() if e.get("type") == "order"}
    back = [e for e in events() if e.get("type") in {"refund", "cancel"} and "order_id" in e]
    assert sum(event["type"] == "cancel" for event in back) > 50
    named = Counter(event["order_id"] for event in back)
    assert set(named.values()) == {1}
    for event in back:
        if event["order_id"] in placed:  # or the order's own record was broken
            order = placed[event["order_id"]]
            assert order["customer_id"] == event["customer_id"]
            assert order["ts"] < event["ts"]


@pytest.mark.parametrize(("currency", "places"), [("JPY", 0), ("KWD", 3), ("CLF", 4)])
def test_amounts_have_the_decimals_of_their_currency(currency: str, places: int) -> None:
    for message in messages(open_shop(Plan(customers=40, days=200, currency=currency))):
        event = json.loads(message.value)
        if "amount" in event:
            assert len(event["amount"].partition(".")[2]) == places
            assert event["currency"] == currency
        for item in event.get("items", ()):
            assert len(item["unit_price"].partition(".")[2]) == places
        if event.get("type") == "order":
            assert sum(map(line_total, event["items"])) == Decimal(event["amount"])


# ---- defects


def test_shares_of_defects_are_those_that_were_meant() -> None:
    size = 5_000_000
    late_by, twice, broken = draw_defects(np.random.default_rng(2), size)
    assert np.mean(late_by > 0) == pytest.approx(0.01, rel=0.03)
    assert np.mean(late_by > 600_000) == pytest.approx(0.001, rel=0.06)
    assert late_by.min() >= 0
    assert late_by.max() < 2 * 86_400_000 + 600_000
    assert np.mean(twice) == pytest.approx(0.0001, rel=0.2)
    assert np.mean(broken != WHOLE) == pytest.approx(0.00001, rel=0.5)


def test_a_shops_figures_are_those_of_its_records() -> None:
    figures = count(shop())
    assert figures.records == len(written())
    types = Counter(event.get("type", "engagement") for event in events())
    for type_, number in figures.events.items():
        assert 0 <= number - types[type_] <= figures.malformed
    assert sum(figures.events.values()) + figures.duplicates == figures.records
    assert figures.share(figures.late) == pytest.approx(0.01, rel=0.1)
    assert 0 < figures.out_of_order <= figures.late
    assert figures.duplicates > 0
    assert 0 < figures.malformed < 20
    twice = sum(a == b for a, b in zip(written(), written()[1:], strict=False))
    assert twice == figures.duplicates


def test_records_arrive_in_order_but_for_those_that_are_late() -> None:
    events_ = np.arange(10_000) * 1_000
    defects = draw_defects(np.random.default_rng(4), len(events_))
    arrivals = arrive(events_, defects)
    on_time = arrivals.event[arrivals.late_by == 0]
    assert (np.diff(events_[on_time]) >= 0).all()
    behind = events_[arrivals.event] < np.maximum.accumulate(events_[arrivals.event])
    assert set(arrivals.event[behind].tolist()) <= set(np.flatnonzero(defects.late_by).tolist())
    assert behind.sum() > 80


# ---- seeds


def checksum(plan: Plan) -> str:
    seal = hashlib.blake2b(digest_size=8)
    for message in messages(open_shop(plan)):
        seal.update(message.value)
    return seal.hexdigest()


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others() -> None:
    plan = Plan(customers=200, days=300, seed=42)
    assert checksum(plan) == checksum(Plan(customers=200, days=300, seed=42))
    assert checksum(plan) != checksum(Plan(customers=200, days=300, seed=43))


def test_the_shop_of_a_seed_is_the_same_on_every_machine() -> None:
    # Whoever changes what is drawn changes this, and says so in the changelog.
    assert checksum(Plan(customers=200, days=300, seed=42)) == "43f8204cd9ec54f6"


def test_what_a_customer_does_reads_like_shopping() -> None:
    ordered: dict[str, list[int]] = defaultdict(list)
    for event in events():
        if event.get("type") == "order":
            ordered[event["customer_id"]].append(event["ts"])
    carts = [event for event in events() if event.get("kind") == "cart"]
    bought = 0
    for cart in carts:
        mine = ordered[cart["customer_id"]]
        bought += any(0 < ts - cart["ts"] <= 300_000 for ts in mine)
    assert bought > 0.6 * len(carts), "most carts are bought within five minutes, some never"
    assert bought < len(carts)


@pytest.mark.parametrize(
    "wrong",
    [
        {"customers": 0},
        {"days": 0},
        {"seed": -1},
        {"currency": "quid"},
        {"shares": {CustomerKind.REGULAR: 0}},
        {"shares": {CustomerKind.REGULAR: -1, CustomerKind.ONE_OFF: 2}},
        {"shares": {CustomerKind.REGULAR: float("nan")}},
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"expected .*, got "):
        Plan(**wrong)
