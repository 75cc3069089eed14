"""Time the whole worker on real Kafka: CPU per event, events per second, rows restored per second.

Responsible for loading a generated stream, running ``rewake worker`` as its operator would, and
reading the clock from outside: the process's CPU time and the committed offsets.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil
from aiokafka import AIOKafkaProducer
from kafka import KafkaAdminClient, TopicPartition

from schemas.topics import ENGAGEMENTS, PURCHASES
from streams import local

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.stream import Record, Stream

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


def run(stream: Stream, folder: Path | None = None) -> Figures:
    """Load the stream and run the worker over it, then restart it."""
    with tempfile.TemporaryDirectory(prefix="rewake-bench-") as made:
        base = folder or Path(made)
        servers = local.up(base)
        try:
            env = os.environ | {
                "REWAKE_KAFKA": servers.kafka,
                "REWAKE_REDIS": servers.redis,
                "REWAKE_CLOCK": "event",
                "REWAKE_UNTIL": str(stream.until),
                "REWAKE_LOG_FORMAT": "json",
                "REWAKE_PARTITIONS": str(len(stream.purchases)),
            }
            subprocess.run(
                [_rewake(), "topics", "create"], env=env, check=True, stdout=subprocess.DEVNULL
            )
            loaded = asyncio.run(_load(stream, servers.kafka))
            admin = KafkaAdminClient(bootstrap_servers=servers.kafka)
            try:
                wall, cpu, events, peak = _consume(env, admin, loaded, base / "worker.log")
                restored, seconds, size = _restore(env, base / "restore.log")
            finally:
                admin.close()
        finally:
            local.down(base)
    return Figures(events, wall, cpu, restored, seconds, size, peak)


def _rewake() -> str:
    return str(Path(sys.executable).with_name("rewake"))


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
                    for b in _batches(producer, log)
                ]
                await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return count


def _batches(producer: AIOKafkaProducer, log: list[Record]) -> Iterator[Any]:
    batch = producer.create_batch()
    for key, value in log:
        if batch.append(key=key, value=value, timestamp=None) is None:
            yield batch
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
    yield batch


@contextmanager
def _worker(env: Mapping[str, str], log: Path) -> Iterator[psutil.Process]:
    with log.open("wb") as out:
        child = subprocess.Popen([_rewake(), "worker"], env=dict(env), stdout=out, stderr=out)
        try:
            yield psutil.Process(child.pid)
        finally:
            child.terminate()
            try:
                child.wait(40)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _consume(
    env: Mapping[str, str], admin: KafkaAdminClient, loaded: int, log: Path
) -> tuple[float, float, int, int]:
    begun: tuple[float, float, int] | None = None
    peak = 0
    deadline = time.monotonic() + 900
    with _worker(env, log) as process:
        while time.monotonic() < deadline:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                raise RuntimeError(f"the worker stopped:\n{log.read_text()[-3000:]}")
            done = _committed(admin)
            now, cpu = time.perf_counter(), sum(process.cpu_times()[:2])
            peak = max(peak, process.memory_info().rss)
            if begun is None and done >= loaded * SHARE_BEFORE:
                begun = (now, cpu, done)
            if done >= loaded and begun is not None:
                return now - begun[0], cpu - begun[1], done - begun[2], peak
            time.sleep(0.05)
    raise RuntimeError(f"not done after 900 s:\n{log.read_text()[-3000:]}")


def _committed(admin: KafkaAdminClient) -> int:
    try:
        offsets: Mapping[TopicPartition, Any] = admin.list_group_offsets(GROUP)[GROUP]
    except Exception:  # noqa: BLE001 - the group does not exist yet
        return 0
    return sum(at.offset for at in offsets.values() if at.offset > 0)


def _restore(env: Mapping[str, str], log: Path) -> tuple[int, float, int]:
    """Restart the worker and read from its log what it restored, and how long that took."""
    deadline = time.monotonic() + 120
    with _worker(env, log):
        while time.monotonic() < deadline:
            for line in log.read_text().splitlines():
                if '"recovered"' in line:
                    told = json.loads(line)
                    return told["rows"], told["seconds"], told["bytes"]
            time.sleep(0.2)
    raise RuntimeError(f"no word of a recovery in 120 s:\n{log.read_text()[-3000:]}")
