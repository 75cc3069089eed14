"""Very many deadlines fall due in one second while the worker is down: each fires once, on time."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

import pytest

from schemas import topics
from streams.partitioner import partitions_of
from tests.faults.exactness import Told, compare, essence, expect
from tests.faults.figures import note
from tests.faults.followers import Changelog, ChangesConsumer
from tests.faults.shop import DEFAULT_RULES
from tests.oracle_book import DAY_MS, ORDER, Fact
from tests.streams.workbench import APP, PARTITIONS, Event, Workbench, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS: Final = 50
"""Customers of one kind have the same facts, and so the same changes."""
SILENT_DAYS: Final = 90
READ_S: Final = 180
"""Seconds to read 700,000 changes in Python, on a slow machine."""
DOWN_MS: Final = 300_000
"""How long the worker has been down when it comes back."""


def orders(customers: int, last: int) -> list[Fact]:
    """Let each customer order once; their silences begin within the second before ``last``."""
    facts = []
    for n in range(customers):
        ts = last - (n % KINDS) * (1000 // KINDS) - SILENT_DAYS * DAY_MS
        facts.append(Fact(f"c-{n}", ts, ORDER, 100 * (1 + n % 7), f"o-{n}", f"e-{n}"))
    return sorted(facts, key=lambda fact: fact.ts)


def events(facts: list[Fact]) -> Iterator[Event]:
    """Say the orders as they go over the wire."""
    homes = partitions_of([fact.customer.encode() for fact in facts], PARTITIONS).tolist()
    for fact, home in zip(facts, homes, strict=True):
        value = {
            "event_id": fact.event_id, "customer_id": fact.customer, "ts": fact.ts,
            "type": "order", "order_id": fact.order_id, "amount": f"{fact.amount // 100}.00",
            "currency": "GBP",
        }  # fmt: skip
        yield Event(topics.PURCHASES, home, fact.customer.encode(), json.dumps(value).encode())


@pytest.mark.timeout(900)
async def test_deadlines_due_while_the_worker_was_down_fire_once_with_their_own_instants(
    kafka: str, tmp_path: Path, full: bool
):
    customers = 100_000 if full else 10_000
    last = int(time.time() * 1000) - DOWN_MS
    facts = orders(customers, last)
    bench = Workbench(kafka, tmp_path)
    bench.reset()
    consumer = ChangesConsumer(kafka, PARTITIONS, committed=True)
    changelog = Changelog(kafka, APP, PARTITIONS)

    async def clocks_at(instant: int) -> bool:
        await changelog.read_on()
        return all(record is not None and record.clock >= instant for record in changelog.records)

    async def all_silent() -> bool:
        return consumer.reached["silent"] == customers

    try:
        await bench.load(events(facts))
        # Time ends for the first worker just before the second in which they fall due.
        worker = bench.start_real(REWAKE_CLOCK="event", REWAKE_UNTIL=str(last - 1_000))
        await until(lambda: clocks_at(last - 1_000), every=0.2)
        worker.kill()
        await consumer.start()
        await consumer.read_to_the_end(READ_S)
        assert consumer.reached["silent"] == 0

        begun, started_ms = time.monotonic(), time.time() * 1000
        worker = bench.start_real()
        await until(all_silent, every=0.2)
        took = time.monotonic() - begun
        told_s = (consumer.appended["silent"] - started_ms) / 1000
        await until(lambda: clocks_at(last + DOWN_MS))  # all that is due by then has been told
        worker.terminate()
        assert await bench.ends(worker) == 0

        await consumer.read_to_the_end(READ_S)
        told = {who: [essence(change) for change in each] for who, each in consumer.told.items()}
        differences = compare(told, alike(facts, last + DOWN_MS))
        assert not differences, str(differences)
        assert consumer.reached["silent"] == customers
    finally:
        await consumer.stop()
        bench.close()
    # The reader, in this very process, is the slowest of all: ``told_s`` is what the worker took.
    note(
        "deadlines due in one second while the worker was down", tried=customers, recovery_s=took,
        told_s=round(told_s, 1),
    )  # fmt: skip


def alike(facts: list[Fact], clock: int) -> dict[str, list[Told]]:
    """Return what the oracle says, asking it once for all customers with the same facts."""
    kinds: dict[tuple[int, int], Fact] = {}
    for fact in facts:
        kinds.setdefault((fact.ts, fact.amount), fact)
    asked = [*kinds.values()]
    rules = DEFAULT_RULES.read_text(encoding="utf-8")
    said = expect(asked, rules, {fact.customer: clock for fact in asked}).changes
    return {fact.customer: said[kinds[fact.ts, fact.amount].customer] for fact in facts}
