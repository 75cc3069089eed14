"""Time the whole worker on real Kafka: CPU per event, events per second, rows restored per second.

Responsible for loading a generated stream, running ``rewake worker`` as its operator would, and
reading the clock from outside: the process's CPU time and the committed offsets.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaProducer
from kafka import KafkaAdminClient, TopicPartition

from bench.stage import stage
from schemas.topics import ENGAGEMENTS, PURCHASES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bench.stage import Stage
    from bench.stream import Stream

GROUP = "rewake"
SHARE_BEFORE = 0.1
"""Share of the stream that is let pass before the clock starts: compiling, joining, first pages."""


class Figures(NamedTuple):
    """What one run showed."""

    events: int
    wall_s: float
    cpu_s: float
    restored: int
    restore_s: float
    restored_bytes: int
    peak_bytes: int

    @property
    def micros(self) -> float:
        """CPU of the worker process per event, in microseconds."""
        return self.cpu_s / self.events * 1e6


def run(stream: Stream) -> Figures:
    """Load the stream and run the worker over it, then restart it."""
    replay = {"REWAKE_CLOCK": "event", "REWAKE_UNTIL": str(stream.until)}
    with stage(len(stream.purchases), **replay) as servers:
        loaded = asyncio.run(_load(stream, servers.kafka))
        admin = KafkaAdminClient(bootstrap_servers=servers.kafka)
        try:
            wall, cpu, events, peak = _consume(servers, admin, loaded)
            restored, seconds, size = _restore(servers)
        finally:
            admin.close()
    return Figures(events, wall, cpu, restored, seconds, size, peak)


async def _load(stream: Stream, kafka: str) -> int:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, max_batch_size=512 * 1024, linger_ms=5)
    await producer.start()
    count = 0
    try:
        for topic, logs in ((PURCHASES, stream.purchases), (ENGAGEMENTS, stream.engagements)):
            for partition, log in enumerate(logs):
                count += len(log)
                sent = [
                    await producer.send_batch(b, topic, partition=partition)
                    for b in batches(producer, log)
                ]
                await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return count


def batches(producer: AIOKafkaProducer, records: Iterable[tuple[bytes, bytes]]) -> Iterator[Any]:
    """Build records, each a key and a value, into as few batches as they fit in."""
    batch = producer.create_batch()
    for key, value in records:
        if batch.append(key=key, value=value, timestamp=None) is None:
            yield batch
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
    yield batch


def _consume(servers: Stage, admin: KafkaAdminClient, loaded: int) -> tuple[float, float, int, int]:
    begun: tuple[float, float, int] | None = None
    peak = 0
    deadline = time.monotonic() + 900
    with servers.worker() as worker:
        while time.monotonic() < deadline:
            worker.check()
            done = _committed(admin)
            now, cpu = time.perf_counter(), worker.cpu_s()
            peak = max(peak, worker.process.memory_info().rss)
            if begun is None and done >= loaded * SHARE_BEFORE:
                begun = (now, cpu, done)
            if done >= loaded and begun is not None:
                return now - begun[0], cpu - begun[1], done - begun[2], peak
            time.sleep(0.05)
    raise RuntimeError(f"not done after 900 s:\n{worker.log.read_text()[-3000:]}")


def _committed(admin: KafkaAdminClient) -> int:
    try:
        offsets: Mapping[TopicPartition, Any] = admin.list_group_offsets(GROUP)[GROUP]
    except Exception:  # noqa: BLE001 - the group does not exist yet
        return 0
    return sum(at.offset for at in offsets.values() if at.offset > 0)


def _restore(servers: Stage) -> tuple[int, float, int]:
    """Restart the worker and read from its log what it restored, and how long that took."""
    deadline = time.monotonic() + 120
    with servers.worker("restore") as worker:
        while time.monotonic() < deadline:
            for line in worker.log.read_text().splitlines():
                if '"recovered"' in line:
                    told = json.loads(line)
                    return told["rows"], told["seconds"], told["bytes"]
            time.sleep(0.2)
    raise RuntimeError(f"no word of a recovery in 120 s:\n{worker.log.read_text()[-3000:]}")
