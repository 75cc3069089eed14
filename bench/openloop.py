"""Send events by a schedule that waits for nobody, from a process of its own.

Responsible for the load: event k is due at ``start + k / rate`` whatever happened to those before
it, so a stall of the broker or of this process shows in every event it delayed. Everything is built
before the first one is sent.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from aiokafka import AIOKafkaProducer

from bench.seeded import key_of
from bench.stream import KINDS
from schemas import topics
from streams.partitioner import partitions_of
from streams.simulated import wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PREFIX: Final = "live-"
"""Of the event ids; the number of the event follows."""
_ORDERED: Final = b',"channel":"web"'
_DONE: Final = b',"channel":"app","object":"sku-00017","campaign_id":"c-003","session":"s-00000042"'


class Load(NamedTuple):
    """What is sent.

    Attributes
    ----------
    kafka, partitions
        Where.
    start
        When event 0 is due, epoch milliseconds.
    seconds, rate
        How long, and events per second.
    known
        First and last of the seeded customers the events fall on.
    fresh
        Share of events that are the first order of a customer never seen, whose three changes tell
        how long it took.
    linger
        Milliseconds for which a producer gathers events before it sends them.
    seed
        The same seed, the same events.
    first
        Number of the first event.
    """

    kafka: str
    partitions: int
    start: int
    seconds: float
    rate: int
    known: tuple[int, int]
    fresh: float = 0.02
    linger: int = 10
    seed: int = 1
    first: int = 0

    @property
    def events(self) -> int:
        """Number of events."""
        return int(self.seconds * self.rate)

    def due(self) -> NDArray[np.float64]:
        """Return when each event is due, epoch milliseconds."""
        return self.start + np.arange(self.events) * (1000 / self.rate)

    def pieces(self, seconds: float) -> Iterator[Load]:
        """Cut a long load into pieces of which each is soon built."""
        count = round(self.seconds / seconds)
        for n in range(count):
            start = self.start + round(1000 * n * seconds)
            first = self.first + n * int(seconds * self.rate)
            yield self._replace(start=start, seconds=seconds, seed=self.seed + n, first=first)


class Line(NamedTuple):
    """The events of one topic-partition in the order they are due."""

    topic: str
    partition: int
    numbers: list[int]
    records: list[tuple[bytes, bytes]]


def send(load: Load, out: Path) -> None:
    """Send the load; write when the broker appended each event (ms; 0: it did not) to a file."""
    lines = _lines(load)
    gc.freeze()
    gc.disable()
    np.save(out, asyncio.run(_send(load, lines)))


def pour(load: Load, piece_s: float) -> None:
    """Send a long load; nothing is remembered of it."""
    for piece in load.pieces(piece_s):
        asyncio.run(_send(piece, _lines(piece)))


async def _send(load: Load, lines: list[Line]) -> NDArray[np.int64]:
    producer = AIOKafkaProducer(bootstrap_servers=load.kafka, max_batch_size=1 << 20)
    await producer.start()
    appended = np.zeros(load.events, np.int64)
    try:
        await asyncio.gather(*[_line(load, line, producer, appended) for line in lines])
    finally:
        await producer.stop()
    return appended


async def _line(
    load: Load, line: Line, producer: AIOKafkaProducer, appended: NDArray[np.int64]
) -> None:
    """Send what has become due since the last batch was built, over and over."""
    due = load.due()[line.numbers]
    first = 0
    while first < len(due):
        # All lines wake at the same moments, so that their batches share a request.
        slot = (due[first] - load.start) // load.linger + 1
        await asyncio.sleep(max(0.0, (load.start + slot * load.linger) / 1000 - time.time()))
        last = int(np.searchsorted(due, time.time() * 1000, side="right"))
        batch = producer.create_batch()
        for number in range(first, last):
            key, value = line.records[number]
            if batch.append(timestamp=None, key=key, value=value) is None:
                last = number
                break
        sent = await producer.send_batch(batch, line.topic, partition=line.partition)
        appended[line.numbers[first:last]] = (await sent).timestamp
        first = last


def _lines(load: Load) -> list[Line]:
    draw = np.random.default_rng(load.seed)
    size = load.events
    first, last = load.known
    weights = np.arange(1, last - first + 1, dtype=np.float64) ** -0.8
    who = (first + draw.choice(last - first, size=size, p=weights / weights.sum())).tolist()
    is_fresh = draw.random(size) < load.fresh
    buys = (is_fresh | (draw.random(size) < 0.2)).tolist()
    amount = draw.integers(100, 20_000, size).tolist()
    kind = draw.integers(0, len(KINDS), size).tolist()
    keys = [
        b"fresh-%d-%07d" % (load.seed, k) if new else key_of(who[k])
        for k, new in enumerate(is_fresh.tolist())
    ]
    homes = partitions_of(keys, load.partitions).tolist()
    names = (topics.ENGAGEMENTS, topics.PURCHASES)
    lines = {(t, p): Line(t, p, [], []) for t in names for p in range(load.partitions)}
    for k, ts in enumerate(load.due().astype(np.int64).tolist()):
        number = load.first + k
        event = b"%s%d" % (PREFIX.encode(), number)
        if buys[k]:
            paid = wire.in_major(amount[k], 2)
            value = wire.order(event, keys[k], ts, b"o-%d" % number, paid, b"GBP", _ORDERED)
        else:
            value = wire.engagement(event, keys[k], ts, KINDS[kind[k]], _DONE)
        line = lines[names[buys[k]], homes[k]]
        line.numbers.append(k)
        line.records.append((keys[k], value))
    return list(lines.values())
