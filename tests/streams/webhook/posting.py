"""Drive `rewake webhook` over crafted changes on a real Kafka."""

from __future__ import annotations

import os
import random
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas import topics
from schemas.changes import Change, Holdout, Next, Words, change_id, cloudevent_headers, encode
from streams.local.endpoints import free_port
from streams.partitioner import partitions_of
from streams.settings import load_settings
from streams.topics_admin import connect, create, plan
from tests.forked import Forked
from tests.streams.waiting import eventually
from tests.streams.webhook.receiver import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

PARTITIONS = 3
AT = 1_700_000_000_000
OTHER = {"active": "silent", "silent": "active"}


def make_change(customer: str, sequence: int, **fields: Any) -> Change:
    """Make a customer's change of that sequence: active and silent take turns."""
    to = "silent" if sequence % 2 == 0 else "active"
    from_ = None if sequence == 1 else OTHER[to]
    at = AT + sequence
    made: dict[str, Any] = {
        "id": change_id(customer, "lifecycle", sequence, from_, to, at),
        "sequence": sequence,
        "customer_id": customer,
        "system": "lifecycle",
        "from_": from_,
        "to": to,
        "at": at,
        "seen_at": at,
        "cause": "clock" if to == "silent" else "event",
        "event_id": None,
        "corrects": None,
        "rules_version": "0123456789abcdef",
        "labels": Words("沉默客户", "Silent"),
        "play": Words("沉默客户唤醒", "Wake the silent customer") if to == "silent" else None,
        "features": {"n": 4, "days_without_order": 90},
        "segments": {"value_tier": "high"},
        "next": Next("churned", at + 1),
    }
    return Change(**{**made, **fields})


def make_changes(customers: int, each: int, seed: int = 1) -> list[Change]:
    """Make so many changes of each of so many customers, interleaved."""
    turns = [f"c-{n}" for n in range(customers) for _ in range(each)]
    random.Random(seed).shuffle(turns)
    counts: dict[str, int] = {}
    made = []
    for customer in turns:
        counts[customer] = counts.get(customer, 0) + 1
        made.append(make_change(customer, counts[customer]))
    return made


def control(change: Change) -> Change:
    """Put a change into the control arm of a holdout."""
    import msgspec

    return msgspec.structs.replace(change, holdout=Holdout("wake-2026", "control"))


class Posting:
    """Topics of their own, and the webhook processes on them."""

    def __init__(self, kafka: str, folder: Path, name: str) -> None:
        self.kafka = kafka
        self.folder = folder
        self.name = name
        self.settings = load_settings(
            None, kafka=kafka, topic_prefix=f"{name}.", app=name, partitions=PARTITIONS
        )
        self.changes = self.settings.topic(topics.CHANGES)
        self.letters = self.settings.topic(topics.WEBHOOK_DEAD_LETTERS)
        self.processes: list[Forked] = []
        self.port = free_port()
        with connect(self.settings) as admin:
            wanted = {self.changes, self.letters}
            create(admin, [each for each in plan(self.settings) if each.topic.name in wanted])

    async def tell(self, made: Iterable[Change | bytes], each: int = 40) -> None:
        """Write changes as a worker does: in transactions, each customer in its partition."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.kafka, transactional_id=f"{self.name}-{random.random()}"
        )
        await producer.start()
        left = list(made)
        try:
            while left:
                page, left = left[:each], left[each:]
                async with producer.transaction():
                    for change in page:
                        await self._send(producer, change)
        finally:
            await producer.stop()

    async def _send(self, producer: AIOKafkaProducer, change: Change | bytes) -> None:
        if isinstance(change, bytes):
            await producer.send(self.changes, key=b"nobody", value=change, partition=0)
            return
        key = change.customer_id.encode()
        home = int(partitions_of([key], PARTITIONS)[0])
        headers = cloudevent_headers(change, "/rewake")
        await producer.send(
            self.changes, key=key, value=encode(change), headers=headers, partition=home
        )

    def start(self, url: str, *options: str, **env: str) -> Forked:
        """Start a webhook."""
        settings = {
            "REWAKE_KAFKA": self.kafka,
            "REWAKE_APP": self.name,
            "REWAKE_TOPIC_PREFIX": f"{self.name}.",
            "REWAKE_METRICS": f"127.0.0.1:{self.port}",
            "REWAKE_WEBHOOK_URL": url,
            "REWAKE_WEBHOOK_SECRET": SECRET,
            **env,
        }
        soon = ("--first-wait", "0.05", "--timeout", "60")
        process = Forked(
            ["rewake", "webhook", "--from-beginning", *soon, *options],
            self.folder,
            {**os.environ, **settings},
            self.folder / f"webhook-{len(self.processes)}.log",
        )
        self.processes.append(process)
        return process

    def log(self) -> str:
        """Return what all processes have logged."""
        logs = sorted(self.folder.glob("webhook-*.log"))
        return "".join(path.read_text(errors="replace") for path in logs)

    def ask(self, path: str) -> tuple[int, str]:
        """Ask the process for a page; 0 when it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as got:
                return got.status, got.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def figure(self, name: str) -> float:
        """Return the sum of a metric's values."""
        _, page = self.ask("/metrics")
        lines = [line for line in page.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    async def committed(self) -> tuple[dict[int, int | None], dict[int, int]]:
        """Return the group's offsets and the ends of the topic."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka, group_id=f"{self.name}-webhook",
            enable_auto_commit=False, isolation_level="read_committed",
        )  # fmt: skip
        await consumer.start()
        try:
            tps = [TopicPartition(self.changes, p) for p in range(PARTITIONS)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            return (
                {tp.partition: await consumer.committed(tp) for tp in tps},
                {tp.partition: end for tp, end in ends.items()},
            )
        finally:
            await consumer.stop()

    async def dead(self) -> list[tuple[bytes, dict[str, str]]]:
        """Read the dead letters."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka, enable_auto_commit=False,
            auto_offset_reset="earliest",  # the default may win against a seek to the beginning
        )  # fmt: skip
        await consumer.start()
        try:
            tps = [TopicPartition(self.letters, p) for p in range(PARTITIONS)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            found = []
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    said = [{n: c.decode() for n, c in r.headers} for r in records]
                    found += [(r.value, h) for r, h in zip(records, said, strict=True)]
            return found
        finally:
            await consumer.stop()

    async def until(self, holds: Callable[[], object], within: float = 120.0) -> None:
        """Wait until something holds, as long as the process runs."""
        running = [each for each in self.processes if each.poll() is None]

        def holds_or_ended() -> bool:
            assert running, self.log()
            assert all(each.poll() is None for each in running), self.log()
            return bool(holds())

        await eventually(holds_or_ended, within, 0.02)

    def close(self) -> None:
        """Leave no process behind."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait(10)
