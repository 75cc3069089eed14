"""The broker's disk is full: nothing is lost, and with room again all goes on."""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING

import pytest

from schemas import topics
from streams.local.endpoints import is_free
from tests.faults.figures import note
from tests.faults.shop import Shop
from tests.streams.workbench import APP, until

if TYPE_CHECKING:
    from pathlib import Path

    from streams.local import LocalServers
    from streams.local.servers import ServerStatus


def broker(servers: LocalServers) -> ServerStatus:
    """Say how the broker is."""
    (found,) = (each for each in servers.status() if each.name == "kafka")
    return found


def fill_the_disk(servers: LocalServers) -> None:
    """Let no file of the broker grow beyond the size the changelog has.

    To the broker it is what a full disk is: a write that fails half-way, after which it takes the
    directory offline and, having no other, halts. Unlike a small file system it needs no rights.
    """
    pid = broker(servers).pid
    assert pid is not None
    data = servers.directory / "kafka" / "data"
    changelogs = data.glob(f"{topics.changelog(APP)}-*/*.log")
    limit = max(log.stat().st_size for log in changelogs)
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, hard))


@pytest.mark.timeout(1500)
async def test_a_full_disk_under_the_broker_loses_nothing_and_with_room_again_all_goes_on(
    spare_servers: LocalServers, tmp_path: Path, full: bool
):
    kafka = spare_servers.up().kafka
    times, away_s, live_s = (5, 60, 10) if full else (1, 3, 3)
    recovery_s = 0.0
    async with Shop(kafka, tmp_path, customers=200, rate=60, span_s=60 * times) as shop:
        shop.keep(1, REWAKE_TRANSACTION_TIMEOUT="10s")
        await shop.at_work()
        for _ in range(times):
            async with shop.selling():
                await asyncio.sleep(live_s)
                async with shop.closed():  # the deadlines that fall due are written meanwhile
                    fill_the_disk(spare_servers)
                    await until(lambda: _answers_no_more(spare_servers), 90, 0.1)
                    await asyncio.sleep(away_s)
                    spare_servers.kill("kafka")  # it may hang in its own end, listening no more
                    spare_servers.start("kafka")
                recovery_s = max(recovery_s, await shop.recovered(120))
                await asyncio.sleep(live_s)
        outcome = await shop.assert_exact()
        assert {code for code, _ in shop.ended} <= {0, 1}, shop.ended
    log = (spare_servers.directory / "kafka" / "server.log").read_text(errors="replace")
    assert "File too large" in log
    note(
        "disk full under the broker", tried=times, recovery_s=recovery_s, changes=outcome.changes,
        workers_ended=len(shop.ended),
    )  # fmt: skip


async def _answers_no_more(servers: LocalServers) -> bool:
    port = int(broker(servers).address.rpartition(":")[2])
    return not broker(servers).running or is_free(port)
