"""Measure what live operation promises: how soon changes can be read, and how late deadlines fire.

Responsible for one live run on real Kafka and Redis with a sending and a reading process of their
own, in three sections: events alone; so many deadlines a second beside them; very many deadlines at
one instant. All processes share this machine's clock.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from redis import Redis

from bench.openloop import Load, send
from bench.seeded import seed, spread
from bench.stage import process, stage
from bench.witness import witness
from schemas.profiles import CLOCK_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from bench.stage import Stage, Worker

PARTITIONS = 4
WARM_S = 20
GRACE_MS = 2_000
PROMISES = {
    "events: event due to change readable": 250,
    "silence: fired after its instant": 3_000,
    "mass: event due to change readable": 1_000,
    "mass: fired after its instant": 15_000,
}
"""Figure → milliseconds that 99 of 100 stay below; of the last one, all."""
MASS_S = 15
"""Seconds within which very many deadlines are promised to have fired."""
PATIENCE_S = 120
POOL = 20_000
"""Seeded customers whom the events concern, at most."""


class Plan(NamedTuple):
    """What is measured.

    Attributes
    ----------
    rate, seconds
        Events per second, and the length of each of the first two sections.
    customers
        Customers in the state before it begins.
    due
        Deadlines a second in the second section; 0 leaves it out.
    mass
        Deadlines at one instant; 0 leaves the third section out.
    lead
        Seconds for seeding, restoring and filling the cache, before the load begins; 0: by the
        number of customers.
    seed
        Source of chance.
    """

    rate: int = 5_000
    seconds: int = 30
    customers: int = 1_000_000
    due: int = 1_000
    mass: int = 100_000
    lead: int = 0
    seed: int = 1


class Spread(NamedTuple):
    """A distribution in milliseconds."""

    count: int
    p50: float
    p99: float
    most: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Spread:
        """Summarise values."""
        if not len(values):
            return cls(0, 0.0, 0.0, 0.0)
        return cls(len(values), *np.percentile(values, [50, 99, 100]).round(1).tolist())


class Figures(NamedTuple):
    """What one run showed.

    Attributes
    ----------
    spreads
        Name of a figure → its distribution.
    cpu
        Section → share of one core the worker took.
    wrong
        What did not fire once at its instant, in words; empty when all is exact.
    load
        Load average of the last minute: much above 2 says that others were at work, too.
    """

    spreads: dict[str, Spread]
    cpu: dict[str, float]
    wrong: list[str]
    load: float


class _Schedule(NamedTuple):
    """When what happens, epoch milliseconds."""

    begin: int
    silence: int
    mass: int
    end: int
    due: NDArray[np.int64]

    @classmethod
    def of(cls, plan: Plan, begin: int) -> _Schedule:
        length = 1000 * plan.seconds
        silence = begin + length
        mass = silence + (length + GRACE_MS + 1_000 if plan.due else 0)
        end = mass + (1000 * (MASS_S + 5) if plan.mass else 0)
        steady = silence + np.arange(plan.due * plan.seconds) * 1000 // max(plan.due, 1)
        due = np.concatenate((steady, np.full(plan.mass, mass))).astype(np.int64)
        return cls(begin, silence, mass, end, due)


def run(plan: Plan) -> Figures:
    """Seed, run, measure."""
    with stage(PARTITIONS) as servers:
        now = int(time.time() * 1000)
        lead = plan.lead or 40 + plan.customers // 8_000
        schedule = _Schedule.of(plan, now + 1000 * (lead + WARM_S))
        draw = np.random.default_rng(plan.seed)
        seed(servers.kafka, PARTITIONS, spread(plan.customers, schedule.due, now, draw))
        load = _load(plan, schedule, servers.kafka)
        with servers.worker() as worker, _witnessing(servers) as seen:
            worker.wait("rewake_ledger_customers", plan.customers, 60 + plan.customers / 10_000)
            with process(send, load, servers.base / "sent.npy"):
                _fill(worker, load.start / 1000)
                cpu, clocks = _watch(worker, servers, schedule)
        appended = np.load(servers.base / "sent.npy")
        return _judge(plan, schedule, load, appended, np.load(seen), cpu, clocks)


def _fill(worker: Worker, start: float) -> None:
    """Wait until the cache holds all customers, but not beyond the start of the load."""
    if time.time() > start:
        raise RuntimeError("the load was to begin before the worker was ready: raise --lead")
    while (behind := worker.metric("rewake_cache_behind_changes")) and time.time() < start - 1:
        worker.check()
        time.sleep(0.5)
    ahead = start - time.time()
    left = f"{behind or 0:.0f} profiles not yet in the cache"
    print(f"ready {ahead:.0f} s ahead, {left}", file=sys.stderr)


def _load(plan: Plan, schedule: _Schedule, kafka: str) -> Load:
    start = schedule.begin - WARM_S * 1000
    first = len(schedule.due)
    return Load(
        kafka, PARTITIONS, start, (schedule.end - start) / 1000, plan.rate,
        (first, min(first + POOL, plan.customers)), seed=plan.seed,
    )  # fmt: skip


@contextmanager
def _witnessing(servers: Stage) -> Iterator[Path]:
    spawn = multiprocessing.get_context("spawn")
    ready, over = spawn.Event(), spawn.Event()
    out = servers.base / "seen.npy"
    with process(witness, servers.kafka, PARTITIONS, ready, over, out):
        try:
            if not ready.wait(60):
                raise RuntimeError("the reading process was not ready in 60 s")
            yield out
        finally:
            over.set()


def _watch(
    worker: Worker, servers: Stage, schedule: _Schedule
) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Return the worker's share of a core by section, and how old the published clock was."""
    cpu, ages = {}, []
    ends = {"events": schedule.silence, "silence": schedule.mass, "mass": schedule.end}
    begin = schedule.begin
    with Redis.from_url(servers.redis, decode_responses=True) as redis:
        time.sleep(max(0.0, begin / 1000 - time.time()))
        for name, end in ends.items():
            before = worker.cpu_s()
            while (now := time.time() * 1000) < end:
                clocks = redis.hvals(CLOCK_KEY)
                ages.append(now - min(map(int, clocks)) if clocks else np.inf)
                worker.check()
                time.sleep(0.1)
            if end > begin:
                cpu[name] = round((worker.cpu_s() - before) / (end - begin) * 1000, 2)
            begin = end
        _settled(worker, redis, schedule)
    return cpu, np.array(ages)


def _settled(worker: Worker, redis: Redis, schedule: _Schedule) -> None:
    """Wait, bounded, until the published clocks say that all deadlines have fired."""
    last = int(schedule.due.max(initial=0))
    bound = time.monotonic() + PATIENCE_S
    while time.monotonic() < bound:
        clocks = [int(clock) for clock in redis.hvals(CLOCK_KEY)]
        if len(clocks) == PARTITIONS and min(clocks) > last:
            return
        worker.check()
        time.sleep(0.5)


def _judge(
    plan: Plan, schedule: _Schedule, load: Load, appended: NDArray[np.int64],
    seen: NDArray, cpu: dict[str, float], clocks: NDArray[np.float64],
) -> Figures:  # fmt: skip
    spreads: dict[str, Spread] = {}
    made = seen[seen["event"] >= 0]
    _, firsts = np.unique(made["event"], return_index=True)
    made = made[firsts]
    due = load.due()[made["event"]]
    sections = {"events": (schedule.begin, schedule.silence)}
    if plan.due:
        sections["silence"] = (schedule.silence + GRACE_MS, schedule.mass)
    fired = seen[seen["silent"] & seen["by_clock"] & (seen["customer"] >= 0)]
    mass = fired[fired["customer"] >= plan.due * plan.seconds]
    if plan.mass:
        last = mass["read"].max() if len(mass) else schedule.end
        sections["mass"] = (schedule.mass + GRACE_MS, int(last))
        spreads["mass: fired after its instant"] = Spread.of(mass["read"] - mass["at"])
    if plan.due:
        steady = fired[fired["customer"] < plan.due * plan.seconds]
        spreads["silence: fired after its instant"] = Spread.of(steady["read"] - steady["at"])
    for name, (begin, end) in sections.items():
        inside = (due >= begin) & (due < end)
        part, since = made[inside], due[inside]
        landed = appended[part["event"]]
        spreads[f"{name}: event due to change readable"] = Spread.of(part["read"] - since)
        spreads[f"{name}:   due to appended"] = Spread.of(landed - since)
        spreads[f"{name}:   appended to judged"] = Spread.of(part["seen_at"] - landed)
        spreads[f"{name}:   judged to written"] = Spread.of(part["written"] - part["seen_at"])
        spreads[f"{name}:   written to read"] = Spread.of(part["read"] - part["written"])
    spreads["published clock's age"] = Spread.of(clocks)
    return Figures(spreads, cpu, _inexact(schedule, fired), round(os.getloadavg()[0], 1))


def _inexact(schedule: _Schedule, fired: NDArray) -> list[str]:
    """Say which deadlines did not fire exactly once, at their instant."""
    times = np.bincount(fired["customer"], minlength=len(schedule.due))
    wrong = []
    if (times != 1).any() or len(times) > len(schedule.due):
        never, often = int((times == 0).sum()), int((times > 1).sum())
        wrong.append(f"{never} deadlines did not fire, {often} more than once")
    elif (fired["at"] != schedule.due[fired["customer"]]).any():
        wrong.append("deadlines fired with an instant that is not theirs")
    return wrong
