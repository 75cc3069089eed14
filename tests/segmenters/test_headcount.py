"""Counting by segment: the same as asking every customer, whatever happens between two slices."""

from __future__ import annotations

import random
from collections import Counter

from schemas.vocabulary import MS_PER_DAY, Kind
from segmenters.batch import EventBatch
from segmenters.engine import Engine
from segmenters.headcount import REVENUE_DAYS, Headcount
from segmenters.rules import defaults, loads

START = 1_700_000_000_000
CUSTOMERS = 150
DAYS = 700


def trade(seed: int, count: int) -> tuple[EventBatch, list[tuple[bytes, int, int]]]:
    """Make orders and refunds that name none; return them, and what each adds to its customer."""
    chance = random.Random(seed)
    facts = sorted(
        (
            START + chance.randrange(DAYS * MS_PER_DAY),
            b"c-%d" % chance.randrange(CUSTOMERS),
            Kind.ORDER if chance.random() < 0.9 else Kind.REFUND,
            chance.randrange(90_000),
            number,
        )
        for number in range(count)
    )
    tss, who, kinds, amounts, numbers = map(list, zip(*facts, strict=True))
    ids = [f"{seed}-{number}" for number in numbers]
    orders = [1 + number for number in numbers]
    nobodys = [
        0 if kind == Kind.REFUND else order for kind, order in zip(kinds, orders, strict=True)
    ]
    batch = EventBatch.from_columns(
        who, tss, [int(kind) for kind in kinds], amounts, nobodys,
        [hash(each) | 1 for each in ids], [False] * count, ids,
    )  # fmt: skip
    signed = [a if k == Kind.ORDER else -a for k, a in zip(kinds, amounts, strict=True)]
    return batch, list(zip(who, tss, signed, strict=True))


def counted(engine: Engine, clock: int, size: int) -> Headcount:
    headcount = engine.headcount(clock)
    while headcount.step(size):
        pass
    return headcount


def test_every_customer_is_counted_once_with_the_spend_of_the_last_365_days() -> None:
    engine = Engine(defaults())
    batch, spent = trade(1, 3_000)
    engine.apply(batch)
    clock = START + (DAYS + 1) * MS_PER_DAY
    while engine.tick(clock).more:
        pass
    profiles = engine.profiles(engine.find_rows([b"c-%d" % n for n in range(CUSTOMERS)]))
    today = clock // MS_PER_DAY
    revenue: Counter[str] = Counter()
    for who, ts, amount in spent:
        if today - REVENUE_DAYS < ts // MS_PER_DAY <= today:
            revenue[who.decode()] += amount
    result = counted(engine, clock, size=7).result()
    assert set(result) == {system.key for system in engine.rules.systems}
    for system, segments in result.items():
        customers: Counter[str] = Counter()
        money: Counter[str] = Counter()
        for profile in profiles:
            segment = profile.systems[system].segment
            customers[segment] += 1
            money[segment] += revenue[profile.customer_id]
        assert {s: n for s, (n, _) in segments.items() if n} == customers
        assert {s: m for s, (_, m) in segments.items() if m} == {
            s: m for s, m in money.items() if m
        }
    assert sum(n for n, _ in result["lifecycle"].values()) == CUSTOMERS
    assert sum(m for _, m in result["lifecycle"].values()) == sum(revenue.values()) != 0


def test_the_window_ends_with_the_day_of_the_clock() -> None:
    engine = Engine(loads("[systems.monetary_tier]"))
    order = EventBatch.from_columns([b"c"], [START], [0], [95], [1], [1], [False], ["e"])
    engine.apply(order)

    def revenue(clock: int) -> int:
        standings = counted(engine, clock, 10).result()["monetary_tier"].values()
        return sum(standing.revenue for standing in standings)

    day = START // MS_PER_DAY * MS_PER_DAY
    assert revenue(day - 1) == 0
    assert revenue(day) == 95
    assert revenue(day + REVENUE_DAYS * MS_PER_DAY - 1) == 95
    assert revenue(day + REVENUE_DAYS * MS_PER_DAY) == 0


def orders_of(names: list[bytes]) -> EventBatch:
    size = len(names)
    ids, same = list(range(1, size + 1)), [START] * size
    return EventBatch.from_columns(
        names, same, [int(Kind.ORDER)] * size, ids, ids, ids, [False] * size, [str(n) for n in ids]
    )


def test_customers_who_come_while_it_counts_are_counted_once() -> None:
    engine = Engine(loads("[systems.lifecycle]"))
    engine.apply(orders_of([b"c-%d" % number for number in range(60)]))
    headcount = engine.headcount(START)
    headcount.step(5)
    engine.apply(orders_of([b"n-%d" % number for number in range(5_000)]))  # the arrays move
    while headcount.step(500):
        pass
    assert headcount.result()["lifecycle"]["new"].customers == 5_060


def test_customers_nobody_has_told_of_are_nobodys() -> None:
    engine = Engine(loads("[systems.lifecycle]"))
    engine.apply(
        EventBatch.from_columns([b"c"], [START], [int(Kind.REFUND)], [5], [0], [1], [False], ["r"])
    )
    assert engine.customers == 1
    standings = counted(engine, START, 10).result()["lifecycle"].values()
    assert sum(standing.customers for standing in standings) == 0


def test_nobody_is_counted_where_nobody_is_known() -> None:
    headcount = Engine(loads("[systems.lifecycle]")).headcount(START)
    assert not headcount.step()
    assert set(headcount.result()["lifecycle"].values()) == {(0, 0)}
