"""What tests of the cache share: whose it is, engines and profiles to fill it with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from schemas.profiles import (
    CLOCK_KEY,
    Filler,
    Profile,
    Standing,
)
from tests.streams.counting import CountingEngine
from tests.streams.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from streams.sinks.redis_cache import ProfileCache

FILLER = Filler("shop", "Vd9c", 4)


def engine_with(customers: int) -> CountingEngine:
    engine = CountingEngine()
    for number in range(customers):
        engine.cells[engine._row(b"c-%d" % number)] = (1, 0, 1_000 + number, bytes(8))
    return engine


def profile(customer: str, segment: str, version: int, since: int = 5) -> Profile:
    return Profile(customer, {"lifecycle": Standing(segment, since)}, 1, version)


async def written(cache: ProfileCache) -> None:
    await eventually(lambda: not cache.behind and cache._empty.is_set())


async def ticking(cache: ProfileCache, holds: Callable[[], object]) -> None:
    """Do what every tick does until something holds."""
    async with asyncio.timeout(10):
        while not holds():
            for partition, known in cache._partitions.items():
                cache.settled(partition, known.clock)
            await asyncio.sleep(0.02)


async def published(cache: ProfileCache, store: redis.Redis, clocks: dict[str, str]) -> None:
    await ticking(cache, lambda: store.hgetall(CLOCK_KEY) == clocks)
