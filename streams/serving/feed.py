"""Follow the changes topic for the lookups service.

Responsible for reading it committed from a bounded distance before its end, for handing each change
to whoever holds it, and for saying how far it has got and whether the broker answers. Must not know
HTTP, and must not end whatever Kafka does.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from schemas import changes, topics
from schemas.errors import RewakeError
from streams.serving.ring import HELD, Entry, Ring

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiokafka import TopicPartition

    from schemas.changes import Change
    from streams.serving.metrics import ServeMetrics
    from streams.settings import Settings

_log: Final = structlog.get_logger(__name__)

BACK: Final = 1_000_000
"""Changes read back at a start, over all partitions."""
AWAY_S: Final = 10.0
"""Seconds without an answer of the broker after which it is said to be away."""
_AGAIN_S: Final = 2.0
_CHUNK: Final = 500
"""Changes taken at a time: lookups come in between."""


class Feed:
    """The changes topic, followed.

    Parameters
    ----------
    settings
        Which cluster, which topic.
    ring
        Gets every change.
    take
        Called with every change and its partition, in the order of each partition.
    begin
        Called when following begins anew, with the partitions whose past is not read.
    metrics
        Told of progress.
    """

    def __init__(
        self,
        settings: Settings,
        ring: Ring,
        take: Callable[[Change, int], None],
        begin: Callable[[frozenset[int]], None],
        metrics: ServeMetrics,
    ) -> None:
        self._settings = settings
        self._topic = settings.topic(topics.CHANGES)
        self.ring = ring
        self._take = take
        self._begin = begin
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self._heard = 0.0
        self._ends: dict[int, int] = {}
        self._places: dict[int, int] = {}
        self._back: dict[int, deque[Entry]] = {}
        self.caught_up = False
        """Everything that was there when following began has been read."""
        self.streams = 0
        """Open streams of those that wait here."""
        self.stopping = False
        self.trouble = "the changes topic has not been reached yet"
        """Why it is not followed."""

    @property
    def up(self) -> bool:
        """Whether the topic is being followed."""
        return bool(self._heard) and time.monotonic() - self._heard < AWAY_S

    @property
    def why(self) -> str:
        """Why changes are not followed at present."""
        if self.trouble:
            return self.trouble
        return "those of before are being read" if self.up else "the broker does not answer"

    def start(self) -> None:
        """Begin to follow."""
        self._task = asyncio.create_task(self._run())

    def stop_streams(self) -> None:
        """Let whoever waits know that the service stops."""
        self.stopping = True
        self.wake()

    async def stop(self) -> None:
        """Follow no more."""
        self.stop_streams()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def wait(self, number: int, seconds: float) -> None:
        """Wait until a change of this number is there, the service stops, or time is over."""
        if self.ring.end > number or self.stopping:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._arrived.wait()

    def wake(self) -> None:
        """Let whoever waits know that changes have come."""
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    # ---- following

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except (KafkaError, RewakeError, OSError) as error:
                self._note(f"{type(error).__name__}: {error}")
            except Exception as error:  # noqa: BLE001 - lookups go on whatever it is
                _log.exception("changes cannot be followed")
                self._note(repr(error))
            self._heard = 0.0
            self._metrics.feed_up.set(0)
            await asyncio.sleep(_AGAIN_S)

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            _log.warning("changes are not followed", error=trouble, do="is Kafka up?")
        self.trouble = trouble

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            self._topic,
            bootstrap_servers=self._settings.kafka,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            client_id=f"{self._settings.app}-serve",
            **self._settings.kafka_security(),
        )
        try:
            await consumer.start()
            tps = sorted(consumer.assignment())
            if not tps:
                raise RewakeError(
                    f"expected the topic {self._topic}, the cluster has none; run `rewake topics "
                    "create`"
                )
            await self._place(consumer, tps)
            self.trouble = ""
            while True:
                found = await consumer.getmany(timeout_ms=500, max_records=_CHUNK)
                for tp, records in found.items():
                    self._read(tp.partition, records)
                if found:
                    self.wake()
                await self._report(consumer, tps)
                await asyncio.sleep(0)
        finally:
            await consumer.stop()

    async def _place(self, consumer: Any, tps: Sequence[TopicPartition]) -> None:
        """Go to where following was left, or to a bounded distance before the end."""
        begins = await consumer.beginning_offsets(tps)
        ends = await consumer.end_offsets(tps)
        self._ends = {tp.partition: ends[tp] for tp in tps}
        known = self._places
        if (
            self.caught_up
            and set(known) == {tp.partition for tp in tps}
            and all(begins[tp] <= known[tp.partition] <= ends[tp] for tp in tps)
        ):
            for tp in tps:
                consumer.seek(tp, known[tp.partition])
            return
        back = BACK // len(tps)
        starts = {tp.partition: max(begins[tp], ends[tp] - back) for tp in tps}
        self.caught_up = False
        self.ring.begin(starts)
        self._places = dict(starts)
        self._back = {number: deque(maxlen=HELD // len(tps) + 1) for number in starts}
        self._begin(frozenset(number for number, start in starts.items() if start))
        for tp in tps:
            consumer.seek(tp, starts[tp.partition])

    def _read(self, partition: int, records: Sequence[Any]) -> None:
        for record in records:
            try:
                change = changes.decode(record.value)
            except (ValueError, TypeError) as error:
                # Only a foreign writer can have put it there: say where, pass it.
                _log.error(
                    "not a change", partition=partition, offset=record.offset, error=str(error)
                )
                continue
            self._take(change, partition)
            entry = Entry(
                partition, record.offset, change.at, record.value,
                change.system, change.cause, change.to,
            )  # fmt: skip
            self._places[partition] = record.offset + 1
            (self.ring.append if self.caught_up else self._back[partition].append)(entry)
        self._metrics.feed_changes.inc(len(records))

    async def _report(self, consumer: Any, tps: Sequence[TopicPartition]) -> None:
        polled, behind = [], False
        for tp in tps:
            stamp, last = consumer.last_poll_timestamp(tp), consumer.last_stable_offset(tp)
            polled.append(stamp or 0)
            # Markers of transactions take offsets, too: behind the last change there may be some.
            place = max(self._places[tp.partition], await consumer.position(tp))
            self._places[tp.partition] = place
            behind = behind or place < self._ends[tp.partition]
            self._metrics.feed_offset.labels(str(tp.partition)).set(place)
            if last is not None:
                self._metrics.feed_lag.labels(str(tp.partition)).set(max(0, last - place))
        if min(polled) > 0:
            self._heard = max(self._heard, time.monotonic() - (time.time() - min(polled) / 1000))
        if not behind and not self.caught_up:
            self.ring.fill(self._back, self._places)
            self._back = {}
            self.caught_up = True
            self.wake()
            _log.info("changes are followed", held=self.ring.end - self.ring.first)
        self._metrics.feed_up.set(self.up)
