"""The watchdog: a worker that stands still although there is input stops loudly."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from schemas.errors import Stalled
from segmenters.instants import NEVER
from streams.lanes import Lane
from streams.metrics import Metrics
from streams.topic_lane import Answer, Position
from streams.watchdog import Watchdog

TPS = TP("t", 0)


class Bench:
    """A watchdog over one partition whose log ends somewhere."""

    def __init__(self) -> None:
        self.end = 100
        self.failure: Exception | None = None
        self.rebalancing = False
        self.consumer = self
        self.conf = SimpleNamespace(id="group")
        self.lane = Lane({"t": Position(40, NEVER)}, {"t": 0})
        ownership: Any = SimpleNamespace(
            partitions={0: SimpleNamespace(lane=self.lane)}, check_counts=lambda: None
        )
        self.metrics = Metrics()
        self.dog = Watchdog(self, ownership, self.metrics, stall_s=10.0)

    async def log_range(self, tps: list[TP]) -> dict[TP, tuple[int, int]]:
        return dict.fromkeys(tps, (0, self.end))

    def let_pass(self, seconds: float) -> None:
        self.dog._moved = {tp: (at, since - seconds) for tp, (at, since) in self.dog._moved.items()}


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_input_without_progress_is_a_stall(bench: Bench):
    await bench.dog._look()
    bench.let_pass(9)
    await bench.dog._look()
    bench.let_pass(2)
    with pytest.raises(Stalled, match="at offset 40, the log ends at 100"):
        await bench.dog._look()


async def test_an_input_that_is_read_to_its_end_may_rest(bench: Bench):
    bench.end = 40
    await bench.dog._look()
    bench.let_pass(1_000)
    await bench.dog._look()
    assert bench.dog._moved[TPS][0] == 40


async def test_progress_starts_the_time_anew(bench: Bench):
    await bench.dog._look()
    bench.let_pass(9)
    bench.lane.append("t", _empty(40, 60))
    await bench.dog._look()
    bench.let_pass(9)
    await bench.dog._look()
    assert bench.dog._moved[TPS][0] == 60


async def test_a_rebalance_that_does_not_end_is_a_stall(bench: Bench):
    bench.rebalancing = True
    await bench.dog._look()
    bench.dog._rebalancing_since = time.monotonic() - 21
    with pytest.raises(Stalled, match="rebalance"):
        await bench.dog._look()


async def test_lag_is_published_under_the_names_dashboards_know(bench: Bench):
    await bench.dog._look()
    value = bench.metrics.registry.get_sample_value
    labels = {"group": "group", "topic": "t", "partition": "0"}
    assert value("kafka_consumergroup_group_lag", labels) == 60
    assert value("kafka_consumergroup_group_sum_lag", {"group": "group"}) == 60
    assert value("kafka_partition_latest_offset", {"topic": "t", "partition": "0"}) == 100


def test_a_worker_whose_loop_stands_still_is_ill(bench: Bench):
    assert bench.dog.ailing() is None
    bench.dog._beat -= 31
    assert "event loop" in str(bench.dog.ailing())


def test_a_worker_that_stops_says_why(bench: Bench):
    bench.failure = Stalled("on purpose")
    assert bench.dog.ailing() == "stopping: on purpose"


def _empty(begin: int, end: int) -> Any:
    from tests.streams.runs import run_of

    return run_of({}, begin, end)


async def test_a_topic_held_by_an_open_transaction_of_another_is_no_stall(bench: Bench):
    bench.lane = Lane({"t": Position(40, NEVER), "open": Position(7, NEVER)}, {"t": 0, "open": 0})
    bench.dog._ownership.partitions[0].lane = bench.lane  # type: ignore[misc]
    now = time.time_ns() // 1_000_000
    bench.lane.answered("open", Answer(now, 7, caught_up=False, epoch=0))
    await bench.dog._look()
    bench.let_pass(1_000)
    await bench.dog._look()
    bench.lane.answered("open", Answer(now - 60_000, 7, caught_up=False, epoch=0, number=1))
    bench.let_pass(1_000)
    with pytest.raises(Stalled):
        await bench.dog._look()
