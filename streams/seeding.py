"""Load a history into the input topics, as the shop's own producers would have sent it.

Responsible for rows in the form of the wire: topic, key, partition, JSON, in the order in which
they are judged. Rows the engine cannot take travel too, that is what dead letters are for. Must not
judge, and must not add to topics that hold records already.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from kafka.admin import OffsetSpec

from schemas.errors import Rejected, RewakeError, UsageError
from schemas.instants import format_instant, parse_replay_instant
from schemas.topics import ENGAGEMENTS, INPUTS, PURCHASES
from schemas.vocabulary import Kind
from streams.history import KINDS, REQUIRED, text_of
from streams.partitioner import partitions_of
from streams.rows import read_rows
from streams.topics_admin import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from aiokafka.producer.message_accumulator import BatchBuilder

    from schemas.vocabulary import Instant
    from streams.rows import Cells
    from streams.settings import Settings

BATCH_BYTES: Final = 256 * 1024
_ANSWER_MS: Final = 30_000
_PASSED_ON: Final = {
    PURCHASES: ("channel", "promo_id"),
    ENGAGEMENTS: ("kind", "channel", "object", "campaign_id"),
}
"""Columns that mean on the wire what they mean in a file."""


class Message(NamedTuple):
    """One row as it goes over the wire; sorts in the order in which facts are judged.

    Attributes
    ----------
    ts, kind, ref
        What it sorts by. A row whose ts cannot be read has that of the row before.
    topic, key, value
        The record; no key where the row names no customer.
    """

    ts: Instant
    kind: Kind
    ref: str
    topic: str
    key: bytes | None
    value: bytes


class Written(NamedTuple):
    """What was appended to one partition of a topic.

    Attributes
    ----------
    records
        How many.
    end
        The offset after the last of them.
    """

    records: int
    end: int


class Seed(NamedTuple):
    """A history ready to be loaded.

    Attributes
    ----------
    messages
        In order.
    customers
        How many customers are named.
    until
        The last instant at which a customer did something; the end of the history.
    """

    messages: list[Message]
    customers: int
    until: Instant


def read_seed(
    paths: Sequence[Path],
    currency: str,
    progress: Callable[[int, int], None] = lambda _done, _whole: None,
) -> Seed:
    """Read files of history as messages; columns as in `streams.history.read_history`.

    Parameters
    ----------
    paths
        The files.
    currency
        What amounts are in where a row does not say.
    progress
        Called with bytes read and bytes in all.

    Raises
    ------
    UsageError
        When a file cannot be read, holds a line that is no JSON object, or no customer at all.
    """
    messages: list[Message] = []
    ts: Instant = 0
    for row in read_rows(paths, REQUIRED, progress):
        if row.cells is None:
            raise UsageError(f"{row.path}, row {row.number}: expected a JSON object in UTF-8")
        message = to_message(row.cells, currency, f"{row.path.name}-{row.number}", ts)
        ts = message.ts
        messages.append(message)
    messages.sort()
    named = [message for message in messages if message.key is not None]
    if not named:
        raise UsageError(f"expected customers in {', '.join(map(str, paths))}, found none")
    return Seed(messages, len({message.key for message in named}), named[-1].ts)


def to_message(cells: Cells, currency: str, place: str, before: Instant = 0) -> Message:
    r"""Turn a row into the event that would have told it.

    Parameters
    ----------
    cells
        Column → value.
    currency
        What the amount is in where the row does not say.
    place
        Names the row; its event id where it has no ref.
    before
        The instant to sort by where the row's own cannot be read.

    Examples
    --------
    >>> row = {"customer_id": "17850", "ts": "2010-12-01T08:26", "type": "purchase"}
    >>> message = to_message({**row, "amount": "139.12", "ref": "536365"}, "GBP", "row 1")
    >>> message.topic, message.key
    ('commerce.purchases.v1', b'17850')
    >>> print(message.value.decode().replace(',"type"', ',\n"type"'))
    {"event_id":"536365","customer_id":"17850","ts":"2010-12-01T08:26:00.000Z",
    "type":"order","order_id":"536365","amount":"139.12","currency":"GBP"}
    """
    kind = KINDS.get(text_of(cells, "type"))
    topic = ENGAGEMENTS if kind == Kind.ENGAGEMENT else PURCHASES
    customer, ref = text_of(cells, "customer_id"), text_of(cells, "ref")
    written = text_of(cells, "ts")
    try:
        ts = parse_replay_instant(written)
        written = format_instant(ts)
    except Rejected:
        ts = before
    event: dict[str, Any] = {
        "event_id": ref or place,
        "customer_id": customer or None,
        "ts": written,
    }
    if topic == PURCHASES:
        event["type"] = text_of(cells, "type") if kind is None else kind.name.lower()
        event |= _booking(cells, kind, currency, ref or place)
    event |= {name: text for name in _PASSED_ON[topic] if (text := text_of(cells, name))}
    key = customer.encode() or None
    rank = Kind.ENGAGEMENT if kind is None else kind
    return Message(ts, rank, ref, topic, key, orjson.dumps(event))


def _booking(cells: Cells, kind: Kind | None, currency: str, own: str) -> dict[str, str]:
    """Return what a purchase says of order and money; an order without an id is its own."""
    order = text_of(cells, "order_id") or (own if kind == Kind.ORDER else "")
    amount = text_of(cells, "amount")
    if kind == Kind.REFUND:
        amount = amount.removeprefix("-")  # the type says the direction
    booking = {"order_id": order} if order else {}
    if amount and kind != Kind.CANCEL:
        booking |= {"amount": amount, "currency": text_of(cells, "currency") or currency}
    return booking


async def load(
    settings: Settings,
    messages: Sequence[Message],
    progress: Callable[[int, int], None] = lambda _done, _whole: None,
) -> Counter[str]:
    """Write messages into the input topics, each into the partition of its key, in order.

    Parameters
    ----------
    settings
        Where Kafka is.
    messages
        In the order of `read_seed`; those without a key are dealt out in turn.
    progress
        Called with records written and records in all.

    Returns
    -------
    Counter of str
        Topic → records written.

    Raises
    ------
    UsageError
        When an input topic holds records already: twice the same history is no history.
    RewakeError
        When a topic is missing or Kafka refuses.
    """
    await asyncio.to_thread(_refuse_records, settings)
    producer = producer_for(settings)
    try:
        await producer.start()
        try:
            await write(settings, producer, messages, progress)
        finally:
            await producer.stop()
    except KafkaError as error:
        message = f"expected Kafka at {settings.kafka} to take the history, it said {error!r}"
        raise RewakeError(message) from error
    return Counter(settings.topic(message.topic) for message in messages)


def producer_for(settings: Settings) -> AIOKafkaProducer:
    """Make the producer that `write` needs; to be started and stopped by the caller."""
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka,
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        **settings.kafka_security(),
    )


async def write(
    settings: Settings,
    producer: AIOKafkaProducer,
    messages: Sequence[Message],
    progress: Callable[[int, int], None] = lambda _done, _whole: None,
) -> dict[TopicPartition, Written]:
    """Append messages to the input topics, each to the partition of its key, in order.

    Returns
    -------
    dict
        What was appended, by topic and partition.

    Raises
    ------
    KafkaError
        When Kafka refuses.
    """
    messages = [each._replace(topic=settings.topic(each.topic)) for each in messages]
    return await _write(producer, await _deal(producer, messages), len(messages), progress)


def _refuse_records(settings: Settings) -> None:
    with connect(settings) as admin:
        inputs = [settings.topic(name) for name in INPUTS]
        topics = {entry["name"]: entry for entry in admin.describe_topics(inputs)}
        for name, entry in topics.items():
            if entry["error_code"]:
                raise RewakeError(f"expected the topic {name}, found none; `rewake topics create`")
            numbers = range(len(entry["partitions"]))
            found = sum(_sizes(admin, [TopicPartition(name, number) for number in numbers]))
            if found:
                raise UsageError(
                    f"expected {name} to be empty, it holds {found:,} records; load into a cluster "
                    "of its own, e.g. `rewake local up --dir` with a new folder"
                )


def _sizes(admin: Any, partitions: Sequence[TopicPartition]) -> list[int]:
    ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
    starts = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
    return [ends[each].offset - starts[each].offset for each in partitions]


async def _deal(
    producer: AIOKafkaProducer, messages: Iterable[Message]
) -> Mapping[TopicPartition, list[Message]]:
    """Put every message on the pile of its topic and partition."""
    by_topic: dict[str, list[Message]] = defaultdict(list)
    for message in messages:
        by_topic[message.topic].append(message)
    piles: dict[TopicPartition, list[Message]] = defaultdict(list)
    for topic, mine in by_topic.items():
        count = len(await producer.partitions_for(topic))
        numbers = partitions_of([message.key or b"" for message in mine], count).tolist()
        for place, (number, message) in enumerate(zip(numbers, mine, strict=True)):
            partition = place % count if message.key is None else number
            piles[TopicPartition(topic, partition)].append(message)
    return piles


async def _write(
    producer: AIOKafkaProducer,
    piles: Mapping[TopicPartition, Sequence[Message]],
    whole: int,
    progress: Callable[[int, int], None],
) -> dict[TopicPartition, Written]:
    done = 0
    written: dict[TopicPartition, Written] = {}

    async def send(partition: TopicPartition, batch: BatchBuilder) -> None:
        nonlocal done
        sent = await producer.send_batch(batch, partition.topic, partition=partition.partition)
        first, count = (await sent).offset, batch.record_count()
        before = written.get(partition, Written(0, 0)).records
        written[partition] = Written(before + count, first + count)
        done += count
        progress(done, whole)

    async def write(partition: TopicPartition, pile: Sequence[Message]) -> None:
        batch = producer.create_batch()
        for message in pile:
            key, value = message.key, message.value
            if batch.append(key=key, value=value, timestamp=None) is None:
                await send(partition, batch)
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        await send(partition, batch)

    await asyncio.gather(*[write(partition, pile) for partition, pile in piles.items()])
    return written
