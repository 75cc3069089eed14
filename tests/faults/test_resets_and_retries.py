"""An operator who moves the group's offsets and producers who send twice change nothing."""

from __future__ import annotations

import asyncio
import http.client
import re
from typing import TYPE_CHECKING

from kafka.admin import OffsetSpec
from kafka.structs import OffsetAndMetadata, TopicPartition

from streams.local.endpoints import free_port
from tests.faults.figures import note
from tests.faults.shop import Shop
from tests.streams.workbench import APP, INPUTS

if TYPE_CHECKING:
    from pathlib import Path


async def test_group_offsets_moved_by_an_operator_and_events_sent_twice_change_nothing(
    kafka: str, tmp_path: Path
):
    port = free_port()
    env = {"REWAKE_METRICS": f"127.0.0.1:{port}"}
    async with Shop(kafka, tmp_path, customers=400, rate=150, env=env) as shop:
        shop.start_real()
        await shop.at_work()
        async with shop.selling():
            await asyncio.sleep(3)
        await shop.recovered()
        await shop.stop()
        await asyncio.to_thread(move_offsets, shop, 0)
        shop.start_real()
        async with shop.selling():
            await asyncio.sleep(1)
        took = await shop.recovered()
        assert counted(port, "events_redelivered_total") == 0
        await shop.stop()
        async with shop.selling():  # nobody reads these before the offsets are moved past them
            await asyncio.sleep(1)
        await asyncio.to_thread(move_offsets, shop, None)
        shop.start_real()
        await shop.recovered()
        last = {deed.fact.customer: deed for deed in shop.deeds}
        await shop.repeat(last.values())
        await shop.recovered()
        assert counted(port, "events_duplicate_total") == len(last)
        outcome = await shop.assert_exact()
        note("group offsets reset", tried=2, recovery_s=took, **outcome.figures)
        note("event sent twice", tried=len(last))


def move_offsets(shop: Shop, to: int | None) -> None:
    """Move the offsets of the stopped group, to the ends of the inputs where not said."""
    tps = [TopicPartition(name, p) for name in INPUTS for p in range(shop.partitions)]
    with shop.admin() as admin:
        latest = admin.list_partition_offsets(dict.fromkeys(tps, OffsetSpec.LATEST))
        ends = {tp: found.offset for tp, found in latest.items()}
        wanted = {tp: OffsetAndMetadata(ends[tp] if to is None else to, "", -1) for tp in tps}
        admin.alter_group_offsets(APP, wanted)


def counted(port: int, name: str) -> float:
    """Read a counter off a worker's page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        page = connection.getresponse().read().decode()
    finally:
        connection.close()
    return sum(map(float, re.findall(rf"^rewake_{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE)))
