"""A worker that stands still without a word says so and leaves, and the next one goes on."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.figures import note
from tests.faults.shop import Shop
from tests.streams.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

STALL_S = 6.0


@pytest.mark.parametrize("fault", ["wedge lanes", "wedge commits"])
async def test_work_that_stops_without_a_word_ends_the_worker_in_time(
    kafka: str, tmp_path: Path, fault: str
):
    async with Shop(kafka, tmp_path, customers=300, span_s=20) as shop:
        shop.keep(1, fault, REWAKE_STALL_TIMEOUT=f"{STALL_S}s", REWAKE_SHUTDOWN_TIMEOUT="3s")
        await shop.at_work()
        async with shop.selling():
            began = time.monotonic()
            await eventually(lambda: shop.ended, 60, 0.1)
            took = time.monotonic() - began
        assert shop.ended[0] == (1, "stalled")
        assert "expected progress, got none" in shop.log()
        await shop.stop()
        shop.keep(1)
        await asyncio.sleep(0)
        outcome = await shop.assert_exact()
        note(f"stalled: {fault}", tried=1, recovery_s=took, **outcome.figures)
