"""A partition brings its customers under the rules in force before it does anything else."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from tests.streams.counting import Tally
from tests.streams.partition_bench import A, B, Bench
from tests.streams.waiting import eventually


class Turning:
    """Customers of other rules, as many slices as there are."""

    settled = told = moved = 0
    before = ()

    def __init__(self, bench: Bench, slices: int) -> None:
        self._bench = bench
        self.waiting = slices

    @property
    def more(self) -> bool:
        return self.waiting > 0

    def step(self, limit: int) -> Tally:
        assert limit == 100
        assert not self._bench.engine.rows, "a fact was applied before"
        assert not self._bench.engine.ticks, "time passed before"
        self.waiting -= 1
        self.moved += 1
        return Tally(np.zeros(0, np.int64))


def turning(slices: int) -> tuple[Bench, Turning, list[Any]]:
    bench = Bench({A: 30, B: 70})
    heard: list[Any] = []
    bench.listener.changed_over = lambda *what: heard.append(what)  # type: ignore[attr-defined]
    turning = Turning(bench, slices)
    bench.partition._changeover = turning  # before its task has run for the first time
    return bench, turning, heard


async def test_nothing_is_applied_and_no_time_passes_before_all_are_brought_over():
    bench, customers, heard = turning(40)
    await bench.run_until_applied()
    await bench.partition.effects.drained()
    bench.assert_exact()
    assert customers.moved == 40
    assert [(partition, what) for partition, what, _ in heard] == [(0, customers)]
    assert bench.partition.waiting == 0
    assert bench.engine.ticks
    await bench.partition.quiesce(2)


async def test_a_release_in_the_middle_waits_for_what_is_under_way_and_no_more():
    bench, customers, heard = turning(1_000_000)
    bench.broker.slow = 0.02
    await eventually(lambda: customers.moved > 10)
    assert await bench.partition.quiesce(5)
    assert customers.more
    assert not heard
    moved = customers.moved
    await asyncio.sleep(0.05)
    assert customers.moved == moved
