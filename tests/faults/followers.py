"""Read topics as others do: a log that is read on, and consumers of the changes.

Responsible for reading. What ought to be there is for `tests.faults.exactness` to say.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas import topics
from streams import position
from streams.delivery.metadata import pause_after_failure
from streams.position import POSITION_KEY

if TYPE_CHECKING:
    from streams.position import PositionRecord


def _consumer(kafka: str, isolation: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=kafka, isolation_level=isolation, enable_auto_commit=False,
        auto_offset_reset="earliest", fetch_max_wait_ms=100,
    )  # fmt: skip


class Changelog:
    """What has been committed to a changelog, each look reading on where the last one stopped.

    Attributes
    ----------
    rows : list of dict
        Per partition: customer → value.
    records : list of PositionRecord or None
        Per partition.
    """

    def __init__(self, kafka: str, app: str, partitions: int) -> None:
        self.rows: list[dict[bytes, bytes]] = [{} for _ in range(partitions)]
        self.records: list[PositionRecord | None] = [None] * partitions
        self._kafka = kafka
        self._next = {TopicPartition(topics.changelog(app), p): 0 for p in range(partitions)}

    async def read_on(self) -> None:
        """Read to the end of what is committed now."""
        consumer = _consumer(self._kafka, "read_committed")
        await consumer.start()
        try:
            consumer.assign(list(self._next))
            for tp, offset in self._next.items():
                consumer.seek(tp, offset)
            ends = await consumer.end_offsets(list(self._next))
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for tp, records in (await consumer.getmany(timeout_ms=100)).items():
                    for record in records:
                        self._take(tp.partition, record)
            for tp in self._next:
                self._next[tp] = await consumer.position(tp)
        finally:
            await consumer.stop()

    def _take(self, partition: int, record: Any) -> None:
        if record.key == POSITION_KEY:
            self.records[partition] = position.read(record.value)
        elif not record.key.startswith(b"\xff"):
            self.rows[partition][record.key] = record.value


class ChangesConsumer:
    """An independent consumer of the changes, from the first one on, all the while.

    Read committed it takes everything as it comes. Read uncommitted it drops, per customer, what
    has a sequence up to the last one it took: that is the whole recipe.

    Attributes
    ----------
    told : dict
        Customer → changes taken, in order.
    reached : Counter
        How often somebody was told to have come into a segment, by its name.
    appended : dict
        Segment → when the last such change was appended, ms UTC, by the worker's clock.
    latest_by_clock : int
        The latest instant of a deadline told, ms UTC.
    dropped : int
        Changes dropped.
    """

    def __init__(self, kafka: str, partitions: int, *, committed: bool) -> None:
        self.committed = committed
        self.told: dict[str, list[dict[str, Any]]] = {}
        self.reached: Counter[str] = Counter()
        self.appended: dict[str, int] = {}
        self.latest_by_clock = 0
        self.dropped = 0
        self._tps = [TopicPartition(topics.CHANGES, p) for p in range(partitions)]
        self._consumer = _consumer(kafka, "read_committed" if committed else "read_uncommitted")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to read."""
        pause_after_failure(self._consumer._client)  # as gentle to the machine as a worker is
        await self._consumer.start()
        self._consumer.assign(self._tps)
        await self._consumer.seek_to_beginning(*self._tps)
        self._task = asyncio.create_task(self._read())

    async def stop(self) -> None:
        """Read no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._consumer.stop()

    async def read_to_the_end(self, within: float = 30.0) -> None:
        """Wait until all there is has been read."""
        async with asyncio.timeout(within):
            ends = await self._consumer.end_offsets(self._tps)
            for tp in self._tps:
                while await self._consumer.position(tp) < ends[tp]:
                    self._raise_what_ended_it()
                    await asyncio.sleep(0.05)

    def _raise_what_ended_it(self) -> None:
        if self._task is not None and self._task.done():
            self._task.result()

    async def _read(self) -> None:
        while True:
            for records in (await self._consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    change = orjson.loads(record.value)
                    latest = self.appended.get(change["to"], 0)
                    self.appended[change["to"]] = max(record.timestamp, latest)
                    self._take(record.key.decode(), change)

    def _take(self, customer: str, change: dict[str, Any]) -> None:
        taken = self.told.setdefault(customer, [])
        if not self.committed and taken and change["sequence"] <= taken[-1]["sequence"]:
            self.dropped += 1
        else:
            taken.append(change)
            self.reached[change["to"]] += 1
            if change["cause"] == "clock":
                self.latest_by_clock = max(self.latest_by_clock, change["at"])
