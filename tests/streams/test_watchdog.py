"""The watchdog: a worker that stands still although there is input stops loudly."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from schemas.errors import Stalled
from segmenters.instants import NEVER
from streams.lanes import Lane
from streams.metrics import Metrics
from streams.position import FORMAT, InputPosition, PositionRecord
from streams.topic_lane import Answer, Position
from streams.watchdog import Watchdog

TPS = TP("t", 0)


class Bench:
    """A watchdog over one partition whose log ends somewhere."""

    def __init__(self) -> None:
        self.end = 100
        self.failure: Exception | None = None
        self.failed_with: Exception | None = None
        self.rebalancing = False
        self.restored = 0
        self.consumer = self
        self.conf = SimpleNamespace(id="group")
        self.lane = Lane({"t": Position(40, NEVER)}, {"t": 0})
        ownership: Any = SimpleNamespace(
            partitions={0: SimpleNamespace(lane=self.lane, rests=True, waiting=0)},
            inputs=["t"],
            check_counts=lambda: None,
            restored=lambda: self.restored,
        )
        self.record: PositionRecord | None = None
        self.ledger = SimpleNamespace(state_of=lambda _: SimpleNamespace(record=self.record))
        self.metrics = Metrics()
        self.dog = Watchdog(self, ownership, self.metrics, stall_s=10.0)

    async def log_range(self, tps: list[TP]) -> dict[TP, tuple[int, int]]:
        return dict.fromkeys(tps, (0, self.end))

    def fail(self, error: Exception) -> None:
        self.failed_with = error

    def let_pass(self, seconds: float) -> None:
        self.dog._moved = {tp: (at, since - seconds) for tp, (at, since) in self.dog._moved.items()}
        if self.dog._rebalancing is not None:
            most, since = self.dog._rebalancing
            self.dog._rebalancing = (most, since - seconds)


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


async def test_what_is_applied_but_not_committed_is_no_progress(bench: Bench):
    bench.dog._ownership.partitions[0].rests = False  # type: ignore[misc]
    for number in range(4):
        bench.lane.append("t", _empty(40 + number, 41 + number))
        bench.record = PositionRecord(FORMAT, {"t": InputPosition(30)}, 0, "", "")
        if number == 3:
            with pytest.raises(Stalled, match="at offset 30"):
                await bench.dog._look()
        else:
            await bench.dog._look()
            bench.let_pass(4)


async def test_customers_brought_under_other_rules_are_progress(bench: Bench):
    partition: Any = bench.dog._ownership.partitions[0]
    for partition.waiting in (3_000, 2_000, 1_000):
        await bench.dog._look()
        bench.let_pass(9)
    bench.let_pass(2)
    with pytest.raises(Stalled):
        await bench.dog._look()


@pytest.mark.parametrize("rebalancing", [False, True])
async def test_the_time_without_a_broker_does_not_count(bench: Bench, rebalancing: bool):
    bench.rebalancing = rebalancing
    await bench.dog._look()
    bench.let_pass(1_000)
    ends, bench.end = bench.log_range, -1

    async def away(_: list[TP]) -> dict[TP, tuple[int, int]]:
        raise KafkaConnectionError

    bench.log_range = away  # type: ignore[method-assign]
    bench.dog._look_s = 0.01
    await bench.dog.start()
    await asyncio.sleep(0.1)
    bench.log_range, bench.end = ends, 100  # type: ignore[method-assign]
    await asyncio.sleep(0.1)
    await bench.dog.stop()
    assert bench.failed_with is None


async def test_a_watchdog_that_fails_stops_the_worker(bench: Bench):
    bench.log_range = None  # type: ignore[assignment, method-assign]
    bench.dog._look_s = 0.01
    await bench.dog.start()
    await asyncio.sleep(0.1)
    await bench.dog.stop()
    assert isinstance(bench.failed_with, TypeError)


def test_a_worker_whose_loop_is_blocked_leaves() -> None:
    code = (
        "import asyncio, time; from types import SimpleNamespace as S; from streams import watchdog"
        "\nwatchdog.BEAT_S = 0.5\n"
        "dog = watchdog.Watchdog(S(failure=None), S(), S(), stall_s=0.4)\n"
        "async def main():\n await dog.start()\n time.sleep(20)\n"
        "asyncio.run(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=19, check=False
    )
    assert done.returncode == 1
    assert "event loop" in done.stdout


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
    bench.let_pass(21)
    with pytest.raises(Stalled, match="rebalance"):
        await bench.dog._look()


async def test_a_takeover_that_goes_on_may_take_as_long_as_its_state_is_large(bench: Bench):
    bench.rebalancing = True
    for restored in range(5):
        bench.restored = restored
        await bench.dog._look()
        bench.let_pass(19)
    bench.restored = 3  # read anew, after another rebalance
    await bench.dog._look()
    bench.let_pass(2)
    with pytest.raises(Stalled, match="stood still for 21 s"):
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


async def test_the_age_of_what_waits_begins_when_all_was_applied(bench: Bench):
    value = bench.metrics.registry.get_sample_value
    labels = {"group": "group", "topic": "t", "partition": "0"}
    bench.lane._topics[0].appended = 1  # the last event came long ago
    bench.end = 40
    await bench.dog._look()
    assert value("kafka_consumergroup_group_lag_seconds", labels) == 0
    bench.end = 41
    await bench.dog._look()
    assert 0 <= value("kafka_consumergroup_group_lag_seconds", labels) < 60


async def test_lag_of_a_partition_that_went_to_another_worker_is_shown_no_more(bench: Bench):
    await bench.dog._look()
    bench.dog._ownership.partitions.clear()
    await bench.dog._look()
    assert [
        sample.name
        for metric in (bench.metrics.lag, bench.metrics.lag_seconds, bench.metrics.latest)
        for family in metric.collect()
        for sample in family.samples
    ] == []
    value = bench.metrics.registry.get_sample_value
    assert value("kafka_consumergroup_group_sum_lag", {"group": "group"}) == 0
