"""Drive real workers on a real Kafka: make topics, load events, start, kill, read back.

Every read is read-committed; what a test compares is only what others can see.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from kafka import KafkaAdminClient

from schemas import topics
from streams.partitioner import partitions_of
from streams.settings import load_settings
from streams.topics_admin import create, plan
from tests.forked import Forked
from tests.streams.counting import EVERY, ROW

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
APP = "counting"
INPUTS = (topics.PURCHASES, topics.ENGAGEMENTS)
FIRST_TS = 1_700_000_000_000
PATIENCE_S = 150.0
_AS_THEY_ARE = {"tests.faults.jumping_worker"}
"""Modules that do something before anything of a worker is imported."""


class Event(NamedTuple):
    """One event to be loaded."""

    topic: str
    partition: int
    key: bytes
    value: bytes


def events(count: int, customers: int = 2_000, seed: int = 1, first: int = 0) -> Iterator[Event]:
    """Make events of both topics, one every 10 ms of their time."""
    chance = random.Random(seed)
    homes = partitions_of([b"c-%d" % n for n in range(customers)], PARTITIONS).tolist()
    for index in range(first, first + count):
        customer = chance.randrange(customers)
        key = b"c-%d" % customer
        ts = FIRST_TS + index * 10
        if chance.random() < 0.2:
            value = (
                b'{"event_id":"p-%d-%d","customer_id":"%s","ts":%d,"type":"order",'
                b'"order_id":"o-%d","amount":"12.50","currency":"GBP"}'
            ) % (seed, index, key, ts, index)
            yield Event(topics.PURCHASES, homes[customer], key, value)
        else:
            value = b'{"event_id":"e-%d-%d","customer_id":"%s","ts":%d,"kind":"visit"}' % (
                seed, index, key, ts,
            )  # fmt: skip
            yield Event(topics.ENGAGEMENTS, homes[customer], key, value)


class Seen(NamedTuple):
    """What others see of the workers' effects."""

    counts: dict[str, int]
    chains: dict[str, bytes]
    sequences: dict[str, list[int]]
    letters: list[dict[str, str]]


class Worker(Protocol):
    """A worker's process: one of `subprocess`, or a fork of one that had imported it."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: signal.Signals, /) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Workbench:
    """Topics, workers and what came of them."""

    def __init__(self, kafka: str, folder: Path, partitions: int = PARTITIONS) -> None:
        self.kafka = kafka
        self.folder = folder
        self.partitions = partitions
        self.loaded: dict[str, int] = {}
        self.workers: list[Worker] = []
        self.env: dict[str, str] = {}

    # ---- topics

    @contextmanager
    def admin(self) -> Iterator[KafkaAdminClient]:
        """Give an admin client for as long as it is needed: kept, it would outlive brokers."""
        client = KafkaAdminClient(bootstrap_servers=self.kafka)
        try:
            yield client
        finally:
            client.close()

    def reset(self) -> None:
        """Begin with empty topics and no group."""
        self.remove()
        settings = load_settings(None, kafka=self.kafka, app=APP, partitions=self.partitions)
        names = {*INPUTS, topics.CHANGES, topics.DEAD_LETTERS, topics.changelog(APP)}
        with self.admin() as admin:
            create(admin, [each for each in plan(settings) if each.topic.name in names])

    def remove(self) -> None:
        """Delete what `reset` made."""
        names = [*INPUTS, topics.CHANGES, topics.DEAD_LETTERS, topics.changelog(APP)]
        with self.admin() as admin:
            there = [name for name in names if name in admin.list_topics()]
            if there:
                admin.delete_topics(there)
            deadline = time.monotonic() + PATIENCE_S
            while set(names) & set(admin.list_topics()):
                assert time.monotonic() < deadline, "topics were not deleted"
                time.sleep(0.1)
            if any(group["group_id"] == APP for group in admin.list_groups()):
                admin.delete_groups([APP])

    # ---- loading

    async def load(self, stream: Iterable[Event], per_second: float = 0, every: int = 500) -> None:
        """Load events in order, batched by topic-partition, at a rate if one is given."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, max_batch_size=1 << 20)
        await producer.start()
        started, count = time.monotonic(), 0
        try:
            builders: dict[tuple[str, int], list[Event]] = {}
            for event in stream:
                builders.setdefault(event[:2], []).append(event)
                customer = event.key.decode()
                self.loaded[customer] = self.loaded.get(customer, 0) + 1
                count += 1
                if count % every == 0 and per_second:
                    await self._flush(producer, builders)
                    ahead = started + count / per_second - time.monotonic()
                    await asyncio.sleep(max(ahead, 0))
            await self._flush(producer, builders)
        finally:
            await producer.stop()

    async def _flush(
        self, producer: AIOKafkaProducer, builders: dict[tuple[str, int], list[Event]]
    ) -> None:
        async def one(topic: str, partition: int, batch: list[Event]) -> None:
            builder = producer.create_batch()
            for event in batch:
                if builder.append(timestamp=None, key=event.key, value=event.value) is None:
                    await (await producer.send_batch(builder, topic, partition=partition))
                    builder = producer.create_batch()
                    builder.append(timestamp=None, key=event.key, value=event.value)
            await (await producer.send_batch(builder, topic, partition=partition))

        await asyncio.gather(*[one(*where, batch) for where, batch in builders.items()])
        builders.clear()

    # ---- workers

    def start(self, fault: str = "", **env: str) -> Worker:
        """Start a counting worker, with a fault of `counting_worker` if one is named."""
        return self.run([sys.executable, "-m", "tests.streams.counting_worker"], FAULT=fault, **env)

    def start_real(self, **env: str) -> Worker:
        """Start ``rewake worker``."""
        command = "import sys; from streams.cli import main; sys.exit(main(['worker']))"
        return self.run([sys.executable, "-c", command], **env)

    def run(self, command: list[str], **env: str) -> Worker:
        """Start a worker by its command line."""
        number = len(self.workers)
        settings = {
            "REWAKE_KAFKA": self.kafka,
            "REWAKE_REDIS": "",
            "REWAKE_APP": APP,
            "REWAKE_METRICS": "127.0.0.1:0",
            **self.env,
            **env,
        }
        whole = {**os.environ, **settings}
        log = self.folder / f"worker-{number}.log"
        worker: Worker
        if command[-1] in _AS_THEY_ARE:
            with log.open("wb") as file:
                worker = subprocess.Popen(
                    command, cwd=ROOT, env=whole, stdout=file, stderr=subprocess.STDOUT
                )
        else:
            worker = Forked(command, ROOT, whole, log)
        self.workers.append(worker)
        return worker

    def log(self, number: int = -1) -> str:
        """Return what a worker has logged."""
        number %= len(self.workers)
        return (self.folder / f"worker-{number}.log").read_text(errors="replace")

    def close(self) -> None:
        """Leave no worker, no topic and no connection behind."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.kill()
            worker.wait(10)
        self.remove()

    async def ends(self, worker: Worker, within: float = PATIENCE_S) -> int:
        """Wait for a worker to end; return its exit code."""
        return await asyncio.wait_for(asyncio.to_thread(worker.wait), within)

    # ---- reading back

    async def caught_up(self) -> bool:
        """Say whether the group's offsets are at the ends of the inputs."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka, group_id=APP, enable_auto_commit=False,
            isolation_level="read_committed",
        )  # fmt: skip
        await consumer.start()
        try:
            tps = [TopicPartition(name, p) for name in INPUTS for p in range(self.partitions)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            committed = [await consumer.committed(tp) or 0 for tp in tps]
            return committed == [ends[tp] for tp in tps]
        finally:
            await consumer.stop()

    async def read(self, topic: str) -> list[tuple[int, bytes, bytes, list[tuple[str, bytes]]]]:
        """Read a whole topic: partition, key, value and headers in order per partition."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka, isolation_level="read_committed",
            enable_auto_commit=False, auto_offset_reset="earliest",
        )  # fmt: skip
        await consumer.start()
        try:
            tps = [TopicPartition(topic, p) for p in range(self.partitions)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            found = []
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                    found += [(tp.partition, r.key, r.value, list(r.headers)) for r in records]
            return found
        finally:
            await consumer.stop()

    async def seen(self) -> Seen:
        """Read state, changes and dead letters back."""
        seen = Seen({}, {}, {}, [])
        for _, key, value, _ in await self.read(topics.changelog(APP)):
            if not key.startswith(b"\xff"):
                seen.counts[key.decode()], _, _, seen.chains[key.decode()] = ROW.unpack(value)
        for _, key, value, _ in await self.read(topics.CHANGES):
            seen.sequences.setdefault(key.decode(), []).append(json.loads(value)["sequence"])
        for _, _, _, headers in await self.read(topics.DEAD_LETTERS):
            seen.letters.append({name: content.decode() for name, content in headers})
        return seen

    async def assert_exact(self) -> Seen:
        """Check that every event was applied once and every change told once, in order."""
        seen = await self.seen()
        assert seen.counts == self.loaded
        told = {c: list(range(1, n // EVERY + 1)) for c, n in self.loaded.items() if n >= EVERY}
        assert seen.sequences == told
        return seen


async def until(
    condition: Callable[[], Awaitable[bool]], within: float = PATIENCE_S, every: float = 0.5
) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(every)
