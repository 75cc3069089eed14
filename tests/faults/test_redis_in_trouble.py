"""Redis away, slow, flushed, gone back: the engine goes on, and no lookup is silently wrong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
import pytest
import redis

from schemas.profiles import CLOCK_KEY
from streams.local import LocalServers
from tests.faults.figures import note
from tests.faults.lookups import Detour, Lookups
from tests.faults.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GROWTH_BYTES = 64 << 20


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LocalServers]:
    """Give a Redis that may be killed; its port stays."""
    servers = LocalServers(tmp_path / "own", print)
    servers.start("redis")
    try:
        yield servers
    finally:
        servers.down()


def url_of(servers: LocalServers) -> str:
    return next(each.address for each in servers.status() if each.name == "redis")


async def test_redis_away_and_slow_never_stops_the_engine(
    kafka: str, own: LocalServers, tmp_path: Path, full: bool
):
    url = url_of(own)
    away_s = 120 if full else 8
    where = urlsplit(url)
    async with Detour(where.hostname, where.port).open() as way:
        env = {"REWAKE_REDIS": f"redis://127.0.0.1:{way.port}/0"}
        async with Shop(kafka, tmp_path, rate=60, span_s=away_s * 2 + 20, env=env) as shop:
            worker = psutil.Process(shop.start_real().pid)
            await shop.at_work(150)
            async with Lookups(shop, url) as lookups, shop.selling():
                await lookups.equal_state()
                size = worker.memory_info().rss

                await asyncio.to_thread(own.stop, "redis")
                lookups.said()
                await asyncio.sleep(away_s)
                await shop.recovered()  # what has been sold meanwhile is committed
                assert lookups.said().fresh == 0
                await asyncio.to_thread(own.start, "redis")  # empty
                back_s = await lookups.equal_state()
                assert worker.memory_info().rss < size + GROWTH_BYTES

                way.delay_s = 1.0
                await asyncio.sleep(away_s)
                await shop.recovered()
                way.delay_s = 0.0
                slow_s = await lookups.equal_state()
                ahead = lookups.answer(shop.trade.names[0], ahead_ms=11_000)
                assert ahead.stale  # the worker would have been away for so long
            outcome = await shop.assert_exact()
            await lookups.equal_state(within=0.1)
            lookups.assert_never_wrong()
    assert "cache cannot be written" in shop.log()
    note("Redis away", tried=1, recovery_s=back_s, away_s=away_s, **outcome.figures)
    note("Redis 1 s a command", tried=1, recovery_s=slow_s, slow_s=away_s)


async def test_redis_flushed_frozen_and_gone_back_is_written_anew_before_it_is_believed(
    kafka: str, own: LocalServers, tmp_path: Path, full: bool
):
    url = url_of(own)
    times = 5 if full else 1
    env = {"REWAKE_REDIS": url}
    took: dict[str, float] = {}
    async with Shop(kafka, tmp_path, rate=60, span_s=60 * times, env=env) as shop:
        worker = shop.start_real()
        await shop.at_work(150)
        async with Lookups(shop, url) as lookups, shop.selling():
            await lookups.equal_state()
            for _ in range(times):
                with redis.Redis.from_url(url) as store:
                    store.flushall()
                    took["flushed"] = await lookups.equal_state()
                    store.save()
                await asyncio.sleep(3)  # what is written now, the snapshot does not have
                await asyncio.to_thread(own.kill, "redis")
                await asyncio.to_thread(own.start, "redis")
                took["gone back"] = await lookups.equal_state()

                own.pause("redis")
                await asyncio.sleep(7)  # longer than the worker waits for an answer
                own.resume("redis")
                took["frozen"] = await lookups.equal_state()
        assert worker.poll() is None
        outcome = await shop.assert_exact()
        await lookups.equal_state(within=0.1)
        lookups.assert_never_wrong()
        with redis.Redis.from_url(url) as store:
            assert store.hlen(CLOCK_KEY) == shop.partitions
    for what, seconds in took.items():
        note(f"Redis {what}", tried=times, recovery_s=seconds, **outcome.figures)
