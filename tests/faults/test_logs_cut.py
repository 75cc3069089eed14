"""Logs that lose records: compacted they say the same, cut off they are missed by name."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from kafka import TopicPartition
from kafka.admin import ConfigResource

from schemas import topics
from streams.bulk import reading
from tests.faults.backups import CHANGELOG, Backup
from tests.faults.figures import note
from tests.faults.shop import Shop
from tests.streams.workbench import INPUTS, PARTITIONS, Workbench, events, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.local import LocalServers

EAGER = {
    "segment.ms": "300",
    "min.cleanable.dirty.ratio": "0.001",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "500",
    "delete.retention.ms": "0",
}
"""Settings under which a log is compacted all the while."""


def configure(shop: Workbench, topic: str, settings: dict[str, str]) -> None:
    """Change settings of a topic."""
    with shop.admin() as admin:
        admin.alter_configs([ConfigResource("TOPIC", topic, settings)])


def hurry(shop: Workbench) -> None:
    """Let the broker look for logs to be compacted every 100 ms, not every 15 s."""
    with shop.admin() as admin:
        admin.alter_configs([ConfigResource("BROKER", "1", {"log.cleaner.backoff.ms": "100"})])


@pytest.mark.timeout(600)
async def test_a_changelog_compacted_all_the_while_restores_the_same_state_after_a_kill(
    spare_servers: LocalServers, tmp_path: Path, full: bool
):
    kafka = spare_servers.up().kafka
    kills, live_s = (6, 8) if full else (2, 3)
    recovery_s = 0.0
    async with Shop(kafka, tmp_path, customers=120, rate=80, span_s=30) as shop:
        configure(shop, CHANGELOG, EAGER)
        hurry(shop)
        shop.start_real(REWAKE_INSTANCE="a")
        await shop.at_work()
        async with shop.selling():
            for _ in range(kills):
                await asyncio.sleep(live_s)
                shop.workers[-1].kill()
                shop.start_real(REWAKE_INSTANCE="a")
                recovery_s = max(recovery_s, await shop.recovered())
        await shop.stop()
        written = len([row for rows in shop.changelog.rows for row in rows])
        await until(lambda: _compacted(shop, written), 30)
        shop.start_real(REWAKE_INSTANCE="a")
        outcome = await shop.assert_exact()
    note("the changelog compacted", tried=kills + 1, recovery_s=recovery_s, changes=outcome.changes)


async def _compacted(shop: Shop, customers: int) -> bool:
    """Say whether hardly more is left than one record per customer and partition."""
    left = await shop.read(CHANGELOG)
    return len(left) < 2 * (customers + PARTITIONS)


@pytest.mark.timeout(600)
async def test_a_changelog_cut_off_in_front_is_missed_although_its_positions_are_there(
    kafka: str, tmp_path: Path
):
    async with Shop(kafka, tmp_path, customers=120, rate=80, span_s=20) as shop:
        shop.start_real()
        await shop.at_work()
        async with shop.selling():
            await asyncio.sleep(1)
        await shop.stop()
        configure(shop, CHANGELOG, {"cleanup.policy": "delete"})
        assert await shop.ends(shop.start_real()) == 2
        assert "expected cleanup.policy = compact, found delete" in shop.log()
        async with reading({"bootstrap_servers": shop.kafka}) as reader:
            spans = await reader.ranges(CHANGELOG, PARTITIONS)
        with shop.admin() as admin:  # the last transaction, at least, keeps its position record
            ends = {TopicPartition(*tp): end - 2 for tp, (_, end) in spans.items()}
            admin.delete_records(ends)
        configure(shop, CHANGELOG, {"cleanup.policy": "compact"})
        told = len(await shop.read(topics.CHANGES))
        assert await shop.ends(shop.start_real()) == 1
        assert "code=changelog_corrupt" in shop.log()
        assert "records were deleted from this topic" in shop.log()
        assert len(await shop.read(topics.CHANGES)) == told
    note("the changelog cut off", tried=2, refused=2)


@pytest.fixture
def bench(kafka: str, tmp_path: Path) -> Iterator[Workbench]:
    workbench = Workbench(kafka, tmp_path)
    workbench.reset()
    try:
        yield workbench
    finally:
        workbench.close()


async def stops(bench: Workbench, name: str) -> None:
    """Start a worker and see it stop for this reason."""
    assert await bench.ends(bench.start()) == 1, name
    assert name in bench.log()


@pytest.mark.timeout(600)
async def test_every_log_lost_under_live_state_stops_the_worker_with_its_name(bench: Workbench):
    await bench.load(events(4_000))
    worker = bench.start(REWAKE_TRANSACTION_TIMEOUT="5s")
    await until(bench.caught_up)
    backup = Backup(bench, await bench.read(CHANGELOG))
    with bench.admin() as admin:
        admin.delete_topics([CHANGELOG])
    await bench.load(events(400, seed=2))
    began = time.monotonic()
    assert await bench.ends(worker, 60) == 1, "it went on without its changelog"
    noticed_s = time.monotonic() - began
    assert "producer_failed" in bench.log()
    await stops(bench, "state_missing")

    await backup.put_back()  # also the way out: nothing is lost by all that
    worker = bench.start()
    await until(bench.caught_up)
    worker.terminate()
    assert await bench.ends(worker, 30) == 0
    await bench.assert_exact()

    await bench.load(events(400, seed=3))
    with bench.admin() as admin:  # as retention does
        admin.delete_records({TopicPartition(INPUTS[1], p): -1 for p in range(PARTITIONS)})
    await stops(bench, "input_truncated")
    with bench.admin() as admin:
        admin.delete_topics([INPUTS[1]])
        await asyncio.sleep(1)
        admin.create_topics({INPUTS[1]: {"num_partitions": PARTITIONS, "replication_factor": 1}})
    await stops(bench, "input_reset")
    note("logs lost under live state", tried=4, refused=4, noticed_s=round(noticed_s, 1))
