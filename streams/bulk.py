"""Read whole ranges of logs and write whole piles of records, outside the delivery path.

Responsible for ranges that are complete (nothing hidden by an open transaction) and for writing
everything in one transaction or nothing. Must not know what records mean.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.errors import RewakeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

TRANSACTION_MS: Final = 900_000
"""Longest transaction brokers allow by default: everything has to be over within it."""

BATCH_BYTES: Final = 512 * 1024
_IN_FLIGHT: Final = 32


class Range(NamedTuple):
    """A topic-partition's log start and end."""

    start: int
    end: int


class LogReader:
    """Reads what is committed; use `reading` to make one."""

    def __init__(self, committed: AIOKafkaConsumer, everything: AIOKafkaConsumer) -> None:
        self._committed = committed
        self._everything = everything

    async def ranges(self, topic: str, partitions: int) -> dict[TopicPartition, Range]:
        """Return what the logs of a topic span.

        Raises
        ------
        RewakeError
            When an open transaction hides the end of one.
        """
        tps = [TopicPartition(topic, number) for number in range(partitions)]
        for consumer in (self._committed, self._everything):
            consumer.assign(tps)
        starts = await self._committed.beginning_offsets(tps)
        ends = await self._committed.end_offsets(tps)
        for tp, high in (await self._everything.end_offsets(tps)).items():
            if high != ends[tp]:
                raise RewakeError(
                    f"{topic}, partition {tp.partition}: expected no open transaction, one hides "
                    f"what lies behind offset {ends[tp]}; end that producer, or wait until the "
                    "broker has aborted it, then repeat"
                )
        return {tp: Range(starts[tp], ends[tp]) for tp in tps}

    async def starts(self, topic: str, partitions: int) -> dict[TopicPartition, int]:
        """Return the log starts of a topic."""
        tps = [TopicPartition(topic, number) for number in range(partitions)]
        self._committed.assign(tps)
        found: dict[TopicPartition, int] = await self._committed.beginning_offsets(tps)
        return found

    async def read(self, tp: TopicPartition, begin: int, end: int) -> list[Any]:
        """Return the committed records of a range, in order."""
        consumer = self._committed
        consumer.assign([tp])
        consumer.seek(tp, begin)
        found: list[Any] = []
        while await consumer.position(tp) < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
        return found


@asynccontextmanager
async def reading(connection: Mapping[str, Any]) -> AsyncIterator[LogReader]:
    """Give a reader for the length of a block."""
    levels = ("read_committed", "read_uncommitted")
    consumers = [
        AIOKafkaConsumer(
            **connection,
            isolation_level=level,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
        )
        for level in levels
    ]
    try:
        for consumer in consumers:
            await consumer.start()
        yield LogReader(*consumers)
    finally:
        for consumer in consumers:
            await consumer.stop()


class Record(NamedTuple):
    """What is to be written; without a timestamp the time of writing."""

    key: bytes | None
    value: bytes | None
    timestamp: int | None = None
    headers: Any = ()


class BulkWriter:
    """Writes piles of records, a bounded number of batches under way; see `transaction`."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._sent: list[Any] = []

    async def write(self, tp: TopicPartition, records: Iterable[Record]) -> None:
        """Write records in their order."""
        batch = self._producer.create_batch()
        for key, value, timestamp, headers in records:
            fields = {
                "key": key, "value": value, "timestamp": timestamp, "headers": list(headers),
            }  # fmt: skip
            if batch.append(**fields) is None:
                await self._send(tp, batch)
                batch = self._producer.create_batch()
                batch.append(**fields)
        if batch.record_count():
            await self._send(tp, batch)

    async def flush(self) -> set[int]:
        """Wait until all is written; return what kinds of timestamps the records got.

        With one failed batch the transaction's rest could be committed: the error is raised here.
        """
        sent, self._sent = self._sent, []
        return {each.timestamp_type for each in await asyncio.gather(*sent)}

    async def _send(self, tp: TopicPartition, batch: Any) -> None:
        if len(self._sent) >= _IN_FLIGHT:
            await self._sent[-_IN_FLIGHT]
        future = await self._producer.send_batch(batch, tp.topic, partition=tp.partition)
        self._sent.append(future)


@asynccontextmanager
async def transaction(name: str, connection: Mapping[str, Any]) -> AsyncIterator[BulkWriter]:
    """Commit what was written in the block; nothing of it if the block fails.

    Parameters
    ----------
    name
        Transactional id: opening it aborts what an attempt of this name left open.
    connection
        How to connect.
    """
    producer = AIOKafkaProducer(
        **connection,
        transactional_id=name,
        max_batch_size=BATCH_BYTES,
        transaction_timeout_ms=TRANSACTION_MS,
    )
    await producer.start()
    try:
        async with producer.transaction():
            writer = BulkWriter(producer)
            yield writer
            await writer.flush()
    finally:
        await producer.stop()
