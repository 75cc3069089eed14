"""`rewake audit` against a real worker's state: nothing to find, then each planted drift is found.

One history is worked off once, late facts, poison and all. The audit of that finds no drift. Then
everything that can be planted is planted, each with a customer of its own, and one audit names all.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.request import urlopen

import numpy as np
import pytest
import redis
from aiokafka import AIOKafkaProducer

from schemas import topics
from schemas.profiles import CLOCK_KEY, customer_key, members_key
from schemas.vocabulary import MS_PER_DAY
from segmenters.engine import Engine
from segmenters.measures.orders import forget_order
from segmenters.rules import load
from streams.audit.audit import Request, audit
from streams.audit.verdict import Skip
from streams.audit.watch import watch
from streams.local.endpoints import free_port
from streams.partitioner import partitions_of
from streams.setting_values import Address
from streams.settings import Settings, load_settings
from tests.faults.figures import note
from tests.streams.waiting import eventually
from tests.streams.workbench import APP, FIRST_TS, PARTITIONS, ROOT, Event, Workbench, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from segmenters.ledger import Ledger
    from streams.audit.report import Drift, Report

CUSTOMERS = 160
DAYS = 500
UNTIL = FIRST_TS + (DAYS + 100) * MS_PER_DAY
YOUNG = UNTIL - 360 * MS_PER_DAY


def made(seed: int, prefix: str, instants: list[int]) -> list[Event]:
    """Make events at instants, in that order, with refunds, cancellations and repetitions."""
    chance = random.Random(seed)
    homes = partitions_of([b"c-%d" % n for n in range(CUSTOMERS)], PARTITIONS).tolist()
    stream: list[Event] = []
    for index, instant in enumerate(instants):
        who = int(CUSTOMERS * chance.random() ** 1.5)
        event: dict[str, Any] = {
            "event_id": f"{prefix}-{index}", "customer_id": f"c-{who}",
            "ts": FIRST_TS + instant,
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
        stream.append(Event(topic, homes[who], b"c-%d" % who, json.dumps(event).encode()))
        if chance.random() < 0.02:
            stream.append(stream[-1])  # a producer's retry
        if chance.random() < 0.01:
            stream.append(stream[-1]._replace(value=b'{"oops'))
    return stream


def history() -> list[Event]:
    chance = random.Random(5)
    return made(6, "e", sorted(chance.randrange(DAYS * MS_PER_DAY) for _ in range(3_000)))


def latecomers() -> list[Event]:
    chance = random.Random(7)
    span = (200 * MS_PER_DAY, (DAYS + 95) * MS_PER_DAY)
    return made(8, "late", [chance.randrange(*span) for _ in range(60)])


class Site(NamedTuple):
    """Where an audit finds what a worker has left."""

    bench: Workbench
    settings: Settings
    store: redis.Redis
    env: dict[str, str]


@pytest.fixture(scope="module")
def site(kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Have a worker work off the history, then the late facts; it goes on running."""
    bench = Workbench(kafka, tmp_path_factory.mktemp("audited"))
    bench.reset()
    store = redis.Redis.from_url(redis_url, decode_responses=True)
    store.flushdb()
    bench.env = {"REWAKE_CLOCK": "event", "REWAKE_UNTIL": str(UNTIL), "REWAKE_REDIS": redis_url}
    settings = load_settings(
        None, kafka=kafka, redis=redis_url, app=APP, clock="event", until=UNTIL
    )
    env = {"REWAKE_KAFKA": kafka, "REWAKE_APP": APP, **bench.env}
    try:
        asyncio.run(_work(bench, store))
        yield Site(bench, settings, store, env)
    finally:
        bench.close()
        store.flushdb()
        store.close()


async def _work(bench: Workbench, store: redis.Redis) -> None:
    async def at_the_end() -> bool:
        clocks = store.hgetall(CLOCK_KEY)
        return len(clocks) == PARTITIONS and set(clocks.values()) == {str(UNTIL)}

    await bench.load(history())
    bench.start_real()
    await until(at_the_end, every=0.1)
    await bench.load(latecomers())
    await until(bench.caught_up, every=0.1)


def audited(site: Site) -> Report:
    request = Request(2 * CUSTOMERS, seed=1)
    return asyncio.run(audit(site.settings, request, lambda *_: lambda *_: None))


@pytest.fixture(scope="module")
def clean(site: Site) -> Report:
    """Audit while the worker runs, before anything is planted."""
    return audited(site)


def test_a_worker_that_made_no_mistake_has_no_drift_late_facts_or_not(clean: Report) -> None:
    assert clean.drifts == []
    assert clean.customers == clean.cached == CUSTOMERS
    assert clean.equal + clean.skipped[Skip.ARRIVAL] == CUSTOMERS
    assert clean.skipped[Skip.ARRIVAL] < CUSTOMERS // 10
    assert clean.equal_late > 10
    assert clean.refused > 10
    assert clean.unreadable == 0
    note("audit of a worker's state", tried=clean.customers, wrong=len(clean.drifts))


# ---- planted drifts: what is done to a customer, and what the audit has to say of it


def rows_of(site: Site) -> dict[bytes, bytes]:
    """Read the changelog back: customer id → row."""
    records = asyncio.run(site.bench.read(topics.changelog(APP)))
    return {key: value for _, key, value, _ in records if not key.startswith(b"\xff")}


def altered(value: bytes, alter: Callable[[Any, Ledger], None]) -> bytes:
    """Decode a row, change it, and encode it again: its checksum fits."""
    engine = Engine(load(None))
    engine.load_rows([b"c"], [value])
    engine.wind()
    alter(engine.ledger.rows[0], engine.ledger)
    return engine.dump_rows(np.array([0]))[0][1]


def has_it_all(value: bytes) -> bool:
    """Say whether a customer has what is going to be altered."""
    fit = []
    altered(value, lambda row, _: fit.append(row.n > 1 and row.e > 0 and row.p > YOUNG))
    return bool(fit[0])


def add_a_penny(row: Any, ledger: Ledger) -> None:
    ledger.tiles.cells[row.head].spend += 1


def swap_the_segment(row: Any, _: Ledger) -> None:
    row.lifecycle = 2 if row.lifecycle == 4 else 4


def raise_the_sequence(row: Any, _: Ledger) -> None:
    row.sequence += 1


def lose_an_order(row: Any, ledger: Ledger) -> None:
    """Make the row what it would be without the last order, its segments apart."""
    day = ledger.tiles.cells[row.head]
    day.orders -= 1
    day.spend -= ledger.orders.cells[row.latest].left
    forget_order(row, ledger.orders, row.latest)


def lose_an_engagement(row: Any, _: Ledger) -> None:
    row.e -= MS_PER_DAY


ALTERED = {
    "a penny too much": add_a_penny,
    "a segment swapped": swap_the_segment,
    "a sequence too high": raise_the_sequence,
    "an order lost": lose_an_order,
    "an engagement lost": lose_an_engagement,
}


def plant_in_cache(store: redis.Redis, what: str, key: str) -> None:
    match what:
        case "a cached segment altered":
            store.hset(key, "lifecycle", "prospect")
        case "a cached instant altered":
            store.hincrby(key, "rfm.since", 1)
        case "a profile deleted":
            store.delete(key)
        case "a member of no audience":
            segment = store.hget(key, "rfm")
            store.zrem(members_key("rfm", segment), key.removeprefix("rw:c:"))


CACHED = (
    "a cached segment altered", "a cached instant altered", "a profile deleted",
    "a member of no audience",
)  # fmt: skip
EXPECTED = {
    "a penny too much": ("state", "spend_365d"),
    "a segment swapped": ("state", "lifecycle"),
    "a sequence too high": ("state", "sequence"),
    "an order lost": ("state", "orders"),
    "an engagement lost": ("state", "last_engagement"),
    "a row that cannot be read": ("state", "row"),
    "a customer lost": ("state", "row"),
    "a cached segment altered": ("cache", "lifecycle"),
    "a cached instant altered": ("cache", "rfm.since"),
    "a profile deleted": ("cache", "profile"),
    "a member of no audience": ("cache", "audience of rfm"),
    "a change doubled": ("changes", "change 2"),
}


@pytest.fixture(scope="module")
def planted(site: Site, clean: Report) -> dict[str, str]:
    """Stop the worker and plant everything, each with a customer of its own."""
    del clean  # audited before
    site.bench.workers[-1].terminate()
    asyncio.run(site.bench.ends(site.bench.workers[-1], 60))
    rows = rows_of(site)
    told = asyncio.run(site.bench.read(topics.CHANGES))
    late = {event.key for event in latecomers()}
    usual = sorted(key for key in rows if key not in late and has_it_all(rows[key]))
    victims = dict(zip(EXPECTED, usual, strict=False))
    assert len(victims) == len(EXPECTED), "the history has too few customers to plant with"
    records: list[tuple[str, bytes, bytes | None]] = []
    for what, key in victims.items():
        name = key.decode()
        if what in ALTERED:
            records.append((topics.changelog(APP), key, altered(rows[key], ALTERED[what])))
        elif what in CACHED:
            plant_in_cache(site.store, what, customer_key(name))
        elif what == "a row that cannot be read":
            records.append((topics.changelog(APP), key, rows[key][:-1]))
        elif what == "a customer lost":
            records.append((topics.changelog(APP), key, None))
        elif what == "a change doubled":
            change = next(v for _, k, v, _ in told if k == key and b'"sequence":2,' in v)
            records.append((topics.CHANGES, key, change))
    asyncio.run(write(site, records))
    return {what: key.decode() for what, key in victims.items()}


async def write(site: Site, records: list[tuple[str, bytes, bytes | None]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=site.bench.kafka)
    await producer.start()
    try:
        for topic, key, value in records:
            partition = int(partitions_of([key], PARTITIONS)[0])
            await producer.send_and_wait(topic, value, key, partition)
    finally:
        await producer.stop()


@pytest.fixture(scope="module")
def found(site: Site, planted: dict[str, str]) -> dict[str, Drift]:
    del planted
    return {drift.customer_id: drift for drift in audited(site).drifts}


@pytest.mark.parametrize("what", EXPECTED)
def test_a_planted_drift_is_found_and_named(
    what: str, planted: dict[str, str], found: dict[str, Drift]
) -> None:
    drift = found[planted[what]]
    assert EXPECTED[what] in {(each.where, each.field) for each in drift.differences}
    assert all(each.expected != each.found for each in drift.differences)


def test_nobody_else_drifts(planted: dict[str, str], found: dict[str, Drift]) -> None:
    assert set(found) == set(planted.values())


def test_the_command_names_the_customer_the_field_and_what_to_do(
    site: Site, planted: dict[str, str]
) -> None:
    named = planted["a penny too much"]
    done = rewake(site, "audit", "--customer", named, "--customer", "stranger")
    assert (done.returncode, done.stderr) == (1, "")
    assert "spend_365d" in done.stdout
    assert named in done.stdout
    assert "neither a row nor an event" in done.stdout
    assert "state: the state is not what its events make it" in done.stdout


async def test_watching_offers_the_drift_as_a_metric(site: Site, planted: dict[str, str]) -> None:
    port = free_port()
    settings = site.settings.model_copy(update={"metrics": Address("127.0.0.1", port)})
    said: list[str] = []
    watching = asyncio.create_task(watch(settings, Request(2 * CUSTOMERS), 60, said.append))
    await eventually(lambda: len(said) > 1 or watching.done(), within=60)
    url = f"http://127.0.0.1:{port}/metrics"
    page = (await asyncio.to_thread(urlopen, url, timeout=10)).read().decode()
    watching.cancel()
    assert f"rewake_audit_drift_total {len(planted)}.0" in page
    assert f"rewake_audit_customers {CUSTOMERS}.0" in page
    assert "customer_id" not in page
    assert f"{len(planted)} drift" in said[-1]
    assert not any(name in said[-1] for name in planted.values())


def test_other_rules_than_those_of_the_state_are_refused(site: Site, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[systems.lifecycle]\nnew_days = 29\n[systems.rfm]\n", encoding="utf-8")
    done = rewake(site, "audit", REWAKE_RULES=str(rules))
    assert done.returncode == 2
    assert "REWAKE_RULES" in done.stderr


def rewake(site: Site, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "import sys; from streams.cli import main; sys.exit(main())"]
    return subprocess.run(
        [*command, *words], cwd=ROOT, env={**os.environ, **site.env, **variables}, timeout=150,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
