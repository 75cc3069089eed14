"""Own partitions: take them over when Faust assigns them, let them go when it revokes them.

Responsible for the order of a takeover (producer opened, changelog read, checks, lane, seek, work)
and of a release (no further calls, bounded wait, drop what is not committed). Must not do any of
these itself.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import structlog
from aiokafka.errors import IllegalStateError
from faust.types import TP

from schemas.errors import PartitionsChanged, ProducerFailed
from streams.delivery.producer import COMMIT_SHARE, PartitionProducer
from streams.effects import Durable, Effects, Target
from streams.lanes import Lane
from streams.partition import OwnedPartition, ack_positions
from streams.partitioner import REPARTITION
from streams.ports import Listener
from streams.start import InputLog, starting_positions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from streams.clock import Clock
    from streams.decode import Decoder
    from streams.delivery.scheduler import Chunk
    from streams.partition import Digests, Pace
    from streams.ports import Cache
    from streams.table import PartitionState
    from streams.wall import WallClock

_log: Final = structlog.get_logger(__name__)


class Plan(NamedTuple):
    """How partitions are worked.

    Attributes
    ----------
    app
        Name of the app: prefix of the transactional ids.
    partitions
        Partition count of the inputs.
    decoders
        Input topic → decoder, in rank order.
    changelog, changes, dead_letters
        Output topics.
    dead_partitions
        Partition count of the dead-letter topic.
    source
        CloudEvents source of the changes.
    clock, pace, digests
        See there.
    connection
        How producers connect.
    transaction_ms
        Transaction timeout.
    grace
        Milliseconds that producers and the network may take.
    """

    app: str
    partitions: int
    decoders: Mapping[str, Decoder]
    changelog: str
    changes: str
    dead_letters: str
    dead_partitions: int
    source: str
    clock: Clock
    pace: Pace
    digests: Digests
    connection: Mapping[str, object]
    transaction_ms: int = 60_000
    grace: int = 2_000


class Watcher(Listener, Protocol):
    """Who hears of partitions coming and going, too."""

    def taken(self, states: Mapping[int, PartitionState]) -> None:
        """Partitions are worked from now on."""

    def durable(self, partition: int, what: Durable, customers: int) -> None:
        """Effects were committed."""

    def released(self, kept: Sequence[int], dropped: Sequence[int]) -> None:
        """Partitions are not worked any more; of the dropped ones nothing is kept."""


class Ownership:
    """The partitions this worker owns.

    Parameters
    ----------
    app
        The Faust app (its consumer and its table are used).
    plan
        How partitions are worked.
    listener
        Hears of progress.
    cache
        Where profiles go.
    wall
        What time it is.
    """

    def __init__(
        self,
        app: Any,
        plan: Plan,
        listener: Watcher,
        cache: Cache,
        wall: WallClock,
    ) -> None:
        self._app = app
        self._plan = plan
        self._listener = listener
        self._cache = cache
        self._wall = wall
        self._round = 0
        self._opened = 0
        self._taken = 0
        self._producers: dict[int, PartitionProducer] = {}
        self.partitions: dict[int, OwnedPartition] = {}

    def accept(self, topic: str, chunk: Chunk) -> None:
        """Hand a chunk to its partition; one that is not owned (yet, any more) is dropped.

        Nothing is lost by that: a takeover seeks to the position record.
        """
        partition = self.partitions.get(chunk.partition)
        if partition is not None:
            partition.accept(topic, chunk)

    # ---- taking over

    async def open(self, numbers: Collection[int], generation: int) -> None:
        """Open the producers of the assigned partitions: from here on nobody else can commit.

        Raises
        ------
        ProducerFailed
            When the broker does not answer in time.
        """
        self._round += 1
        this_round = self._round
        await self._abandon(list(self._producers))
        if generation != self._app.consumer_generation_id:
            return
        plan = self._plan
        opening = {
            number: PartitionProducer(
                f"{plan.app}-{number}", plan.connection, self._wall, plan.transaction_ms
            )
            for number in numbers
        }
        self._producers = opening
        cached = await self._cache.applied()
        if this_round != self._round:
            return  # let go meanwhile: opened now, these producers would fence the next owner
        for number in numbers:
            self._app.ledger.state_of(number).cached_up_to(cached.get(number, -1))
        try:
            await asyncio.gather(*[producer.open() for producer in opening.values()])
        except ProducerFailed as error:
            if this_round == self._round:
                raise
            _log.info("let go while producers were opening", error=str(error))
            return
        self._opened = this_round

    async def take(self, numbers: Collection[int]) -> None:
        """Check, seek and start the recovered partitions.

        Raises
        ------
        DeliveryError
            When going on could lose or repeat something.
        """
        this_round = self._round
        topics = self.inputs
        tps = [TP(topic, number) for topic in topics for number in sorted(numbers)]
        if self._opened != this_round:
            return  # a recovery that ends although its partitions have been revoked meanwhile
        if not tps:
            self._taken = this_round
            return
        self.check_counts()
        try:
            logs = await self._logs(tps)
            own = [TP(self._plan.changelog, number) for number in numbers]
            changelogs = await self._app.consumer.log_range(own)
            if this_round != self._round:
                return  # revoked again meanwhile
            seeks: dict[TP, tuple[int, int]] = {}
            for number in sorted(numbers):
                changelog = TP(self._plan.changelog, number)
                where = f"{changelog.topic}, partition {number}"
                self._app.ledger.state_of(number).verify(where, *changelogs[changelog])
                seeks.update(self._prepare(number, {t: logs[TP(t, number)] for t in topics}))
            await self._app.consumer.seek_to(seeks)
        except IllegalStateError:
            if this_round == self._round:
                raise
            return
        if this_round == self._round:
            for number in sorted(numbers):
                self._start(number)
            self._taken = this_round
            self._listener.taken({n: self._app.ledger.state_of(n) for n in sorted(numbers)})

    def unready(self) -> str | None:
        """Say why what was assigned is not worked yet; None when it is."""
        if not self._round:
            return "not in the group yet"
        if self._taken != self._round:
            return "taking partitions over: their state is being read back"
        waiting = sum(each.waiting for each in self.partitions.values())
        return f"{waiting} customers are being brought under other rules" if waiting else None

    def restored(self) -> int:
        """Return how many changelog offsets have been read back of what is being taken over."""
        return sum(state.read or 0 for state in self._app.ledger.states.values())

    @property
    def inputs(self) -> list[str]:
        """The topics events are read from."""
        return list(self._plan.decoders)

    def check_counts(self) -> None:
        """Notice an input whose partition count was changed while the worker runs.

        Raises
        ------
        PartitionsChanged
            At once: keys already go to other partitions than their rows.
        """
        for topic in self._plan.decoders:
            count = self._app.consumer.topic_partitions(topic)
            if count is not None and count != self._plan.partitions:
                raise PartitionsChanged(
                    f"{topic}: expected {self._plan.partitions} partitions, now there are {count}; "
                    f"{REPARTITION}"
                )

    async def _logs(self, tps: Sequence[TP]) -> dict[TP, InputLog]:
        reader = self._app.consumer
        ranges = await reader.log_range(tps)
        committed = await asyncio.gather(*[reader.committed(tp) for tp in tps])
        ids = self._plan.digests.topic_ids
        return {
            tp: InputLog(ranges[tp][0], ranges[tp][1], ids.get(tp.topic, ""), offset)
            for tp, offset in zip(tps, committed, strict=True)
        }

    def _prepare(self, number: int, logs: Mapping[str, InputLog]) -> dict[TP, tuple[int, int]]:
        """Build a partition's lane and return the seeks it needs, each in an epoch of its own."""
        state = self._app.ledger.state_of(number)
        positions = starting_positions(number, state.record, state.engine.customers, logs)
        state.wind(f"partition {number}")
        self._cache.taken(number, state.engine, state.uncached())
        epochs = {topic: self._app.consumer.new_epoch() for topic in logs}
        plan = self._plan
        self.partitions[number] = OwnedPartition(
            number,
            state.engine,
            Lane(positions, epochs, grace=plan.grace),
            plan.clock,
            plan.decoders,
            self._app.consumer,
            plan.pace,
            plan.digests,
            self._listener,
            state.record,
            self._wall,
            state.changeover,
        )
        return {TP(t, number): (positions[t].offset, epochs[t]) for t in logs}

    def _start(self, number: int) -> None:
        plan, partition = self._plan, self.partitions[number]
        target = Target(
            number,
            plan.changelog,
            plan.changes,
            plan.dead_letters,
            number % plan.dead_partitions,
            plan.source,
        )

        def durable(what: Durable) -> None:
            state = self._app.ledger.state_of(number)
            state.record, state.offset = what.record, what.offset
            self._app.consumer.durable(ack_positions(what.record, number))
            self._cache.durable(number, what.profiles, what.offset, what.settled)
            self._listener.durable(number, what, state.engine.customers)
            partition.nudge()

        partition.start(
            Effects(
                partition.engine,
                self._producers[number],
                target,
                partition.describe,
                partial(self._cache.render, number),
                self._wall.worker,
                durable,
                self._app.ledger.state_of(number).inventory,
                self._app.ledger.state_of(number).beside,
                bound_s=plan.transaction_ms / 1000 * COMMIT_SHARE,
            )
        )

    # ---- letting go

    async def release(self, timeout: float) -> None:  # noqa: ASYNC109
        """Let all partitions go: wait bounded for their commits, drop what is not committed.

        A partition whose state is exactly what is committed keeps it: if it comes back to this
        process, recovery only reads on.
        """
        self._round += 1
        owned, self.partitions = self.partitions, {}
        kept: list[int] = []
        try:
            quiet = await asyncio.gather(*[p.quiesce(timeout) for p in owned.values()])
            kept = [number for number, settled in zip(owned, quiet, strict=True) if settled]
        finally:  # also when this is cancelled: rows that are not proven to be committed are gone
            for number in set(owned).difference(kept):
                self._app.ledger.drop(number)
        for number in owned:
            self._cache.released(number)
        if owned:
            self._listener.released(kept, sorted(set(owned).difference(kept)))
        await self._abandon(list(self._producers))

    async def _abandon(self, numbers: Sequence[int]) -> None:
        gone = [self._producers.pop(number) for number in numbers]
        await asyncio.gather(*[producer.abandon() for producer in gone])
