"""A broker that goes away: the worker waits or stops in time, and nothing is lost or told twice."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.streams.waiting import eventually
from tests.streams.workbench import Workbench, events, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.local import LocalServers


@pytest.fixture
def bench(spare_servers: LocalServers, tmp_path: Path) -> Iterator[Workbench]:
    workbench = Workbench(spare_servers.start("kafka"), tmp_path)
    workbench.reset()
    try:
        yield workbench
    finally:
        spare_servers.start("kafka")
        workbench.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_after_an_outage_of_the_broker_the_state_is_exact(
    bench: Workbench, spare_servers: LocalServers, how: str
):
    await bench.load(events(30_000))
    bench.start()
    await eventually(lambda: "partition taken" in bench.log(), 60)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(getattr(spare_servers, how), "kafka")
    await asyncio.sleep(5)
    await asyncio.to_thread(spare_servers.start, "kafka")
    await bench.load(events(10_000, seed=2))
    if bench.workers[-1].poll() is not None:  # a transaction's outcome was unknown: it stopped
        assert bench.workers[-1].returncode == 1
        assert "producer_failed" in bench.log()
        bench.start()
    await until(bench.caught_up, 120)
    await bench.assert_exact()


@pytest.mark.timeout(600)
async def test_a_worker_that_is_told_to_stop_leaves_in_time_with_the_broker_away(
    bench: Workbench, spare_servers: LocalServers
):
    loading = asyncio.create_task(bench.load(events(40_000), per_second=8_000))
    worker = bench.start()
    await eventually(lambda: "partition taken" in bench.log(), 60)
    await loading
    await asyncio.to_thread(spare_servers.stop, "kafka")
    asked = time.monotonic()
    worker.terminate()
    await bench.ends(worker, 40)
    assert time.monotonic() - asked < 30
    await asyncio.to_thread(spare_servers.start, "kafka")
    bench.start()
    await until(bench.caught_up, 120)
    await bench.assert_exact()
