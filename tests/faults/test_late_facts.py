"""Facts that arrive late, twice or far too late, through Kafka: corrections are the oracle's."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from schemas import topics
from tests.faults.figures import note
from tests.faults.followers import Changelog
from tests.faults.shop import DEFAULT_RULES
from tests.faults.trade import Trade
from tests.oracle_book import CANCEL, DAY_MS, ENGAGEMENT, ORDER, REFUND, Fact
from tests.oracle_late import Feed
from tests.properties.histories import systems_of
from tests.streams.workbench import APP, FIRST_TS, PARTITIONS, Workbench, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED = 7
CUSTOMERS = 250
PAST_DAYS = 420
CALLED = FIRST_TS + (PAST_DAYS + 100) * DAY_MS
"""Where the clock stands when the late facts come."""
END = CALLED + 200 * DAY_MS


@pytest.fixture
def bench(kafka: str, tmp_path: Path) -> Iterator[Workbench]:
    workbench = Workbench(kafka, tmp_path)
    workbench.reset()
    try:
        yield workbench
    finally:
        workbench.close()


def in_time(chance: random.Random) -> list[Fact]:
    """Make facts in order of time."""
    instants = sorted(chance.randrange(PAST_DAYS * DAY_MS) for _ in range(6 * CUSTOMERS))
    return [_fact(chance, f"e-{n}", FIRST_TS + at) for n, at in enumerate(instants)]


def late(chance: random.Random, before: list[Fact]) -> list[Fact]:
    """Make arrivals of any age, each customer's on one topic alone; some were seen before.

    A fact below the clock that is not late for its customer makes deadlines due at once, and it is
    for the batches to say whether they fire before the next arrival: it is its customer's last one.
    """
    arrivals, feed = [], _fed(before)
    done: set[str] = set()
    for number in range(4 * CUSTOMERS):
        age = int(520 * chance.random() ** 2 * DAY_MS)
        fact = _fact(chance, f"late-{number}", CALLED - 1 - age)
        kinds = [ENGAGEMENT] if int(fact.customer[2:]) % 3 == 0 else [ORDER, ORDER, REFUND, CANCEL]
        if fact.customer in done:
            continue
        arrivals.append(_turn(fact, chance.choice(kinds), before, chance))
        known, before_it = feed.customers.get(fact.customer), feed.late
        feed.apply(arrivals[-1])
        if known is None or (feed.late == before_it and fact not in feed.too_late):
            done.add(fact.customer)
        if chance.random() < 0.1:
            arrivals.append(arrivals[-1])
    return arrivals


def _fed(past: list[Fact]) -> Feed:
    feed = Feed(systems_of(DEFAULT_RULES.read_text(encoding="utf-8")))
    for fact in past:
        feed.apply(fact)
    feed.tick(CALLED, inclusive=True)
    return feed


def _fact(chance: random.Random, name: str, ts: int) -> Fact:
    who = f"c-{int(CUSTOMERS * chance.random() ** 1.5)}"
    if chance.random() < 0.4:
        return Fact(who, ts, ENGAGEMENT, event_id=name, qualifies=chance.random() < 0.7)
    return Fact(who, ts, ORDER, chance.randrange(1, 90_000), f"o-{name}", name)


def _turn(fact: Fact, kind: int, before: list[Fact], chance: random.Random) -> Fact:
    """Give a fact another kind; a refund or cancellation names an order of its customer, or not."""
    if kind == ENGAGEMENT:
        qualifies = chance.random() < 0.7
        return Fact(fact.customer, fact.ts, kind, event_id=fact.event_id, qualifies=qualifies)
    own = [each.order_id for each in before if each.customer == fact.customer and each.order_id]
    order = f"o-{fact.event_id}" if kind == ORDER else (chance.choice(own) if own else "unknown")
    amount = 0 if kind == CANCEL else chance.randrange(1, 90_000)
    return Fact(fact.customer, fact.ts, kind, amount, order, fact.event_id)


def told_by_the_oracle(past: list[Fact], arrivals: list[Fact]) -> tuple[set[Any], Feed]:
    """Feed the oracle the same arrivals and ticks."""
    feed = _fed(past)
    for fact in arrivals:
        feed.apply(fact)
    feed.tick(END, inclusive=True)
    names = ("customer_id", "sequence", "system", "from", "to", "at", "cause")
    return {(*(each[n] for n in names), each.get("corrects")) for each in feed.changes}, feed


def told(records: list[Any]) -> list[tuple[Any, ...]]:
    """Read changes as the oracle writes them: what is corrected, by its sequence."""
    changes = [json.loads(value) for _, _, value, _ in records]
    sequence_of = {change["id"]: change["sequence"] for change in changes}
    names = ("customer_id", "sequence", "system", "from", "to", "at", "cause")
    return [(*(c[n] for n in names), sequence_of.get(c["corrects"])) for c in changes]


async def reach(bench: Workbench, clock: int) -> None:
    """Wait until every partition's committed clock is there."""
    log = Changelog(bench.kafka, APP, PARTITIONS)

    async def there() -> bool:
        await log.read_on()
        return all(record is not None and record.clock == clock for record in log.records)

    await until(there, 120, 0.3)


@pytest.mark.timeout(300)
async def test_late_facts_correct_what_was_told_as_the_oracle_says(bench: Workbench):
    chance = random.Random(SEED)
    past = in_time(chance)
    arrivals = late(chance, past)
    trade = Trade(CUSTOMERS, PARTITIONS)
    bench.env = {"REWAKE_CLOCK": "event", "REWAKE_BATCH_EVENTS": "40"}

    await bench.load(trade.tell(fact) for fact in past)
    first = bench.start_real(REWAKE_UNTIL=str(CALLED))
    await reach(bench, CALLED)
    first.terminate()
    assert await bench.ends(first, 30) == 0
    known = len(await bench.read(topics.CHANGES))

    await bench.load(trade.tell(fact) for fact in arrivals)
    second = bench.start_real(REWAKE_UNTIL=str(END))

    async def corrected() -> bool:
        return len(await bench.read(topics.CHANGES)) > known

    await until(corrected, 120, 0.02)
    second.kill()
    third = bench.start_real(REWAKE_UNTIL=str(END))
    await reach(bench, END)
    third.terminate()
    await bench.ends(third, 30)

    expected, feed = told_by_the_oracle(past, arrivals)
    got = told(await bench.read(topics.CHANGES))
    assert len(got) == len(set(got))
    assert sorted(set(got) - expected, key=str)[:9] == []
    assert sorted(expected - set(got), key=str)[:9] == []
    letters = [headers for _, _, _, headers in await bench.read(topics.DEAD_LETTERS)]
    reasons = [dict(headers)["rewake-reason"] for headers in letters]
    assert reasons == [b"too_late"] * len(feed.too_late)
    corrections = sum(change[6] == "correction" for change in got)
    undone = sum(change[6] == "correction" and change[7] is not None for change in got)
    assert corrections > 100
    assert undone > 20
    assert len(feed.too_late) > 20
    assert feed.duplicates > 20
    note(
        "facts up to 520 days late, a kill -9 among them", tried=len(arrivals),
        corrections=corrections, too_late=len(feed.too_late), duplicates=feed.duplicates,
    )  # fmt: skip


@pytest.mark.timeout(300)
async def test_a_topic_that_is_a_month_ahead_waits_for_the_other_in_little_room(bench: Workbench):
    chance = random.Random(SEED)
    trade = Trade(CUSTOMERS, PARTITIONS)
    facts = []
    for number in range(200_000):  # 25,000 of each topic-partition: more than a lane takes
        ahead = number % 2
        ts = FIRST_TS + ahead * 30 * DAY_MS + number // 2 * 25_000  # 29 days of each
        who = f"c-{chance.randrange(CUSTOMERS)}"
        if ahead:
            facts.append(Fact(who, ts, ORDER, 100, f"o-{number}", f"e-{number}"))
        else:
            facts.append(Fact(who, ts, ENGAGEMENT, event_id=f"e-{number}", qualifies=False))
    await bench.load(trade.tell(fact) for fact in facts)
    end = FIRST_TS + 60 * DAY_MS
    worker = bench.start_real(REWAKE_CLOCK="event", REWAKE_UNTIL=str(end))
    await reach(bench, end)
    worker.terminate()
    assert await bench.ends(worker, 30) == 0
    first: dict[str, dict[str, Any]] = {}
    late_orders = 0
    for _, _, value, _ in await bench.read(topics.CHANGES):
        change = json.loads(value)
        late_orders += change["cause"] == "correction"
        if change["system"] == "lifecycle":
            first.setdefault(change["customer_id"], change)
    assert late_orders == 0, "an order was applied before the engagements of the month before"
    assert {change["to"] for change in first.values()} == {"prospect"}
    assert len(first) == CUSTOMERS
    assert "continuity" not in bench.log()
