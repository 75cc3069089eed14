"""A broker that lets little through: lag grows, memory does not, and nothing is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.faults.figures import note
from tests.faults.followers import Changelog
from tests.faults.quotas import throttled
from tests.faults.shop import Shop
from tests.streams.workbench import APP, PARTITIONS, Workbench, events, until

if TYPE_CHECKING:
    from pathlib import Path

GROWTH_BYTES = 64 << 20


async def lag_of(shop: Shop) -> int:
    """Count the offsets of the inputs that are not yet contained in what is committed."""
    return sum((await shop._input_ends()).values()) - await committed(shop.changelog)


async def committed(changelog: Changelog) -> int:
    """Sum up the offsets of the inputs that are contained in what is committed."""
    await changelog.read_on()
    records = [record for record in changelog.records if record is not None]
    return sum(at.offset for record in records for at in record.inputs.values())


@pytest.mark.timeout(900)
async def test_slow_topics_make_lag_grow_and_nothing_else(kafka: str, tmp_path: Path, full: bool):
    seconds = 120 if full else 10
    async with Shop(kafka, tmp_path, rate=80, span_s=seconds + 10) as shop:
        worker = psutil.Process(shop.start_real().pid)
        await shop.at_work(150)
        async with shop.selling():
            size = worker.memory_info().rss
            with throttled(shop, 10_000 if full else 4_000):
                await asyncio.sleep(seconds)
                lag = await lag_of(shop)
                grown = worker.memory_info().rss - size
            recovery_s = await shop.recovered()
        outcome = await shop.assert_exact()
    assert lag > 2 * seconds
    assert grown < GROWTH_BYTES
    assert "stopping" not in shop.log()
    note(
        "changes topic throttled", tried=1, recovery_s=recovery_s, lag=lag,
        grown_mib=grown >> 20, **outcome.figures,
    )  # fmt: skip


@pytest.mark.timeout(900)
async def test_what_does_not_fit_through_in_time_goes_in_smaller_transactions(
    kafka: str, tmp_path: Path, full: bool
):
    bench = Workbench(kafka, tmp_path)
    bench.reset()
    try:
        await bench.load(events(60_000))
        with throttled(bench, 40_000):
            # Ten thousand events make some 2 MB: 40 s, where a commit is given up after 30.
            worker = bench.start(REWAKE_TRANSACTION_TIMEOUT="40s")
            await until(lambda: asyncio.sleep(0, "partition taken" in bench.log()), 60, 0.1)
            await asyncio.sleep(60 if full else 12)
            moved = await committed(Changelog(kafka, APP, PARTITIONS))
            assert worker.poll() is None
            assert 0 < moved < 60_000
        await until(bench.caught_up, 90)
        await bench.assert_exact()
        assert "stopping" not in bench.log()
    finally:
        bench.close()
