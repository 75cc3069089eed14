"""Run a webhook: fetch changes, have them delivered, commit what is done.

Responsible for the consumer group, the bound on what is held, the pauses, lag and health, and for
stopping. Must not know how a change is delivered, or in which order.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from schemas import changes
from schemas.errors import InputTruncated, Stalled
from streams.webhook.breaker import State
from streams.webhook.schedule import Item, Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streams.settings import Settings
    from streams.webhook.breaker import Breaker
    from streams.webhook.delivering import Delivering
    from streams.webhook.metrics import Metrics
    from streams.webhook.selection import Selection

_log: Final = structlog.get_logger(__name__)

HELD: Final = 1_000
"""Changes fetched and not done, at most; beyond it the partitions are paused."""
PAGE: Final = 200
COMMIT_S: Final = 1.0
LOOK_S: Final = 2.0
DRAIN_S: Final = 5.0
"""Seconds requests under way get to end when partitions go or the process stops."""
_POLL_MS: Final = 100
_ANSWER_S: Final = 10.0
_LEAVE_S: Final = 5.0

_Record = Any


class Source(NamedTuple):
    """What a webhook reads.

    Attributes
    ----------
    topic
        The changes, or the dead letters.
    until
        Partition → offset at which to stop; None: never.
    takes
        Whether a record is meant for this webhook.
    """

    topic: str
    until: Mapping[int, int] | None = None
    takes: Callable[[_Record], bool] = lambda _: True


class Service(ConsumerRebalanceListener):  # type: ignore[misc]
    """One member of a webhook's group.

    Parameters
    ----------
    settings
        Where Kafka is.
    group
        The consumer group.
    source
        Which topic is read.
    selection
        Which changes are sent.
    delivering, breaker
        Where they go.
    abreast
        How many customers' changes are under way at a time.
    metrics
        Counts.
    """

    def __init__(
        self,
        settings: Settings,
        group: str,
        source: Source,
        selection: Selection,
        delivering: Delivering,
        breaker: Breaker,
        abreast: int,
        metrics: Metrics,
    ) -> None:
        self._topic = source.topic
        self._until = source.until
        self._is_meant = source.takes
        self._group = group
        self._selection = selection
        self._delivering = delivering
        self._breaker = breaker
        self._metrics = metrics
        self._patience = settings.stall_timeout / 1000
        self._schedule = Schedule[_Record](abreast)
        self._tasks: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._committed: dict[int, int] = {}
        self._owned: set[int] = set()
        self._heard = time.monotonic()
        self._looked = self._tried_commit = 0.0
        self._look: asyncio.Task[None] | None = None
        self._assignment = 0  # counts those there were
        self._stopping = self._draining = False
        self._failure: Exception | None = None
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka,
            group_id=group,
            client_id=group,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="none",
            session_timeout_ms=max(settings.session_timeout, 10_000),
            rebalance_timeout_ms=60_000,
            **settings.kafka_security(),
        )

    def stop(self) -> None:
        """Stop soon; what is under way gets a few seconds."""
        self._stopping = True

    def ailing(self) -> str | None:
        """Say what is wrong; None when all is well."""
        silent = time.monotonic() - self._heard
        if silent > 3 * _ANSWER_S:
            return f"Kafka has not answered for {silent:.0f} s"
        return None

    def unready(self) -> str | None:
        """Say why nothing is delivered now: to start again would not help the endpoint."""
        if self._breaker.state is not State.CLOSED:
            return f"the endpoint fails: circuit breaker {self._breaker.state.value}"
        return self.ailing()

    async def run(self) -> None:
        """Deliver until told to stop.

        Raises
        ------
        InputTruncated
            When changes were deleted from the topic before they were delivered.
        Stalled
            When Kafka was away for longer than REWAKE_STALL_TIMEOUT.
        """
        await self._consumer.start()
        self._consumer.subscribe([self._topic], listener=self)
        try:
            while not self._stopping and not self._ended():
                await self._round()
        finally:
            await self._drain(list(self._tasks.values()))
            await self._commit()
            if self._look is not None:
                self._look.cancel()
            await self._bounded(self._consumer.stop())

    async def _round(self) -> None:
        self._pause()
        try:
            fetched = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=PAGE)
        except (OffsetOutOfRangeError, NoOffsetForPartitionError) as error:
            raise InputTruncated(
                f"expected {self._topic} to hold every change since the offset group "
                f"{self._group} has committed, it does not ({type(error).__name__}): changes were "
                "deleted unread, or the topic is another. Have the group's offsets reset with "
                "kafka-consumer-groups once you know what was missed, or choose another --name"
            ) from error
        except KafkaError as error:
            if not error.retriable:
                raise
            await asyncio.sleep(1)
            fetched = {}
        assignment = self._assignment
        for tp, records in fetched.items():
            if tp.partition in self._owned and assignment == self._assignment:
                await self._take(tp, records)
        self._start_what_may()
        await self._keep_up()

    # ---- what came

    async def _take(self, tp: TopicPartition, records: Iterable[_Record]) -> None:
        until = None if self._until is None else self._until.get(tp.partition, 0)
        for record in records:
            self._heard = time.monotonic()
            if until is not None and record.offset >= until:
                break
            if self._wanted(record):
                key = record.key or b""
                self._schedule.take(Item(tp.partition, record.offset, key, record))
            else:
                self._metrics.skipped.inc()
        assignment = self._assignment
        try:
            # Past the marks of transactions, too; nothing is fetched meanwhile.
            position = await self._consumer.position(tp)
        except IllegalStateError:
            return  # it was taken away
        # What was taken away, and came back, was given up: it is not behind us.
        if assignment == self._assignment:
            self._schedule.reach(tp.partition, position if until is None else min(position, until))

    def _ended(self) -> bool:
        """Say whether all that is to be read is done, and committed as such."""
        if self._until is None or not self._owned:
            return False
        return all(self._committed.get(p, 0) >= self._until.get(p, 0) for p in self._owned)

    def _wanted(self, record: _Record) -> bool:
        if not self._is_meant(record):
            return False
        try:
            return self._selection.takes(changes.decode(record.value))
        except (msgspec.MsgspecError, TypeError):
            return True  # it becomes a dead letter in its turn

    def _start_what_may(self) -> None:
        if not self._draining:
            for item in self._schedule.start():
                self._start(item)

    def _start(self, item: Item[_Record]) -> None:
        place = (item.partition, item.offset)
        task = self._tasks[place] = asyncio.create_task(self._deliver(item))

        def ended(task: asyncio.Task[None]) -> None:
            if self._tasks.get(place) is task:
                del self._tasks[place]

        task.add_done_callback(ended)

    async def _deliver(self, item: Item[_Record]) -> None:
        record = item.content
        try:
            try:
                change = changes.decode(record.value)
            except (msgspec.MsgspecError, TypeError):
                await self._delivering.bury_unreadable(record, "expected a change as JSON")
            else:
                await self._delivering.deliver(change.id, record)
        except Exception as error:  # noqa: BLE001 - whatever it is, the change is not done: stop
            self._failure = error
            return
        self._schedule.done(item.partition, item.offset)
        self._start_what_may()

    # ---- what has to be done now and then

    def _pause(self) -> None:
        assigned = self._consumer.assignment()
        paused = self._consumer.paused()
        full = len(self._schedule) >= HELD or self._breaker.state is not State.CLOSED
        if full and assigned - paused:
            self._consumer.pause(*(assigned - paused))
        elif not full and paused:
            self._consumer.resume(*paused)

    async def _keep_up(self) -> None:
        if self._failure is not None:
            raise self._failure
        now = time.monotonic()
        self._metrics.under_way.set(len(self._schedule))
        self._metrics.breaker.state(self._breaker.state.value)
        if now - self._tried_commit >= COMMIT_S:
            self._tried_commit = now
            await self._commit()
        if now - self._looked >= LOOK_S and (self._look is None or self._look.done()):
            self._looked = now
            self._look = asyncio.create_task(self._look_at_ends())
        if now - self._heard > self._patience:
            raise Stalled(
                f"expected Kafka to answer within {self._patience:.0f} s (REWAKE_STALL_TIMEOUT), "
                "it did not; nothing is lost: start again once the brokers are back"
            )

    async def _look_at_ends(self) -> None:
        """Hear from the broker, and see how far behind this member is."""
        tps = self._consumer.assignment()
        try:
            async with asyncio.timeout(_ANSWER_S):
                ends = await self._consumer.end_offsets(tps) if tps else {}
                if not tps:
                    await self._consumer.topics()
        except (TimeoutError, KafkaError):
            return
        self._heard = time.monotonic()
        for tp, end in ends.items():
            at = self._schedule.watermark(tp.partition)
            at = self._committed.get(tp.partition) if at is None else at
            if at is not None:
                lag = self._metrics.lag.labels(self._group, self._topic, str(tp.partition))
                lag.set(max(end - at, 0))

    async def _commit(self) -> None:
        marks = {p: self._schedule.watermark(p) for p in self._owned}
        ahead = {
            p: at for p, at in marks.items() if at is not None and at != self._committed.get(p)
        }
        if not ahead:
            return
        offsets = {TopicPartition(self._topic, p): at for p, at in ahead.items()}
        try:
            async with asyncio.timeout(_LEAVE_S):
                await self._consumer.commit(offsets)
        except (TimeoutError, KafkaError) as error:
            # Not committed is sent again after a restart, under the same id: never lost.
            _log.warning("offsets were not committed", error=type(error).__name__)
            return
        self._committed.update(ahead)

    # ---- partitions come and go

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Begin with partitions of ours."""
        self._owned = {tp.partition for tp in assigned}
        self._draining = self._stopping
        for partition in self._owned:
            tp = TopicPartition(self._topic, partition)
            self._committed.pop(partition, None)
            committed = await self._consumer.committed(tp)
            if committed is not None:
                self._committed[partition] = committed
        _log.info("partitions assigned", partitions=sorted(self._owned))

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Let partitions go: end what is under way, give back the rest, commit."""
        gone = {tp.partition for tp in revoked}
        await self._drain([task for (p, _), task in self._tasks.items() if p in gone])
        await self._commit()
        self._assignment += 1
        self._owned -= gone
        for partition in gone:
            self._schedule.release(partition)
            self._metrics.lag.clear()

    async def _drain(self, tasks: list[asyncio.Task[None]]) -> None:
        self._draining = True  # nothing new begins until partitions are assigned
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=DRAIN_S)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=DRAIN_S)
            _log.info("changes under way are given back", changes=len(late))

    async def _bounded(self, leaving: Any) -> None:
        # In a task: with the broker away aiokafka's own cancellations come out of its stop.
        task = asyncio.ensure_future(leaving)
        done, _ = await asyncio.wait([task], timeout=_LEAVE_S)
        if not done:
            task.cancel()
        if not done or task.cancelled() or task.exception() is not None:
            _log.warning("the group was not left in order", do="nothing: it notices by itself")
