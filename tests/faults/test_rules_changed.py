"""Rules changed between restarts: parameters, a system more, a system less; kills on the way."""

from __future__ import annotations

import json
import random
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import redis

from schemas import topics
from schemas.profiles import CLOCK_KEY, customer_key
from segmenters.engine import Engine
from segmenters.oracle.turn import Customer, Fact, Rules, change_rules
from segmenters.rules import load
from streams.partitioner import partitions_of
from tests.faults.changing_worker import STEPS
from tests.faults.figures import note
from tests.oracle_book import CANCEL, DAY_MS, ENGAGEMENT, ORDER, REFUND
from tests.properties.histories import systems_of
from tests.streams.workbench import APP, FIRST_TS, INPUTS, PARTITIONS, Event, Workbench, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED = 14
SLICE = 5
"""Customers brought over in one transaction."""
MOST_PASSED = 8
"""Slices a worker gets done at most before it dies."""

RULES = (
    "[systems.lifecycle]\n[systems.monetary_tier]\n",
    # Other parameters of the lifecycle, and a system more.
    """
    [systems.lifecycle]
    silent_purchase_days = 40
    silent_engagement_days = 30
    new_days = 60
    wake_engagements = 3
    [systems.monetary_tier]
    [systems.rfm]
    """,
    # That system less, and other parameters of the one that stood.
    """
    [systems.lifecycle]
    silent_purchase_days = 40
    silent_engagement_days = 30
    new_days = 60
    wake_engagements = 3
    [systems.monetary_tier]
    thresholds = { large = 5000, medium = 500 }
    """,
)
ENDS = tuple(FIRST_TS + days * DAY_MS for days in (400, 420, 600))
"""Up to when each of the rules holds."""
ELSEWHERE = "[engine]\nbusiness_timezone = 'Europe/London'\n" + RULES[2]
PATIENCE_S = 300.0
"""A kernel nobody has compiled on this machine yet takes its time."""


@pytest.fixture
def bench(kafka: str, tmp_path: Path) -> Iterator[Workbench]:
    workbench = Workbench(kafka, tmp_path)
    workbench.reset()
    for number, text in enumerate((*RULES, ELSEWHERE)):
        (tmp_path / f"rules-{number}.toml").write_text(text, encoding="utf-8")
    try:
        yield workbench
    finally:
        workbench.close()


def made_up(customers: int) -> list[Fact]:
    """Make up histories of some nine facts a customer, in order of time."""
    chance = random.Random(SEED)
    facts: list[Fact] = []
    for number in range(customers):
        name, orders = f"c-{number}", []
        days = chance.choice((20, 60, 150))  # how often they come, roughly
        ts = FIRST_TS + chance.randrange(300 * DAY_MS)
        for step in range(chance.randrange(1, 18)):
            draw = chance.random()
            reference = f"{name}-{step}"
            if draw < 0.55 or not orders:
                fact = Fact(name, ts, ORDER, chance.randrange(100, 200_000), reference)
                orders.append(reference)
            elif draw < 0.65:
                fact = Fact(name, ts, REFUND, chance.randrange(100, 50_000), orders[-1])
            elif draw < 0.7:
                fact = Fact(name, ts, CANCEL, 0, chance.choice(orders))
            else:
                fact = Fact(name, ts, ENGAGEMENT, qualifies=draw < 0.9)
            facts.append(fact)
            ts += chance.randrange(1, 2 * days * DAY_MS)
    return sorted((fact for fact in facts if fact.ts <= ENDS[-1]), key=lambda fact: fact.ts)


def event_of(fact: Fact, number: int, home: int) -> Event:
    """Say a fact as a shop does."""
    value: dict[str, Any] = {
        "event_id": f"e-{number}", "customer_id": fact.customer, "ts": fact.ts,
    }  # fmt: skip
    topic = INPUTS[1] if fact.kind == ENGAGEMENT else INPUTS[0]
    if fact.kind == ENGAGEMENT:
        value["kind"] = "login" if fact.qualifies else "email_open"
    else:
        value["type"] = {ORDER: "order", REFUND: "refund", CANCEL: "cancel"}[fact.kind]
        value["order_id"] = fact.order_id
    if fact.kind in (ORDER, REFUND):
        value |= {"amount": f"{fact.amount // 100}.{fact.amount % 100:02}", "currency": "GBP"}
    return Event(topic, home, fact.customer.encode(), json.dumps(value).encode())


def expected(facts: list[Fact]) -> dict[str, Customer]:
    """Ask the oracle what each customer is told."""
    laws = [Rules(systems_of(text), "UTC") for text in RULES]
    customers: dict[str, Customer] = {}
    for fact in facts:
        if fact.customer not in customers:
            customers[fact.customer] = Customer(laws[0], fact.customer)
        customer = customers[fact.customer]
        _turn(customer, laws, fact.ts)
        if not customer.facts:  # who comes later knows no other rules
            customer.rules = laws[sum(fact.ts > end for end in ENDS)]
        customer.apply(fact)
    for customer in customers.values():
        _turn(customer, laws, ENDS[-1])
        customer.settle(ENDS[-1], inclusive=True)
    return customers


def _turn(customer: Customer, laws: list[Rules], instant: int) -> None:
    """Put a customer through the changes of rules that come before an instant."""
    for place, end in enumerate(ENDS[:-1]):
        if customer.rules is laws[place] and end < instant and customer.facts:
            customer.settle(end, inclusive=True)
            change_rules(customer, laws[place + 1], end)


@pytest.mark.timeout(1_200)
async def test_rules_may_change_at_a_restart_whatever_is_killed_meanwhile(
    bench: Workbench, redis_url: str, full: bool
):
    deaths = 40 if full else 2
    facts = made_up(deaths * 75)
    names = sorted({fact.customer for fact in facts})
    homes = dict(zip(names, partitions_of([n.encode() for n in names], PARTITIONS), strict=True))
    stream = [event_of(fact, n, int(homes[fact.customer])) for n, fact in enumerate(facts)]
    store = redis.Redis.from_url(redis_url, decode_responses=True)
    store.flushdb()
    chance = random.Random(SEED)
    steps = sorted(STEPS)
    chance.shuffle(steps)
    recovery_s, died = 0.0, 0
    begun = FIRST_TS - 1
    for phase, end in enumerate(ENDS):
        ready = zip(facts, stream, strict=True)
        await bench.load([event for fact, event in ready if begun < fact.ts <= end])
        begun = end
        bench.env = {
            "REWAKE_CLOCK": "event", "REWAKE_UNTIL": str(end), "REWAKE_REDIS": redis_url,
            "REWAKE_RULES": str(bench.folder / f"rules-{phase}.toml"),
            "REWAKE_TICK_LIMIT": str(SLICE if phase else 1_000),
            "NUMBA_DISABLE_JIT": "0" if full else "1",  # a kernel for each of the rules otherwise
        }  # fmt: skip
        for _ in range(deaths // 2 if phase else 0):
            step, passed = steps[died % len(steps)], chance.randint(1, MOST_PASSED)
            worker = bench.run(
                [sys.executable, "-m", "tests.faults.changing_worker"],
                DIE_IN=step, DIE_AT=str(passed),
            )  # fmt: skip
            assert await bench.ends(worker, PATIENCE_S) == -9, bench.log()
            died += 1
        started = time.monotonic()
        worker = bench.start_real()

        async def settled(instant: int = end) -> bool:
            assert bench.workers[-1].poll() is None, bench.log()
            clocks = store.hgetall(CLOCK_KEY)
            return len(clocks) == PARTITIONS and set(clocks.values()) == {str(instant)}

        await until(settled, PATIENCE_S, every=0.1)
        recovery_s = max(recovery_s, time.monotonic() - started) if phase else 0.0
        worker.terminate()
        assert await bench.ends(worker) == 0
        assert ("customers are under the new rules" in bench.log()) == (phase > 0)
    customers = expected(facts)
    told = await _told(bench)
    want = {name: [_essence(c) for c in each.changes] for name, each in customers.items()}
    assert told == {name: changes for name, changes in want.items() if changes}
    rules = sum(change[4] == "rules" for changes in told.values() for change in changes)
    assert rules > len(names)
    await _assert_rows_are_all_under_the_last_rules(bench, customers)
    _assert_cache_agrees(store, customers)
    store.close()
    note(
        "rules changed between restarts, killed while customers were brought over", tried=died,
        recovery_s=recovery_s, customers=len(names), changes=sum(map(len, told.values())),
        by_rules=rules,
    )  # fmt: skip
    if full:
        await _assert_another_time_zone_is_refused(bench)


def _essence(change: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(change[name] for name in ("system", "from", "to", "at", "cause", "sequence"))


async def _told(bench: Workbench) -> dict[str, list[tuple[Any, ...]]]:
    """Read all changes, as they stand in the topic."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for _, key, value, _ in await bench.read(topics.CHANGES):
        found.setdefault(key.decode(), []).append(_essence(json.loads(value)))
    return found


async def _assert_rows_are_all_under_the_last_rules(
    bench: Workbench, customers: dict[str, Customer]
) -> None:
    records = await bench.read(topics.changelog(APP))
    rows = {key: value for _, key, value, _ in records if not key.startswith(b"\xff")}
    engine = Engine(load(bench.folder / "rules-2.toml"))
    engine.load_rows(list(rows), list(rows.values()))  # refuses what any other rules have written
    engine.wind()
    assert not engine.tick(ENDS[-1]).build_changes(0)
    found = {
        profile.customer_id: {key: each.segment for key, each in profile.systems.items()}
        for profile in engine.profiles(np.arange(engine.customers))
    }
    assert found == {name: each.told for name, each in customers.items()}


def _assert_cache_agrees(store: redis.Redis, customers: dict[str, Customer]) -> None:
    for name, customer in customers.items():
        cached = store.hgetall(customer_key(name))
        systems = {key for key in cached if f"{key}.since" in cached}
        assert {key: cached[key] for key in systems} == customer.told


async def _assert_another_time_zone_is_refused(bench: Workbench) -> None:
    before = sorted(await bench.read(topics.changelog(APP)))
    worker = bench.start_real(REWAKE_RULES=str(bench.folder / "rules-3.toml"))
    assert await bench.ends(worker, PATIENCE_S) == 1
    assert "RulesChanged" in bench.log()
    assert "expected days of UTC, as the state counts them, got Europe/London" in bench.log()
    assert sorted(await bench.read(topics.changelog(APP))) == before
