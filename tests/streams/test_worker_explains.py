"""A real worker explains its customers: found through Redis, asked over HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from schemas import topics
from schemas.errors import RewakeError
from schemas.explanations import Order, Waiting
from schemas.vocabulary import MS_PER_DAY
from streams.owners import ask, owner_key
from streams.partitioner import partitions_of
from streams.settings import load_settings
from tests.streams.workbench import APP, FIRST_TS, PARTITIONS, Event, Workbench, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from schemas.explanations import Explanation
    from streams.settings import Settings

UNTIL = FIRST_TS + 40 * MS_PER_DAY
HOME = int(partitions_of([b"c-1"], PARTITIONS)[0])
ORDERED = {
    "event_id": "e-1", "customer_id": "c-1", "ts": FIRST_TS, "type": "order", "order_id": "o-1",
    "amount": "952.90", "currency": "GBP",
}  # fmt: skip


@pytest.fixture
def bench(kafka: str, redis_url: str, tmp_path: Path) -> Iterator[Workbench]:
    with Redis.from_url(redis_url) as store:
        store.flushdb()
    workbench = Workbench(kafka, tmp_path)
    workbench.env = {
        "REWAKE_CLOCK": "event", "REWAKE_UNTIL": str(UNTIL), "REWAKE_REDIS": redis_url,
    }  # fmt: skip
    workbench.reset()
    try:
        yield workbench
    finally:
        workbench.close()


def explained(settings: Settings) -> Explanation | None:
    """Ask; None while nobody can answer yet."""
    try:
        explanation = ask(settings, "c-1", HOME)
    except RewakeError:
        return None
    return explanation if explanation.as_of == UNTIL else None


async def test_a_customer_is_explained_by_the_worker_that_owns_the_partition(
    bench: Workbench, redis_url: str
) -> None:
    settings = load_settings(None, redis=redis_url, app=APP)
    await bench.load([Event(topics.PURCHASES, HOME, b"c-1", json.dumps(ORDERED).encode())])
    worker = bench.start_real()

    async def answered() -> bool:
        return await asyncio.to_thread(explained, settings) is not None

    await until(answered)
    explanation = explained(settings)
    assert explanation is not None
    placements = {each.system: each for each in explanation.systems}
    ways = {
        (each.system, there.segment): [way.act for way in there.ways]
        for each in explanation.systems
        for there in each.neighbours
    }
    assert placements["lifecycle"].segment == "active"
    silent = FIRST_TS + 90 * MS_PER_DAY
    assert ways["lifecycle", "silent"] == [Waiting(silent)]
    assert ways["monetary_tier", "medium"] == [Order(4_710, 904_709)]
    worker.terminate()
    assert await bench.ends(worker) == 0
    with Redis.from_url(redis_url) as store:
        assert store.pttl(owner_key(HOME)) < 15_000  # nobody renews it any more
    with pytest.raises(RewakeError, match="to answer"):
        ask(settings, "c-1", HOME)
