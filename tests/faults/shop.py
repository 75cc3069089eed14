"""Run a shop on real workers: live, exact, whatever is killed meanwhile.

Responsible for the topics, the history and the live events, the workers and who restarts them, for
waiting, and for the last word, `Shop.assert_exact`. What customers do is made by
`tests.faults.trade`; what must come of it is said by `tests.faults.exactness`.

A fault test reads like this::

    async def test_a_worker_that_is_killed_loses_nothing(kafka: str, tmp_path: Path, full: bool):
        async with Shop(kafka, tmp_path, customers=400, rate=80) as shop:
            shop.start_real(REWAKE_INSTANCE="a")     # ordinary `rewake worker` processes
            await shop.at_work()                     # history applied, deadlines being fired
            async with shop.selling():               # events of now, on both topics
                await asyncio.sleep(3)
                shop.workers[-1].kill()              # the fault
                shop.start_real(REWAKE_INSTANCE="a")
                took = await shop.recovered()        # seconds until all was applied
            told = await shop.assert_exact()         # stops the workers, reads, compares
        note("a worker killed", tried=1, recovery_s=took, **told.figures)

What it proves: the changes (customer, system, from, to, at, cause, sequence) are the oracle's, each
once, gap-free, in order, read committed without any deduplication, by a consumer that was there all
the while; one that reads uncommitted and follows the recipe has the same; rows decoded from the
changelog equal those of an engine that was given the same facts at once; segments are the oracle's.

How it stays exact: history is appended before the first worker starts (`__aenter__`), and live
events carry ``ts`` = now and are appended at once. Nothing may be appended later than the grace
after its ``ts``: `assert_exact` says so when the machine was too slow. So while the broker is away
nothing may be stamped: ``async with shop.closed():`` around it. `append` adds records that are no
facts (poison, markers); `sell` adds facts of your own; `repeat` sends some again, as retries do.

Workers that must be restarted by somebody: ``shop.keep(2)`` has two of them restarted whenever they
end, until `assert_exact`; how they ended is in `ended`.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.settings import load_settings
from tests.faults.followers import Changelog, ChangesConsumer
from tests.faults.trade import Deed, Trade
from tests.faults.verdict import LEAST_BY_CLOCK, Outcome, verdict
from tests.streams.workbench import APP, INPUTS, PARTITIONS, Event, Workbench, Worker, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable


DEFAULT_RULES = Path(__file__).parents[2] / "rules" / "default.toml"
GRACE_MS = 5_000
FLUSH_S = 0.15
"""Seconds between two appends: sooner, nearly each event would be a transaction of its own."""
_CODE = re.compile(r"stopping +code=(\w+)")
_STARTED = re.compile(r"^started \d+$", re.MULTILINE)
_ENDED = re.compile(r"^ended (-?\d+)$", re.MULTILINE)


class Shop(Workbench):
    """Customers, their events, the workers that judge them.

    Parameters
    ----------
    kafka
        Bootstrap address; the topics of the catalogue are made anew.
    folder
        For the workers' logs.
    customers, rate, seed
        How many, how many events a second, and the seed of it all. Some ten events per customer are
        plenty: the oracle re-reads all of them at each judgement.
    span_s
        Seconds from now on over which the deadlines of the history are spread.
    partitions
        Partition count of the topics.
    rules
        A rules file; its text goes to the oracle, its path to the workers.
    env
        Further settings of all workers. REWAKE_GRACE is 5 s, as busy machines make events late.
    """

    def __init__(
        self,
        kafka: str,
        folder: Path,
        *,
        customers: int = 400,
        rate: float = 80,
        seed: int = 1,
        span_s: float = 40,
        partitions: int = PARTITIONS,
        rules: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        super().__init__(kafka, folder, partitions)
        self.env = {"REWAKE_GRACE": f"{GRACE_MS}ms", **(env or {})}
        if rules is not None:
            self.env["REWAKE_RULES"] = str(rules)
        self.rules = (rules or DEFAULT_RULES).read_text(encoding="utf-8")
        self.trade = Trade(customers, partitions, seed)
        self.deeds: list[Deed] = []
        self.changelog = Changelog(kafka, APP, partitions)
        self.consumers = [
            ChangesConsumer(kafka, partitions, committed=committed) for committed in (True, False)
        ]
        self.worst_delay_ms = 0
        self._rate, self._span_ms = rate, int(span_s * 1000)
        self._ts = 0
        self._open = asyncio.Event()
        self._idle = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None
        self._transactional_id: str | None = None

    async def __aenter__(self) -> Self:
        """Make the topics, append the history, and have the consumers follow."""
        await asyncio.to_thread(self.reset)
        self._ts = self.opened = _now()
        for consumer in self.consumers:
            await consumer.start()
        history = self.trade.history(self._ts + 8_000, self._span_ms)
        await self.sell(history, late=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave nothing running and no topic."""
        for consumer in self.consumers:
            await consumer.stop()
        await self._close_producer()
        await asyncio.to_thread(self.close)

    # ---- events

    async def sell(self, deeds: Iterable[Deed], *, late: bool = False) -> None:
        """Append facts at once, in their order; ``late`` ones may be older than the grace."""
        deeds = list(deeds)
        piles: dict[tuple[str, int], list[Event]] = {}
        first: dict[tuple[str, int], int] = {}
        for fact, event in deeds:
            piles.setdefault(event[:2], []).append(event)
            first.setdefault(event[:2], fact.ts)
        self.deeds += deeds
        stamps = await self.write(piles)
        if not late:
            delays = [stamp - first[where] for where, stamp in stamps.items()]
            self.worst_delay_ms = max(self.worst_delay_ms, *delays)

    async def write(self, piles: dict[tuple[str, int], list[Event]]) -> dict[tuple[str, int], int]:
        """Append one batch to each topic-partition; return when the broker did so."""
        stamps = await asyncio.gather(*[self._append(*at, pile) for at, pile in piles.items()])
        return dict(zip(piles, stamps, strict=True))

    async def repeat(self, deeds: Iterable[Deed]) -> None:
        """Send events once more, as a producer's retry does; an id among the last 8 counts once."""
        await self.sell(deeds, late=True)

    async def append(self, events: Iterable[Event]) -> None:
        """Append records that are no facts."""
        for event in events:
            await self._append(event.topic, event.partition, [event])

    async def producer(self) -> AIOKafkaProducer:
        """Give the producer of all events; a new one after the broker was away."""
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                bootstrap_servers=self.kafka, enable_idempotence=True, max_batch_size=1 << 19,
                transactional_id=self._transactional_id,
            )  # fmt: skip
            await self._producer.start()
        return self._producer

    async def _append(self, topic: str, partition: int, pile: list[Event]) -> int:
        """Append one batch and return when the broker did so."""
        producer = await self.producer()
        batch = producer.create_batch()
        for event in pile:
            taken = batch.append(timestamp=None, key=event.key, value=event.value)
            assert taken is not None, "history has to fit into one batch of each partition"
        batch.close()
        sent = await (await producer.send_batch(batch, topic, partition=partition))
        return int(sent.timestamp)

    async def _close_producer(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    @asynccontextmanager
    async def selling(self) -> AsyncIterator[None]:
        """Let the customers of now do something all the while."""
        self._open.set()
        task = asyncio.create_task(self._sell())
        try:
            yield
        finally:
            self._open.clear()
            idle = asyncio.create_task(self._idle.wait())
            await asyncio.wait([idle, task], return_when=asyncio.FIRST_COMPLETED)
            idle.cancel()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """Stamp no event meanwhile: for the time the broker is away."""
        was_open = self._open.is_set()
        self._open.clear()
        if was_open:
            await self._idle.wait()
        await self._close_producer()
        try:
            yield
        finally:
            if was_open:
                self._open.set()

    async def _sell(self) -> None:
        started, sold = time.monotonic(), 0
        while True:
            if not self._open.is_set():
                self._idle.set()
                await self._open.wait()
                started, sold = time.monotonic(), 0
            self._idle.clear()
            due = int((time.monotonic() - started) * self._rate) - sold
            if due:
                await self.producer()  # its start after the broker was away may take seconds
                sold += due
                self._ts = max(self._ts, _now())
                await self.sell([self.trade.next_deed(self._ts) for _ in range(due)])
            await asyncio.sleep(FLUSH_S)

    # ---- workers

    def keep(self, count: int, fault: str = "", *, named: bool = True, **env: str) -> None:
        """Keep so many workers running: one that ends is started again, as a supervisor would.

        Each is a process of `tests.faults.faulty_worker`, whose workers start within a second or
        two, with a fault built into them if one is named.

        Parameters
        ----------
        named
            Whether each has a name of its own (static membership): the group takes it back without
            waiting for the session of its predecessor to end.
        """
        command = [sys.executable, "-m", "tests.faults.faulty_worker"]
        for _ in range(count):
            name = {"REWAKE_INSTANCE": f"w{len(self.workers)}"} if named else {}
            self.run(command, FAULT=fault, **(name | env))

    @property
    def ended(self) -> list[tuple[int, str]]:
        """How kept workers have ended: exit code (below 0: the signal) and named error."""
        found = []
        for number in range(len(self.workers)):
            for life in _STARTED.split(self.log(number))[1:]:
                if (end := _ENDED.search(life)) is not None:
                    code = _CODE.search(life)
                    found.append((int(end.group(1)), code.group(1) if code else ""))
        return found

    def working(self, number: int) -> psutil.Process | None:
        """Give the worker that a kept process runs just now, if any."""
        with suppress(psutil.NoSuchProcess):
            return next(iter(psutil.Process(self.workers[number].pid).children()), None)
        return None

    @property
    def alive(self) -> list[Worker]:
        """The workers that run."""
        return [worker for worker in self.workers if worker.poll() is None]

    async def stop(self, within: float = 40) -> None:
        """Tell all workers to stop and wait until they have."""
        for worker in self.alive:
            worker.terminate()
        for worker in self.workers:
            await self.ends(worker, within)

    # ---- waiting

    async def at_work(self, within: float = 180) -> None:
        """Wait until the history has been applied; the first worker compiles the rules before."""
        await self._until("the history applied", self.caught_up, within)

    @property
    def applied(self) -> int:
        """How many records of the inputs were applied when somebody last looked."""
        records = [record for record in self.changelog.records if record is not None]
        return sum(at.offset for record in records for at in record.inputs.values())

    async def recovered(self, within: float = 60) -> float:
        """Wait until what is in the inputs now has been applied; return how long it took."""
        began, ends = time.monotonic(), await self._input_ends()

        async def reached() -> bool:
            await self.changelog.read_on()
            return self._reached(ends)

        await self._until("all applied again", reached, within)
        return time.monotonic() - began

    async def caught_up(self) -> bool:
        """Say whether the committed positions are at the ends of the inputs."""
        ends = await self._input_ends()
        await self.changelog.read_on()
        return self._reached(ends)

    def _reached(self, ends: dict[TopicPartition, int]) -> bool:
        for tp, end in ends.items():
            record = self.changelog.records[tp.partition]
            at = None if record is None else record.inputs.get(tp.topic)
            if end and (at is None or at.offset < end):
                return False
        return True

    async def _input_ends(self) -> dict[TopicPartition, int]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka, isolation_level="read_committed"
        )  # fmt: skip
        await consumer.start()
        try:
            tps = [TopicPartition(name, p) for name in INPUTS for p in range(self.partitions)]
            consumer.assign(tps)
            return dict(await consumer.end_offsets(tps))
        finally:
            await consumer.stop()

    async def fired(self, due: int, within: float = 60) -> None:
        """Wait until every deadline before an instant has been fired, and that is committed."""

        async def passed() -> bool:
            await self.changelog.read_on()
            records = self.changelog.records
            return all(record is not None and record.clock >= due for record in records)

        await self._until(f"deadlines before {due} fired", passed, within)

    async def _until(
        self, what: str, condition: Callable[[], Awaitable[bool]], within: float
    ) -> None:
        """Wait until something holds; if it never does, say where the workers stand instead."""
        try:
            await until(condition, within, 0.25)
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}; {self._where()}") from error

    def _where(self) -> str:
        """Tell what was applied and what each worker has said last."""
        applied = [
            None
            if record is None
            else (record.clock, {t: at.offset for t, at in record.inputs.items()})
            for record in self.changelog.records
        ]
        logs = [self.log(number).splitlines()[-12:] for number in range(len(self.workers))]
        return "\n".join(
            [f"applied {applied}", *["worker:\n  " + "\n  ".join(log) for log in logs]]
        )

    # ---- the last word

    async def assert_exact(self, within: float = 90) -> Outcome:
        """Wait until all is applied, stop the workers, and compare everything with the oracle."""
        assert self.worst_delay_ms < self.grace_ms, (
            f"an event was appended {self.worst_delay_ms} ms after its ts: the machine was too "
            "slow for this test to prove anything; raise REWAKE_GRACE"
        )
        await self._until("all applied in the end", self.caught_up, within)
        dues = sorted(self.trade.dues.values())
        await self.fired(dues[: LEAST_BY_CLOCK + 2][-1], within)  # a quick machine waits for it
        # Who reads uncommitted has also heard what a worker fired and died of; it is true once
        # another worker has fired it, and that may not have come so far yet.
        for consumer in self.consumers:
            await consumer.read_to_the_end()
        await self.fired(max(each.latest_by_clock for each in self.consumers) + 1, within)
        await self.stop()
        await self.changelog.read_on()
        for consumer in self.consumers:
            await consumer.read_to_the_end()
        return await asyncio.to_thread(verdict, self)

    @cached_property
    def grace_ms(self) -> int:
        """The grace its workers wait before time passes."""
        return load_settings(None, grace=self.env["REWAKE_GRACE"]).grace


def _now() -> int:
    return time.time_ns() // 1_000_000
