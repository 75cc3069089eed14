"""A history through Kafka gives the changes the engine gives without it, kills included."""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import redis

from schemas import topics
from schemas.profiles import APPLIED_KEY, CLOCK_KEY, customer_key
from schemas.vocabulary import MS_PER_DAY
from segmenters.engine import Engine
from segmenters.rules import load
from streams.decode import Decoder
from streams.partitioner import partitions_of
from streams.runs import Run, join
from tests.streams.runs import Record
from tests.streams.workbench import APP, FIRST_TS, INPUTS, PARTITIONS, Event, Workbench, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAYS = 500
UNTIL = FIRST_TS + (DAYS + 100) * MS_PER_DAY


@pytest.fixture
def bench(kafka: str, tmp_path: Path) -> Iterator[Workbench]:
    workbench = Workbench(kafka, tmp_path)
    workbench.reset()
    try:
        yield workbench
    finally:
        workbench.close()


def history(count: int, customers: int) -> list[Event]:
    """Make a history in order of time, with refunds and cancellations."""
    chance = random.Random(11)
    homes = partitions_of([b"c-%d" % n for n in range(customers)], PARTITIONS).tolist()
    instants = sorted(chance.randrange(DAYS * MS_PER_DAY) for _ in range(count))
    made = []
    for index, instant in enumerate(instants):
        who = int(customers * chance.random() ** 2)
        event: dict[str, Any] = {
            "event_id": f"e-{index}", "customer_id": f"c-{who}", "ts": FIRST_TS + instant,
        }  # fmt: skip
        kind = chance.random()
        topic = topics.PURCHASES if kind < 0.6 else topics.ENGAGEMENTS
        if kind < 0.5:
            amount = f"{chance.randrange(1, 900)}.{chance.randrange(100):02}"
            event |= {"type": "order", "order_id": f"o-{index}", "amount": amount}
            event["currency"] = "GBP"
        elif kind < 0.57:
            event |= {"type": "refund", "amount": chance.randrange(1, 50), "currency": "GBP"}
        elif kind < 0.6:
            event |= {"type": "cancel", "order_id": f"o-{max(0, index - 40)}"}
        else:
            event["kind"] = chance.choice(["product_view", "email_click", "login", "email_open"])
        made.append(Event(topic, homes[who], b"c-%d" % who, json.dumps(event).encode()))
    return made


def told_without_kafka(stream: list[Event]) -> set[tuple[Any, ...]]:
    """Give the same facts to one engine in memory."""
    rules = load(None)
    engine = Engine(rules)
    told: set[tuple[Any, ...]] = set()
    decoders = {
        topic: Decoder(family, 1, rules.currencies, rules.qualifying)
        for topic, family in zip(INPUTS, ("purchase", "engagement"), strict=True)
    }
    runs: list[Run] = []
    for offset, event in enumerate(stream):
        record = Record(offset, key=event.key, value=event.value)
        run = decoders[event.topic].decode([record], offset, offset + 1, 0, UNTIL)
        assert not run.rejections
        runs.append(run)
    for first in range(0, len(runs), 1_000):
        run = join(runs[first : first + 1_000])
        told |= _told(engine.apply(run.batch()).build_changes(0))
    more = True
    while more:
        outcome = engine.tick(UNTIL, inclusive=True)
        told |= _told(outcome.build_changes(0))
        more = outcome.more
    return told


def _told(changes: Any) -> set[tuple[Any, ...]]:
    return {_essence(msgspec.json.decode(msgspec.json.encode(change))) for _, change in changes}


def _essence(change: dict[str, Any]) -> tuple[Any, ...]:
    names = ("customer_id", "sequence", "system", "from", "to", "at", "cause", "event_id", "id")
    return tuple(change[name] for name in names)


@pytest.mark.timeout(900)
async def test_a_history_through_kafka_gives_the_changes_of_the_engine_alone(
    bench: Workbench, redis_url: str
):
    store = redis.Redis.from_url(redis_url, decode_responses=True)
    store.flushdb()
    stream = history(40_000, 1_500)
    await bench.load(stream)
    bench.env = {
        "REWAKE_CLOCK": "event", "REWAKE_UNTIL": str(UNTIL), "REWAKE_REDIS": redis_url,
        "REWAKE_BATCH_EVENTS": "500",
    }  # fmt: skip
    first = bench.start_real()
    await until(lambda: _some_changes(bench), every=0.05)
    first.kill()
    bench.start_real()

    async def settled() -> bool:
        clocks = store.hgetall(CLOCK_KEY)
        return len(clocks) == PARTITIONS and set(clocks.values()) == {str(UNTIL)}

    await until(settled, 300)
    records = await bench.read(topics.CHANGES)
    changes = [json.loads(value) for _, _, value, _ in records]
    assert len(changes) == len({(c["customer_id"], c["sequence"]) for c in changes})
    expected = told_without_kafka(stream)
    assert {_essence(change) for change in changes} == expected
    assert len(changes) == len(expected) > 5_000
    await _assert_cache_agrees(bench, store, changes)
    store.close()


async def _some_changes(bench: Workbench) -> bool:
    return len(await bench.read(topics.CHANGES)) > 500


async def _assert_cache_agrees(
    bench: Workbench, store: redis.Redis, changes: list[dict[str, Any]]
) -> None:
    last = {(c["customer_id"], c["system"]): c for c in changes}
    pipe = store.pipeline()
    for customer, system in last:
        pipe.hmget(customer_key(customer), system, f"{system}.since")
    found = await asyncio.to_thread(pipe.execute)
    assert found == [[c["to"], str(c["at"])] for c in last.values()]
    offsets: dict[int, int] = {}
    for partition, *_ in await bench.read(topics.changelog(APP)):
        offsets[partition] = offsets.get(partition, 0) + 1
    applied = {int(p): int(offset) for p, offset in store.hgetall(APPLIED_KEY).items()}
    assert set(applied) == set(offsets)
