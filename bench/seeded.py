"""Leave in the changelog what a worker would have left after a long life.

Responsible for many customers, each with one order so long ago that the wanted deadlines are still
to come, written as rows and position records: a worker then restores them in seconds, instead of
reading a million orders first.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from aiokafka import AIOKafkaProducer

from bench.worker import batches
from schemas import topics
from schemas.vocabulary import MS_PER_DAY, Kind
from segmenters.batch import EventBatch
from segmenters.engine import Engine
from segmenters.rules import defaults
from streams import position
from streams.app import FAMILIES, judging_by
from streams.cluster import inspect
from streams.partitioner import partitions_of
from streams.position import FORMAT, POSITION_KEY, InputPosition, PositionRecord
from streams.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SILENT_DAYS: Final = 90
"""Days without an order after which the default rules call a customer silent."""
_CHUNK: Final = 50_000
_APP: Final = "rewake"


def key_of(customer: int) -> bytes:
    """Return the id of a seeded customer."""
    return b"customer-%07d" % customer


def seed(kafka: str, partitions: int, ordered: NDArray[np.int64]) -> None:
    """Write the state of customers who have each ordered once.

    Parameters
    ----------
    kafka
        Where; the topics are there and empty.
    partitions
        Their partition count.
    ordered
        When each customer ordered, epoch milliseconds.
    """
    keys = [key_of(customer) for customer in range(len(ordered))]
    homes = partitions_of(keys, partitions)
    rules = defaults()
    judging = judging_by(rules)
    cluster = inspect(load_settings(None, kafka=kafka, app=_APP), list(FAMILIES))
    inputs = {name: InputPosition(0, None, cluster.topic_ids[name]) for name in FAMILIES}
    for partition in range(partitions):
        mine = np.flatnonzero(homes == partition)
        engine, clock = Engine(rules), int(time.time() * 1000)
        for first in range(0, len(mine), _CHUNK):
            engine.apply(_orders(mine[first : first + _CHUNK], keys, ordered), clock)
        while engine.tick(clock, limit=len(mine) + 1).more:
            pass
        record = PositionRecord(FORMAT, inputs, clock, judging.rules, judging.layout)
        asyncio.run(_write(kafka, partition, engine, position.write(record)))


def _orders(who: NDArray[np.int64], keys: list[bytes], ordered: NDArray[np.int64]) -> EventBatch:
    size = len(who)
    return EventBatch(
        [keys[customer] for customer in who.tolist()],
        ordered[who],
        np.full(size, Kind.ORDER, np.int8),
        np.full(size, 2_500, np.int64),
        who + 1,
        who + 1,
        np.zeros(size, np.bool_),
        [None] * size,
        np.zeros(size, np.int64),
    )


async def _write(kafka: str, partition: int, engine: Engine, where: bytes) -> None:
    topic = topics.changelog(_APP)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, max_batch_size=512 * 1024)
    await producer.start()
    try:
        for records in (*_rows(engine), [(POSITION_KEY, where)]):
            sent: list[Any] = [
                await producer.send_batch(batch, topic, partition=partition)
                for batch in batches(producer, records)
            ]
            await asyncio.gather(*sent)
    finally:
        await producer.stop()


def _rows(engine: Engine) -> Iterator[list[tuple[bytes, bytes]]]:
    for first in range(0, engine.customers, _CHUNK):
        yield engine.dump_rows(np.arange(first, min(first + _CHUNK, engine.customers)))


def spread(
    customers: int, due: NDArray[np.int64], now: int, draw: np.random.Generator
) -> NDArray[np.int64]:
    """Return when customers ordered: the first ones fall silent at given instants, no other soon.

    Parameters
    ----------
    customers
        How many in all.
    due
        When the first ``len(due)`` of them fall silent.
    now
        Wall clock; the others ordered 5 to 25 days before.
    draw
        Source of chance.
    """
    ordered = now - draw.integers(5 * MS_PER_DAY, 25 * MS_PER_DAY, customers)
    ordered[: len(due)] = due - SILENT_DAYS * MS_PER_DAY
    return ordered
