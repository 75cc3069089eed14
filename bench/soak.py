"""Run live for long, and see whether anything grows that should not.

Responsible for a steady load on customers who are all known before, and for reading the worker's
memory, file descriptors, tasks and threads from outside. What may grow, and by how much, stands in
`ALLOWED`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from bench.openloop import Load, pour
from bench.seeded import seed, spread
from bench.stage import process, stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.stage import Stage, Worker

PARTITIONS: Final = 4
CUSTOMERS: Final = 50_000
PIECE_S: Final = 5.0
EVERY_S: Final = 1.0
WARM_SHARE: Final = 0.25
BURST: Final = 200_000
"""Events from whose time the maximum rate is taken."""
MEMORY_MIB: Final = 24.0
MEMORY_MIB_PER_HOUR: Final = 20.0
LOADED_S: Final = 120.0
ALLOWED: Final = {"file descriptors": 8, "tasks": 16, "threads": 4}
"""By how much each may be higher at the end than at the start: a worker that falls behind on a busy
machine has some ten tasks more at work."""


class Plan(NamedTuple):
    """How long, how fast.

    Attributes
    ----------
    minutes
        Length, a quarter of it to warm up.
    rate
        Events per second; 0 takes half of what the worker has been seen to do.
    seed
        Source of chance.
    """

    minutes: float = 2.0
    rate: int = 0
    seed: int = 1


class Sample(NamedTuple):
    """One look at the worker."""

    seconds: float
    memory_mib: float
    file_descriptors: int
    tasks: int
    threads: int


class Figures(NamedTuple):
    """What was seen.

    Attributes
    ----------
    rate
        Events per second that were sent.
    memory_mib_per_hour, memory_allowed
        Slope of the resident memory by least squares after the warm-up, and its bound.
    first, last
        The least seen in the first and in the last quarter of the time after the warm-up.
    minutes
        Length of that time.
    grown
        What grew beyond its bound, in words; empty when nothing did.
    """

    rate: int
    memory_mib_per_hour: float
    memory_allowed: float
    first: Sample
    last: Sample
    minutes: float
    grown: list[str]

    def lines(self) -> Iterator[str]:
        """Say it for people."""
        yield f"{self.rate} events/s, measured for {self.minutes} minutes after the warm-up"
        yield (
            f"{'memory':18} {self.first.memory_mib:8.1f} {self.last.memory_mib:8.1f} MiB, "
            f"{self.memory_mib_per_hour:+.1f} MiB/h, allowed {self.memory_allowed:.0f}"
        )
        for name, most in ALLOWED.items():
            before, after = _named(self.first, name), _named(self.last, name)
            yield f"{name:18} {before:8} {after:8}, allowed +{most}"
        yield "; ".join(self.grown) or "nothing grew"


def run(plan: Plan) -> Figures:
    """Seed, find the rate, run, look."""
    with stage(PARTITIONS) as servers:
        now = int(time.time() * 1000)
        draw = np.random.default_rng(plan.seed)
        seed(servers.kafka, PARTITIONS, spread(CUSTOMERS, np.zeros(0, np.int64), now, draw))
        with servers.worker() as worker:
            worker.wait("rewake_ledger_customers", CUSTOMERS, 60)
            rate = plan.rate or _maximum(plan, servers, worker) // 2
            start = int(time.time() * 1000) + 3_000
            load = _load(plan, servers, start, 60 * plan.minutes, rate)
            with process(pour, load, PIECE_S):
                before = 0 if plan.rate else BURST
                _wait_for_load(worker, before)
                samples = list(_look(worker, time.time(), load.seconds))
            sent = sum(piece.events for piece in load.pieces(PIECE_S))
            worker.wait("rewake_events_consumed_total", before + sent, 120)
    return judge(rate, samples)


def _load(plan: Plan, servers: Stage, start: int, seconds: float, rate: int) -> Load:
    known = (0, CUSTOMERS)
    return Load(servers.kafka, PARTITIONS, start, seconds, rate, known, fresh=0.0, seed=plan.seed)


def _maximum(plan: Plan, servers: Stage, worker: Worker) -> int:
    """Send as fast as it goes, and return how many events a second were applied."""
    load = _load(plan, servers, int(time.time() * 1000), 1.0, BURST)
    with process(pour, load._replace(first=1 << 40), 1.0):
        while not worker.metric("rewake_events_consumed_total"):
            time.sleep(0.05)
        begun = time.monotonic()
        worker.wait("rewake_events_consumed_total", BURST, 120)
    return int(BURST / (time.monotonic() - begun))


def _wait_for_load(worker: Worker, before: int) -> None:
    deadline = time.monotonic() + LOADED_S
    while (worker.metric("rewake_events_consumed_total") or 0) <= before:
        worker.check()
        if time.monotonic() > deadline:
            raise RuntimeError(f"expected events to arrive within {LOADED_S:.0f} s, none did")
        time.sleep(0.2)


def _look(worker: Worker, begin: float, seconds: float) -> Iterator[Sample]:
    while (now := time.time() - begin) < seconds:
        worker.check()
        if now > seconds * WARM_SHARE:
            tasks = int(worker.metric("rewake_tasks") or 0)
            seen = worker.process
            memory = seen.memory_info().rss / 2**20
            yield Sample(now, memory, seen.num_fds(), tasks, seen.num_threads())
        time.sleep(EVERY_S)


def judge(rate: int, samples: list[Sample]) -> Figures:
    """Say what grew.

    Examples
    --------
    >>> flat = [Sample(float(s), 200.0, 30, 50, 4) for s in range(60)]
    >>> judge(1, flat).grown
    []
    >>> leaking = [Sample(float(s), 200.0 + s, 30, 50 + s, 4) for s in range(60)]
    >>> judge(1, leaking).grown
    ['memory grows by 3600 MiB/h', 'tasks grew from 50 to 95']
    """
    # What a request takes for a moment is not growth: the least of the first and last quarter.
    quarter = max(1, len(samples) // 4)
    first, last = _least(samples[:quarter]), _least(samples[-quarter:])
    seconds = np.array([each.seconds for each in samples])
    slope = float(np.polyfit(seconds / 3600, [each.memory_mib for each in samples], 1)[0])
    hours = (samples[-1].seconds - samples[0].seconds) / 3600
    allowed = MEMORY_MIB / hours + MEMORY_MIB_PER_HOUR
    grown = [f"memory grows by {slope:.0f} MiB/h"] if slope > allowed else []
    for name, most in ALLOWED.items():
        before, after = _named(first, name), _named(last, name)
        if after > before + most:
            grown.append(f"{name} grew from {before} to {after}")
    return Figures(
        rate, round(slope, 1), round(allowed, 1), first, last, round(hours * 60, 1), grown
    )


def _least(samples: list[Sample]) -> Sample:
    """Return the least of each that was seen."""
    return Sample(*[min(column) for column in zip(*samples, strict=True)])


def _named(sample: Sample, name: str) -> int:
    return int(getattr(sample, name.replace(" ", "_")))
