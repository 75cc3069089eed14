"""Decoding: every record comes out at its place, the bad ones with a precise reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiokafka.partitioner import murmur2

from schemas.errors import Reason
from schemas.money import Currencies
from schemas.vocabulary import Kind
from segmenters.instants import NEVER
from streams.decode import Decoder
from streams.digests import digests_of
from tests.streams.runs import Record

NOW = 1_700_000_000_000
HORIZON = NOW + 300_000
PARTITIONS = 4
CURRENCIES = Currencies("GBP", {"EUR": "0.86"})


def home(key: bytes) -> int:
    return (murmur2(key) & 0x7FFFFFFF) % PARTITIONS


def record(offset: int, event: Any, key: bytes | None = b"c-1", **more: Any) -> Record:
    value = event if isinstance(event, bytes | None) else json.dumps(event).encode()
    return Record(offset, key=key, value=value, **more)


def engagement(**more: Any) -> dict[str, Any]:
    return {"event_id": "e-1", "customer_id": "c-1", "ts": NOW, "kind": "login"} | more


def order(**more: Any) -> dict[str, Any]:
    return {
        "event_id": "p-1", "customer_id": "c-1", "ts": NOW, "type": "order", "order_id": "o-1",
        "amount": "12.50", "currency": "GBP",
    } | more  # fmt: skip


def decode(family: str, records: list[Record], begin: int | None = None) -> Any:
    decoder = Decoder(family, PARTITIONS, CURRENCIES, {"login"})
    first = records[0].offset if begin is None else begin
    return decoder.decode(records, first, records[-1].offset + 1, home(b"c-1"), HORIZON)


def reason_of(family: str, event: Any, **more: Any) -> tuple[Reason, str]:
    """Put the bad record between two good ones and return why it was rejected."""
    good = engagement() if family == "engagement" else order()
    run = decode(family, [record(4, good), record(5, event, **more), record(6, good)])
    assert list(run.rejections) == [1]
    assert run.offsets.tolist() == [4, 5, 6]
    assert run.event_ids[0] == run.event_ids[2] == good["event_id"]
    return run.rejections[1].reason, run.rejections[1].detail


def test_purchases_become_columns():
    run = decode("purchase", [
        record(3, order()),
        record(4, {**order(), "type": "refund", "amount": 2, "currency": "EUR", "event_id": "p-2"}),
        record(6, {"event_id": "p-3", "customer_id": "c-1", "ts": "2023-11-14T22:13:20Z",
                   "type": "cancel", "order_id": "o-9"}),
    ])  # fmt: skip
    assert (run.begin, run.end) == (3, 7)
    assert run.offsets.tolist() == [3, 4, 6]
    assert run.kind.tolist() == [Kind.ORDER, Kind.REFUND, Kind.CANCEL]
    assert run.amount.tolist() == [1250, 172, 0]
    assert run.ts.tolist() == [NOW, NOW, NOW]
    assert run.order.tolist() == digests_of(["o-1", "o-1", "o-9"]).tolist()
    assert run.event.tolist() == digests_of(["p-1", "p-2", "p-3"]).tolist()
    assert run.customers == [b"c-1"] * 3
    assert not run.rejections


def test_engagements_that_count_are_marked():
    run = decode("engagement", [record(0, engagement()), record(1, engagement(kind="email_open"))])
    assert run.qualifies.tolist() == [True, False]
    assert set(run.kind.tolist()) == {Kind.ENGAGEMENT}


def test_a_refund_without_an_order_has_no_order():
    refund = order(type="refund")
    del refund["order_id"]
    assert decode("purchase", [record(0, refund)]).order.tolist() == [0]


def test_an_empty_range_decodes_to_an_empty_run():
    decoder = Decoder("purchase", PARTITIONS, CURRENCIES, ())
    run = decoder.decode([], 5, 8, 0, HORIZON)
    assert (run.begin, run.end, len(run)) == (5, 8, 0)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (b"{oops", Reason.MALFORMED_JSON),
        (b"\xff\xfe", Reason.MALFORMED_JSON),
        (None, Reason.MALFORMED_JSON),
        ({"customer_id": "c-1", "ts": NOW, "kind": "login"}, Reason.MISSING_FIELD),
        (engagement(ts=[1]), Reason.WRONG_TYPE),
        (engagement(customer_id=""), Reason.MISSING_CUSTOMER),
        (engagement(customer_id="c-2"), Reason.MISROUTED),
        (engagement(ts=NOW // 1000), Reason.IMPLAUSIBLE_TIMESTAMP),
        (engagement(ts=-5), Reason.IMPLAUSIBLE_TIMESTAMP),
        (engagement(ts=2**70), Reason.IMPLAUSIBLE_TIMESTAMP),
        (engagement(ts="yesterday"), Reason.INVALID_VALUE),
        (engagement(ts=HORIZON + 1), Reason.FUTURE_TIMESTAMP),
        (engagement(ts="2199-01-01T00:00:00Z"), Reason.FUTURE_TIMESTAMP),
    ],
)
def test_a_bad_engagement_is_a_placeholder_with_its_reason(event: Any, reason: Reason):
    assert reason_of("engagement", event)[0] is reason


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (order(type="gift"), Reason.UNKNOWN_TYPE),
        (order(currency="USD"), Reason.UNKNOWN_CURRENCY),
        (order(amount="-1"), Reason.INVALID_VALUE),
        (order(amount="NaN"), Reason.INVALID_VALUE),
    ],
)
def test_a_bad_purchase_is_a_placeholder_with_its_reason(event: Any, reason: Reason):
    assert reason_of("purchase", event)[0] is reason


def test_the_horizon_itself_is_believed():
    assert not decode("engagement", [record(0, engagement(ts=HORIZON))]).rejections


def test_a_value_longer_than_an_event_may_be_is_oversized_unread():
    reason, detail = reason_of("engagement", engagement(object="x" * 300_000))
    assert reason is Reason.OVERSIZED
    assert "262144" in detail


def test_a_record_without_a_key_is_misrouted():
    assert reason_of("engagement", engagement(), key=None)[0] is Reason.MISROUTED


def test_a_key_in_the_wrong_partition_is_misrouted_and_says_what_to_set():
    stranger = next(f"s-{n}" for n in range(99) if home(f"s-{n}".encode()) != home(b"c-1"))
    event = engagement(customer_id=stranger)
    reason, detail = reason_of("engagement", event, key=stranger.encode())
    assert reason is Reason.MISROUTED
    assert f"expected partition {home(stranger.encode())} of 4" in detail
    assert "murmur2_random" in detail


def test_keys_of_equal_letters_cut_otherwise_are_not_taken_for_equal():
    keys = [b"c-1", b"c-12"]
    events = [engagement(customer_id="c-11"), engagement(customer_id="c-2")]
    run = decode(
        "engagement",
        [record(n, e, key=k) for n, (k, e) in enumerate(zip(keys, events, strict=True))],
    )
    assert {r.reason for r in run.rejections.values()} == {Reason.MISROUTED}
    assert len(run.rejections) == 2


def test_keys_are_told_apart_where_ids_hold_line_feeds():
    keys = [b"c-1\nc", b"1"]
    events = [engagement(customer_id="c-1"), engagement(customer_id="c\n1")]
    run = decode(
        "engagement",
        [record(n, e, key=k) for n, (k, e) in enumerate(zip(keys, events, strict=True))],
    )
    assert {r.reason for r in run.rejections.values()} == {Reason.MISROUTED}
    assert len(run.rejections) == 2


def test_customers_beyond_ascii_are_compared_as_utf8():
    run = decode("engagement", [record(0, engagement(customer_id="客户"), key="客户".encode())])
    assert run.customers == ["客户".encode()]
    assert all(
        "key" not in why.detail for why in run.rejections.values() if "partition" not in why.detail
    )


def test_append_times_count_only_where_the_broker_set_them():
    run = decode("engagement", [
        record(0, engagement(), timestamp=77, timestamp_type=1),
        record(1, engagement(), timestamp=88, timestamp_type=0),
    ])  # fmt: skip
    assert run.appended.tolist() == [77, NEVER]
