"""Give tests of the cache a real one that is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from streams.sinks.redis_cache import ProfileCache
from tests.streams.sinks.caches import FILLER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture
def store(redis_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


@pytest.fixture
async def cache(redis_url: str, store: redis.Redis) -> AsyncIterator[ProfileCache]:
    assert store.dbsize() == 0
    made = ProfileCache(redis_url, FILLER)
    await made.start()
    assert await made.applied() == {}
    yield made
    await made.stop()
