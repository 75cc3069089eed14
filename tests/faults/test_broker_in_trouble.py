"""A broker that restarts, dies or is away: workers wait without noise, lose nothing and go on."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.faults.figures import note
from tests.faults.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.local import LocalServers

WITHIN_S = 150
"""A hanging commit is given up after 45 s, a hanging stop after 25 s; then comes a restart."""
MOST_CPU = 0.25
MOST_GROWTH = 64 << 20


@pytest.fixture
def servers(spare_servers: LocalServers) -> Iterator[LocalServers]:
    """Give servers that run again afterwards, whatever the test did to them."""
    spare_servers.start("kafka")
    yield spare_servers
    spare_servers.start("kafka")


@pytest.mark.timeout(1800)
async def test_a_broker_that_restarts_dies_and_stays_away_costs_nothing(
    servers: LocalServers, tmp_path: Path, full: bool
):
    short = [("stop", 20), ("kill", 0)]
    long = [("stop", 0), ("kill", 0)] * 5 + [("stop", 120), ("kill", 120)]
    kafka, span_s = servers.endpoints().kafka, 500 if full else 90
    # Time without a broker must not count as a stall.
    # A broker that comes back may take seconds to append what was stamped just before.
    env = {"REWAKE_STALL_TIMEOUT": "15s", "REWAKE_GRACE": "8s"}
    async with Shop(kafka, tmp_path, customers=600, span_s=span_s, env=env) as shop:
        shop.keep(2)
        await shop.at_work()
        waits: list[float] = []
        cpu, growth = 0.0, 0
        async with shop.selling():
            for how, away_s in long if full else short:
                await asyncio.sleep(2)
                async with shop.closed():
                    await asyncio.to_thread(getattr(servers, how), "kafka")
                    if away_s:
                        used, grown = await watch(shop, away_s)
                        cpu, growth = max(cpu, used), max(growth, grown)
                    await asyncio.to_thread(servers.start, "kafka")
                waits.append(await shop.recovered(WITHIN_S))
        outcome = await shop.assert_exact()
        ended = [end for end in shop.ended if end[0] > 0]
        note(
            "broker restarted, killed, away", tried=len(waits), recovery_s=max(waits),
            cpu_away=round(cpu, 3), growth_away=growth, ended=ended, **outcome.figures,
        )  # fmt: skip
        assert cpu < MOST_CPU
        assert growth < MOST_GROWTH
        assert {code for _, code in ended} <= {"producer_failed", "RewakeError"}


async def watch(shop: Shop, seconds: float) -> tuple[float, int]:
    """Return the CPU the busiest worker uses and the bytes one grows by."""
    began = time.monotonic()
    used: dict[int, list[float]] = {}
    held: dict[int, list[int]] = {}
    while time.monotonic() < began + seconds:
        for number in range(len(shop.workers)):
            worker = shop.working(number)
            if worker is not None:
                try:
                    times, memory = worker.cpu_times(), worker.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
                used.setdefault(worker.pid, []).append(times.user + times.system)
                held.setdefault(worker.pid, []).append(memory)
        await asyncio.sleep(0.5)
    share = max(spent[-1] - spent[0] for spent in used.values()) / seconds
    return share, max(sizes[-1] - sizes[0] for sizes in held.values())


@pytest.mark.timeout(300)
async def test_a_worker_that_is_told_to_stop_leaves_in_time_with_the_broker_away(
    servers: LocalServers, tmp_path: Path
):
    async with Shop(servers.endpoints().kafka, tmp_path, customers=200, span_s=60) as shop:
        worker = shop.start_real()
        await shop.at_work()
        async with shop.selling():
            await asyncio.sleep(1)
            async with shop.closed():
                await asyncio.to_thread(servers.stop, "kafka")
                asked = time.monotonic()
                worker.terminate()
                await shop.ends(worker, 40)
                took = time.monotonic() - asked
                await asyncio.to_thread(servers.start, "kafka")
            shop.start_real()
            await shop.recovered(WITHIN_S)
        outcome = await shop.assert_exact()
        assert took < 30
        note("SIGTERM with the broker away", tried=1, left_s=round(took, 1), **outcome.figures)
