"""Read the changes as any consumer would, read committed, and note when each could be read.

Responsible for the clock readings alone, in a process of its own; values are decoded when the load
is over.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.openloop import PREFIX
from schemas import topics

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event
    from pathlib import Path

SEEN: Final = np.dtype(
    [
        ("read", "f8"),  # wall clock when it could be read, ms
        ("written", "i8"),  # when the broker appended it
        ("at", "i8"),
        ("seen_at", "i8"),
        ("event", "i8"),  # number of the event that made it; -1: none of ours
        ("customer", "i8"),  # number of the seeded customer; -1: another
        ("sequence", "i8"),
        ("by_clock", "?"),
        ("silent", "?"),
    ]
)
_PREFIX: Final = "customer-"


class _Told(msgspec.Struct):
    customer_id: str
    system: str
    to: str
    at: int
    seen_at: int
    sequence: int
    cause: str
    event_id: str | None


_decode: Final = msgspec.json.Decoder(_Told).decode


def witness(kafka: str, partitions: int, ready: Event, over: Event, out: Path) -> None:
    """Read from now on until it is over; write what was seen to a file."""
    np.save(out, asyncio.run(_witness(kafka, partitions, ready, over)))


async def _witness(kafka: str, partitions: int, ready: Event, over: Event) -> np.ndarray:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, isolation_level="read_committed", enable_auto_commit=False,
        max_partition_fetch_bytes=8 << 20,
    )  # fmt: skip
    await consumer.start()
    seen: list[tuple[float, Any]] = []
    try:
        tps = [TopicPartition(topics.CHANGES, number) for number in range(partitions)]
        consumer.assign(tps)
        await consumer.seek_to_end(*tps)
        for tp in tps:
            await consumer.position(tp)
        gc.freeze()
        gc.disable()
        ready.set()
        while not over.is_set():
            found = await consumer.getmany(timeout_ms=200)
            now = time.time() * 1000
            seen.extend((now, records) for records in found.values())
    finally:
        await consumer.stop()
    return np.array([_row(when, record) for when, found in seen for record in found], SEEN)


def _row(when: float, record: Any) -> tuple[Any, ...]:
    told = _decode(record.value)
    return (
        when, record.timestamp, told.at, told.seen_at,
        _number(told.event_id or "", PREFIX), _number(told.customer_id, _PREFIX), told.sequence,
        told.cause == "clock", (told.system, told.to) == ("lifecycle", "silent"),
    )  # fmt: skip


def _number(text: str, prefix: str) -> int:
    return int(text.removeprefix(prefix)) if text.startswith(prefix) else -1
