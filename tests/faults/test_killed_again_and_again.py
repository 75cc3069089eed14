"""Workers that are killed again and again make progress, and are well a minute later."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.figures import note
from tests.faults.shop import Shop
from tests.streams.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

HEALTHY_S = 60.0


@pytest.mark.timeout(600)
async def test_kills_all_the_time_and_in_a_burst_leave_progress_between_them(
    kafka: str, tmp_path: Path, full: bool
):
    storm_s, burst = (60, 20) if full else (15, 5)
    chance = random.Random(2)
    async with Shop(kafka, tmp_path, customers=600, span_s=2 * storm_s) as shop:
        shop.keep(1)
        shop.keep(1, named=False)  # the group waits for its session to end before it goes on
        await shop.at_work()
        async with shop.selling():
            before, kills, end = shop.applied, 0, time.monotonic() + storm_s
            while time.monotonic() < end:
                await asyncio.sleep(chance.uniform(0, 6))
                kills += await kill(shop, chance.randrange(2))
            await shop.changelog.read_on()
            progress = shop.applied - before
            for number in range(burst):
                kills += await kill(shop, number % 2)
            took = await shop.recovered(HEALTHY_S)
        outcome = await shop.assert_exact()
        assert progress > 0, "the workers got nowhere between the kills"
        assert [code for code, _ in shop.ended].count(-9) == kills
        note(
            "kill -9 every 0-6 s, then a burst", tried=kills, recovery_s=took,
            progress=progress, **outcome.figures,
        )  # fmt: skip


async def kill(shop: Shop, number: int) -> int:
    """Kill a worker as soon as there is one."""
    await eventually(lambda: shop.working(number))
    ended, worker = len(shop.ended), shop.working(number)
    worker.kill()
    await eventually(lambda: len(shop.ended) > ended)
    return 1
