"""Clocks that are wrong, the workers' and the producers': nothing early, nothing twice."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from schemas import topics
from streams.bulk import reading
from streams.partitioner import partitions_of
from tests.faults.figures import note
from tests.faults.shop import Shop
from tests.oracle_book import DAY_MS, ORDER, Fact
from tests.streams.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.streams.workbench import Worker

HOUR_S = 3600


def start(shop: Shop, offset: Path, name: str) -> Worker:
    """Start a worker whose wall clock a file sets."""
    command = [sys.executable, "-m", "tests.faults.jumping_worker"]
    return shop.run(command, OFFSET=str(offset), REWAKE_INSTANCE=name)


async def earliness(shop: Shop) -> int:
    """Return how long before its deadline and the grace a change by time was told, at most, in ms.

    The broker stamps what is appended, and its clock is right: above 0 is early. Of customers who
    do nothing any more: where a fact follows a deadline, it says by itself that time has passed.
    """
    worst = -DAY_MS
    async with reading({"bootstrap_servers": shop.kafka}) as reader:
        for tp, span in (await reader.ranges(topics.CHANGES, shop.partitions)).items():
            for record in await reader.read(tp, *span):
                change = json.loads(record.value)
                if change["cause"] == "clock" and change["customer_id"] in shop.trade.dues:
                    worst = max(worst, change["at"] + shop.grace_ms - record.timestamp)
    return worst


@pytest.mark.timeout(600)
async def test_wall_clocks_that_jump_by_an_hour_make_nothing_happen_early_or_twice(
    kafka: str, tmp_path: Path, full: bool
):
    rounds, hold_s = (10, 6) if full else (1, 2)
    offset, right = tmp_path / "offset", tmp_path / "right"
    offset.write_text("0")
    right.write_text("0")
    span_s = 30 * rounds
    async with Shop(kafka, tmp_path, customers=240, rate=60, span_s=span_s) as shop:
        jumping = start(shop, offset, "a")
        start(shop, right, "b")
        await shop.at_work()
        recovery_s = 0.0
        async with shop.selling():
            for _ in range(rounds):
                for seconds in (HOUR_S, -HOUR_S, 0, HOUR_S):
                    await jump(jumping, offset, seconds)
                    await asyncio.sleep(hold_s)
                jumping.kill()  # with a clock that is wrong: the others take over from it
                offset.write_text(str(-HOUR_S))
                jumping = start(shop, offset, "a")  # and it starts with one that is wrong
                await asyncio.sleep(hold_s)
                await jump(jumping, offset, 0)
                recovery_s = max(recovery_s, await shop.recovered())
        await shop.fired(max(shop.trade.dues.values()) + 1, 90 * rounds)
        outcome = await shop.assert_exact()
        assert await earliness(shop) <= 0
    note(
        "wall clocks jump by an hour", tried=5 * rounds, recovery_s=recovery_s,
        changes=outcome.changes, by_clock=outcome.by_clock,
    )  # fmt: skip


async def jump(worker: Worker, offset: Path, seconds: int) -> None:
    """Have a worker's wall clock jump, and see to it that it did."""
    seen = offset.with_suffix(".seen")
    await asyncio.to_thread(offset.write_text, str(seconds))
    worker.send_signal(signal.SIGRTMIN)
    await eventually(lambda: seen.read_text() == str(seconds), 10, 0.05)


@pytest.mark.timeout(600)
async def test_producers_whose_clocks_are_a_day_wrong_move_no_clock(
    kafka: str, tmp_path: Path, full: bool
):
    many = 400 if full else 40
    async with Shop(kafka, tmp_path, customers=240, rate=60, span_s=20) as shop:
        trade = shop.trade
        slow = [f"slow-{number}" for number in range(many)]
        homes = partitions_of([name.encode() for name in slow], shop.partitions).tolist()
        trade.names += slow
        trade._homes |= dict(zip(slow, homes, strict=True))
        shop.start_real()
        await shop.at_work()
        async with shop.selling():
            for number, name in enumerate(slow):
                now = time.time_ns() // 1_000_000
                ids = {"event_id": f"x-{number}", "order_id": f"x-{number}"}
                ahead = Fact(trade.names[0], now + DAY_MS, ORDER, amount=1, **ids)
                await shop.append([trade.tell(ahead)])
                behind = trade._do(trade._order(name, now - DAY_MS, 5_000))
                await shop.sell([behind], late=True)
                await asyncio.sleep(4 / many)
        await shop.fired(max(trade.dues.values()) + 1)
        outcome = await shop.assert_exact()
        letters = await shop.read(topics.DEAD_LETTERS)
        reasons = [dict(headers)["rewake-reason"] for _, _, _, headers in letters]
        assert reasons == [b"future_timestamp"] * many
        assert await earliness(shop) <= 0
    note("producers' clocks a day wrong", tried=2 * many, changes=outcome.changes)
