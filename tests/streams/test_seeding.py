"""A history as the wire has it, and in Kafka."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from schemas.errors import RewakeError, UsageError
from schemas.events import decode_engagement, decode_purchase
from schemas.topics import ENGAGEMENTS, PURCHASES
from schemas.vocabulary import Kind
from streams.history import read_history
from streams.partitioner import partitions_of
from streams.seeding import Message, load, read_seed, to_message
from streams.settings import load_settings
from streams.topics_admin import connect, create, plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.local import LocalServers
    from streams.settings import Settings

ROW = {"customer_id": "c", "ts": "2020-01-01T10:00", "ref": "r"}


def event(**cells: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(to_message({**ROW, **cells}, "GBP", "file-1").value)
    return loaded


def test_an_order_is_its_own_order_and_a_refund_without_one_stays_unlinked() -> None:
    assert event(type="purchase", amount="1.10") == {
        "event_id": "r",
        "customer_id": "c",
        "ts": "2020-01-01T10:00:00.000Z",
        "type": "order",
        "order_id": "r",
        "amount": "1.10",
        "currency": "GBP",
    }
    assert event(type="order", amount="1", order_id="o")["order_id"] == "o"
    refund = event(type="refund", amount="-1.10")
    assert (refund["type"], refund["amount"]) == ("refund", "1.10")
    assert "order_id" not in refund
    assert event(type="refund", amount="1", order_id="o", currency="EUR")["currency"] == "EUR"
    assert "amount" not in event(type="cancel", amount="1", order_id="o")


def test_what_is_sent_is_what_the_worker_decodes() -> None:
    for cells in ({"type": "purchase"}, {"type": "refund"}, {"type": "cancel", "order_id": "o"}):
        decode_purchase(to_message({**ROW, **cells, "amount": "1"}, "GBP", "x").value)
    sent = to_message({**ROW, "type": "engagement", "kind": "k", "campaign_id": "7"}, "GBP", "x")
    assert sent.topic == ENGAGEMENTS
    assert decode_engagement(sent.value).campaign_id == "7"


def test_a_guest_travels_without_a_key_and_an_unknown_type_as_it_is() -> None:
    guest = to_message({**ROW, "customer_id": "", "type": "adjustment"}, "GBP", "x")
    assert (guest.key, guest.topic) == (None, PURCHASES)
    assert json.loads(guest.value)["customer_id"] is None
    assert json.loads(guest.value)["type"] == "adjustment"


def test_a_row_without_ref_gets_an_id_of_its_own_and_one_without_ts_stays_at_its_place() -> None:
    message = to_message({"customer_id": "c", "ts": "soon", "type": "order"}, "GBP", "f-7", 5)
    assert (message.ts, message.ref) == (5, "")
    assert json.loads(message.value) == {
        "event_id": "f-7",
        "customer_id": "c",
        "ts": "soon",
        "type": "order",
        "order_id": "f-7",
    }


def test_the_end_of_a_history_is_the_last_deed_of_a_customer(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text(
        "customer_id,ts,type,amount,ref\n"
        ",2020-01-09,purchase,1,g\nc,2020-01-05,purchase,1,b\nc,2020-01-01,purchase,1,a\n"
    )
    seed = read_seed([path], "GBP")
    assert [message.ref for message in seed.messages] == ["a", "b", "g"]
    assert (seed.customers, seed.until) == (1, 1578182400000)


def test_a_history_of_nobody_and_broken_lines_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text("customer_id,ts,type\n,2020-01-09,purchase\n")
    with pytest.raises(UsageError, match=r"expected customers in .*h\.csv, found none"):
        read_seed([path], "GBP")
    broken = tmp_path / "h.jsonl"
    broken.write_text("oops\n")
    with pytest.raises(UsageError, match="row 1: expected a JSON object"):
        read_seed([broken], "GBP")


def test_messages_stand_in_the_order_of_the_facts_of_a_replay() -> None:
    from segmenters.rules import defaults

    path = Path(__file__).parents[2] / "data/online_retail/events.csv.gz"
    seed = read_seed([path], "GBP")
    facts = read_history([path], defaults()).facts
    named = [message for message in seed.messages if message.key is not None]
    assert [(m.ts, m.kind, m.ref) for m in named] == [(f.ts, f.kind, f.ref) for f in facts]
    assert len(seed.messages) - len(named) == 3710


# On a real broker ---------------------------------------------------------------------------------


@pytest.fixture
def settings(spare_servers: LocalServers) -> Iterator[Settings]:
    """Give settings of a cluster with empty topics."""
    found = load_settings(None, kafka=spare_servers.up().kafka, partitions=3)
    with connect(found) as admin:
        admin.delete_topics([each.topic.name for each in plan(found)], raise_errors=False)
        create(admin, plan(found))
    yield found
    with connect(found) as admin:
        admin.delete_topics([each.topic.name for each in plan(found)], raise_errors=False)


def read_back(settings: Settings, topic: str) -> dict[int, list[tuple[bytes | None, bytes]]]:
    partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
    found = defaultdict(list)
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka, auto_offset_reset="earliest", consumer_timeout_ms=3000
    )
    try:
        consumer.assign(partitions)
        for record in consumer:
            found[record.partition].append((record.key, record.value))
    finally:
        consumer.close()
    return found


async def test_every_message_lies_in_the_partition_of_its_key_in_order_and_only_once(
    settings: Settings,
) -> None:
    messages = [
        Message(k, Kind.ORDER, "", PURCHASES, f"c{k % 7}".encode() if k % 5 else None, b"%d" % k)
        for k in range(9000)
    ]
    messages.append(Message(0, Kind.ENGAGEMENT, "", ENGAGEMENTS, b"c", b"x" * 300_000))
    heard: list[tuple[int, int]] = []
    sent = await load(settings, messages, lambda *numbers: heard.append(numbers))
    assert sent == {PURCHASES: 9000, ENGAGEMENTS: 1}
    assert heard[-1] == (9001, 9001)

    found = read_back(settings, PURCHASES)
    assert sum(map(len, found.values())) == 9000
    for number, records in found.items():
        values = [int(value) for _, value in records]
        assert values == sorted(values)
        keys = [key for key, _ in records if key is not None]
        assert set(partitions_of(keys, 3).tolist()) == {number}
        assert any(key is None for key, _ in records), "guests are dealt out to all partitions"
    assert sum(len(records) for records in read_back(settings, ENGAGEMENTS).values()) == 1

    with pytest.raises(UsageError, match=r"commerce.purchases.v1 to be empty, it holds 9,000"):
        await load(settings, messages)


async def test_a_missing_topic_is_named(settings: Settings) -> None:
    with connect(settings) as admin:
        admin.delete_topics([ENGAGEMENTS])
        while ENGAGEMENTS in admin.list_topics():  # noqa: ASYNC110 - brokers have no events
            await asyncio.sleep(0.05)
    with pytest.raises(RewakeError, match=r"commerce.engagements.v1, found none"):
        await load(settings, [])
