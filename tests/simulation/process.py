"""Be one worker process in a simulated world: the real lanes, table, effects and ownership.

Responsible for what Faust and aiokafka do around them: fetching, handing chunks over, recovery, the
group's calls. Must not know what is checked.
"""

from __future__ import annotations

import asyncio
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiokafka.errors import IllegalStateError
from faust.types import TP

from schemas.money import Currencies
from streams.clock import LiveClock
from streams.decode import Decoder
from streams.delivery.fetch import Fetched
from streams.delivery.scheduler import chunks
from streams.ownership import Ownership, Plan
from streams.partition import Digests, Pace
from streams.table import LedgerTable
from streams.topic_lane import Answer
from streams.wall import WallClock
from tests.simulation.network import NET_S, Network

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from streams.delivery.scheduler import Chunk
    from tests.simulation.broker import Broker
    from tests.simulation.world import World

INPUTS = {"commerce.purchases.v1": "purchase", "commerce.engagements.v1": "engagement"}
CHANGELOG, CHANGES, LETTERS = "changelog", "changes", "letters"
PARTITIONS = 2
GRACE_MS = 2_000
PAGE, CHUNK = 6, 4
POLL_S = 0.4
RELEASE_S = 3.0


class Consumer:
    """What fetches, and what ownership and partitions ask of it."""

    def __init__(self, process: Process) -> None:
        self._process, self._broker = process, process.broker
        self._ask = process.network.insist
        self.assigned: set[TP] = set()
        self.flowing = False
        self.at: dict[TP, int] = {}
        self.epochs: dict[TP, int] = {}
        self.idle: dict[TP, Answer] = {}
        self.held: set[TP] = set()
        self._durable: dict[TP, int] = {}
        self._epoch = self._number = 0

    # ---- asked by ownership and partitions

    def topic_partitions(self, topic: str) -> int | None:
        del topic
        return PARTITIONS

    def new_epoch(self) -> int:
        self._epoch += 1
        return self._epoch

    def epoch(self, tp: TP) -> int:
        return self.epochs.get(tp, 0)

    def idle_answer(self, tp: TP) -> Answer | None:
        return self.idle.get(tp)

    def hold(self, tp: TP) -> None:
        self.held.add(tp)

    def release(self, tp: TP) -> None:
        self.held.discard(tp)

    async def log_range(self, tps: Collection[TP]) -> dict[TP, tuple[int, int]]:
        broker = self._broker
        found: dict[TP, tuple[int, int]] = await self._ask(
            lambda: {tp: (0, broker.stable(tp)) for tp in tps}
        )
        return found

    async def committed(self, tp: TP) -> int | None:
        offset: int | None = await self._ask(lambda: self._broker.group.get(tp))
        return offset

    async def seek_to(self, wanted: Mapping[TP, tuple[int, int]]) -> None:
        await asyncio.sleep(self._process.world.chance.random() * NET_S)
        if not set(wanted) <= self.assigned:
            raise IllegalStateError("not assigned")
        for tp, (offset, epoch) in wanted.items():
            self.at[tp], self.epochs[tp] = offset, epoch
            self.idle.pop(tp, None)

    def durable(self, positions: Mapping[TP, int]) -> None:
        self._durable.update(positions)

    # ---- the group

    def assign(self, numbers: Collection[int]) -> None:
        self.assigned = {TP(topic, number) for topic in INPUTS for number in numbers}
        self.invalidate()

    def invalidate(self) -> None:
        self.held.clear()
        self._durable.clear()
        self.idle.clear()
        for tp in self.assigned:
            self.epochs[tp] = self.new_epoch()

    # ---- at work

    async def commit(self) -> None:
        """Let the group's offsets follow, as the worker does once a second."""
        while True:
            await asyncio.sleep(1)
            positions = dict(self._durable)
            if positions:
                await self._ask(lambda p=positions: self._broker.group.update(p))

    async def fetch(self, tp: TP) -> None:
        """Fetch one topic-partition for ever."""
        process, world = self._process, self._process.world
        while True:
            if tp not in self.assigned or tp not in self.at or not self.flowing or tp in self.held:
                await asyncio.sleep(POLL_S)
                continue
            begin, epoch, sent = self.at[tp], self.epochs[tp], process.wall.broker()
            self._number += 1
            number, most = self._number, world.chance.randrange(1, PAGE)
            page = await self._ask(
                lambda tp=tp, begin=begin, most=most: self._broker.fetch(tp, begin, most)
            )
            if self.epochs[tp] != epoch or tp not in self.assigned:
                continue
            at_end = page.end == page.stable == page.high
            answer = Answer(sent, page.end, at_end, epoch, number)
            if page.end == begin:
                self.idle[tp] = answer
                await asyncio.sleep(POLL_S)
                continue
            self.at[tp] = page.end
            fetched = Fetched(tp, page.records, begin, page.end, answer)
            for chunk in chunks(fetched, CHUNK):
                await process.queue.put(chunk)


class Table(LedgerTable):
    """The ledger table without Faust below it."""

    changelog_topic_name = CHANGELOG  # type: ignore[assignment]

    def __init__(self, app: Any, new_engine: Callable[[], Any]) -> None:
        self.app = app
        self.states = {}
        self._new_engine = new_engine
        self._begun = 0.0


class Process:
    """One worker.

    Parameters
    ----------
    world, broker
        Where it runs.
    cache, listener
        Fakes that check.
    new_engine
        Makes the empty engine of a partition.
    name
        For messages.
    lost
        Says whether the next answer of the broker is lost.
    failed
        Hears of a fatal error.
    """

    def __init__(
        self,
        world: World,
        broker: Broker,
        cache: Any,
        listener: Any,
        new_engine: Callable[[], Any],
        name: str,
        lost: Callable[[], bool],
        failed: Callable[[Process, Exception], None],
    ) -> None:
        self.world, self.broker, self.name = world, broker, name
        self.skew_ms = 0
        self.skipping = 0
        self.doubling = 0
        self._failed = failed
        self.numbers: set[int] = set()
        self.loop = world.new_loop()
        self.network = Network(world, lost)
        self.wall = WallClock(
            lambda: (broker.clock() + self.skew_ms) * 1_000_000, lambda: int(world.now * 1e9)
        )
        self.queue: asyncio.Queue[Chunk] = asyncio.Queue(4)
        self.consumer = Consumer(self)
        self.generation = 0
        recovery = SimpleNamespace(revoke=lambda _: None)
        self.app = SimpleNamespace(
            consumer=self.consumer,
            consumer_generation_id=0,
            failure=None,
            fail=self.fail,
            tables=SimpleNamespace(recovery=recovery),
            assignor=SimpleNamespace(
                assigned_actives=lambda: {TP(CHANGELOG, number) for number in self.numbers}
            ),
        )
        self.table = self.app.ledger = Table(self.app, new_engine)
        self.app.ownership = self.ownership = Ownership(
            self.app, _plan(self), listener(self), cache(self), self.wall
        )
        for work in (self._deliver(), self.consumer.commit(), *self._fetches()):
            self.loop.create_task(work)
        self._following: asyncio.Task[None] | None = None

    def _fetches(self) -> list[Any]:
        tps = [TP(topic, number) for topic in INPUTS for number in range(PARTITIONS)]
        return [self.consumer.fetch(tp) for tp in tps]

    def fail(self, error: Exception) -> None:
        """Stop loudly, once: the process is gone with it."""
        if self.app.failure is None:
            self.app.failure = error
            self._failed(self, error)

    # ---- the agent

    async def _deliver(self) -> None:
        while True:
            chunk = await self.queue.get()
            if self.skipping:
                self.skipping -= 1
                continue
            copies = 2 if self.doubling else 1
            self.doubling = max(0, self.doubling - 1)
            for _ in range(copies):
                try:
                    self.ownership.accept(chunk.topic, chunk)
                except Exception as error:  # noqa: BLE001 - as the agent does
                    self.fail(error)
            await asyncio.sleep(self.world.chance.random() * 0.01)

    # ---- the group's calls

    def revoke(self, joined: Callable[[], None]) -> None:
        """Let everything go, then join the group again."""
        self._follow(partial(self._revoke, joined))

    def assign(self, numbers: Collection[int], generation: int) -> None:
        """Take these partitions over."""
        self._follow(partial(self._take_over, set(numbers), generation))

    def _follow(self, work: Callable[[], Awaitable[None]]) -> None:
        if self._following is not None:
            self._following.cancel()
        self._following = self.loop.create_task(self._guarded(work))

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - as Faust's crash
            self.fail(error)

    async def _revoke(self, joined: Callable[[], None]) -> None:
        self.consumer.flowing = False
        self.consumer.invalidate()
        await self.ownership.release(RELEASE_S)
        joined()

    async def _take_over(self, numbers: set[int], generation: int) -> None:
        self.generation = self.app.consumer_generation_id = generation
        self.numbers = numbers
        self.consumer.assign(numbers)
        await self.table.on_rebalance(set(), set(), set(), generation)
        for number in sorted(numbers):
            await self._recover(number)
        await self.table.on_recovery_completed({TP(CHANGELOG, n) for n in numbers}, set())
        self.consumer.flowing = True

    async def _recover(self, number: int) -> None:
        """Read the changelog to the end it has now."""
        tp, at = TP(CHANGELOG, number), self.table.persisted_offset(TP(CHANGELOG, number)) or 0
        broker, consumer = self.broker, self.consumer
        epoch = consumer.epochs[tp] = consumer.new_epoch()
        end = await self.network.insist(lambda: broker.stable(tp))
        while at < end:
            page = await self.network.insist(lambda at=at: broker.fetch(tp, at, 7))
            at_end = page.end == page.stable == page.high
            answer = Answer(0, page.end, at_end, epoch, 0)
            for chunk in chunks(Fetched(tp, page.records, at, page.end, answer), 4):
                event = SimpleNamespace(
                    message=SimpleNamespace(partition=number, topic=CHANGELOG, tp=tp), value=chunk
                )
                self.table.apply_changelog_batch([event])  # type: ignore[list-item]
            at = page.end


def _plan(process: Process) -> Plan:
    currencies = Currencies("GBP")
    return Plan(
        app="shop",
        partitions=PARTITIONS,
        decoders={
            topic: Decoder(family, PARTITIONS, currencies, ()) for topic, family in INPUTS.items()
        },
        changelog=CHANGELOG,
        changes=CHANGES,
        dead_letters=LETTERS,
        dead_partitions=PARTITIONS,
        source="/shop",
        clock=LiveClock(GRACE_MS, 300_000),
        pace=Pace(batch_events=5, tick_s=0.5, tick_limit=3),
        digests=Digests("r", "l", {}),
        connection={"broker": process.broker, "network": process.network},
        grace=GRACE_MS,
    )
