"""A cache that is begun anew: by another app, after a loss, from an older snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import redis
from structlog.testing import capture_logs

from schemas.profiles import (
    APPLIED_KEY,
    CLOCK_KEY,
    EPOCH_KEY,
    Profile,
    Standing,
    customer_key,
    from_hash,
    members_key,
)
from streams.sinks import redis_cache
from streams.sinks.redis_cache import ProfileCache
from tests.streams.sinks.caches import FILLER, engine_with, profile, published, written
from tests.streams.waiting import eventually

if TYPE_CHECKING:
    import pytest


async def test_the_cache_of_another_app_is_not_touched_until_it_is_handed_over(
    cache: ProfileCache, store: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(redis_cache, "BACKOFF_S", (0.05,))
    cache.taken(0, engine_with(0), np.empty(0, np.int64))
    old = [profile("c-0", "churned", 90), profile("gone", "silent", 7)]
    cache.durable(0, old, 5_000, 9_000)
    await written(cache)
    before = {key: store.type(key) for key in store.scan_iter()}

    errors: list[int] = []
    other = ProfileCache(redis_url, FILLER._replace(changelog="anew"), lambda: errors.append(1))
    await other.start()
    with capture_logs() as logs:
        assert await other.applied() == {}
        for number in range(4):
            rows = 2 if number == 0 else 0
            other.taken(number, engine_with(rows), np.arange(rows))
            other.durable(number, other.render(number, np.empty(0, np.int64)), 10, 100)
        await eventually(lambda: len(errors) > 2)
    assert {key: store.type(key) for key in store.scan_iter()} == before
    assert store.hget(customer_key("c-0"), "lifecycle") == "churned"
    assert [line["event"] for line in logs] == ["cache cannot be written"]  # once a minute
    assert "delete the key rw:epoch" in logs[0]["error"]

    store.delete(EPOCH_KEY)  # the old one stands still
    await published(other, store, {str(number): "100" for number in range(4)})
    assert store.hgetall(APPLIED_KEY) == {str(number): "10" for number in range(4)}
    await eventually(lambda: not store.exists(customer_key("gone")))
    assert store.hget(customer_key("c-0"), "version") == "1"  # an older one, but of this filling
    assert not store.hexists(customer_key("c-0"), "lifecycle")
    assert sorted(store.scan_iter("rw:m:*")) == [members_key("count", "1")]

    cache.settled(0, 10_000)  # the old one goes on: it does not take the cache back
    with capture_logs() as logs:
        await eventually(lambda: logs)
    assert store.hget(CLOCK_KEY, "0") == "100"
    await other.stop()


async def test_a_server_that_comes_back_with_an_older_snapshot_is_written_anew_first(
    cache: ProfileCache, store: redis.Redis, redis_url: str
):
    engine = engine_with(2)
    cache.taken(0, engine, np.arange(2))
    cache.durable(0, cache.render(0, np.empty(0, np.int64)), 10, 100)
    await written(cache)
    with redis.Redis.from_url(redis_url) as raw:
        snapshot = {key: raw.dump(key) for key in raw.scan_iter()}
    engine.cells[1] = (2, 0, 5_000, bytes(8))
    cache.durable(0, cache.render(0, np.array([1])), 10, 100)  # the clock stands still meanwhile
    await written(cache)
    assert store.hget(customer_key("c-1"), "count") == "2"
    store.flushdb()
    for key, content in snapshot.items():
        store.restore(key, 0, content)
    assert store.hget(customer_key("c-1"), "count") == "1"
    await published(cache, store, {"0": "100"})
    cache.settled(0, 200)
    await published(cache, store, {"0": "200"})
    assert store.hget(customer_key("c-1"), "count") == "2"


async def test_a_loss_between_asking_and_taking_over_is_not_forgotten(
    cache: ProfileCache, store: redis.Redis
):
    cache.taken(1, engine_with(0), np.empty(0, np.int64))
    cache.durable(1, [], 1, 1)
    await written(cache)
    assert await cache.applied() == {1: 1}
    store.flushdb()
    cache.settled(1, 2)
    await eventually(lambda: store.get(EPOCH_KEY))
    await eventually(lambda: cache._losses > cache._losses_when_asked)
    cache.taken(0, engine_with(3), np.empty(0, np.int64))  # those above what it had reached
    cache.durable(0, cache.render(0, np.empty(0, np.int64)), 10, 100)
    await published(cache, store, {"0": "100", "1": "2"})
    assert len(list(store.scan_iter("rw:c:*"))) == 3


async def test_a_system_no_longer_in_force_leaves_nothing_behind(
    cache: ProfileCache, store: redis.Redis
):
    cache.taken(0, engine_with(0), np.empty(0, np.int64))
    systems = {"lifecycle": Standing("new", 1), "rfm": Standing("top", 2)}
    cache.durable(0, [Profile("c-1", systems, 1, 1)], 1, 1)
    await written(cache)
    cache.durable(0, [profile("c-1", "active", 2)], 2, 2)
    await written(cache)
    assert from_hash("c-1", store.hgetall(customer_key("c-1"))) == profile("c-1", "active", 2)
    assert list(store.scan_iter("rw:m:*")) == [members_key("lifecycle", "active")]


async def test_what_waits_for_redis_keeps_no_state_of_a_partition_that_was_let_go():
    away = ProfileCache("redis://127.0.0.1:1/0", FILLER)
    away.taken(0, engine_with(3), np.arange(3))
    away.durable(0, away.render(0, np.empty(0, np.int64)), 1, 1)
    away.released(0)
    assert [post.behind.engine for post in away._outbox] == [None]
    assert away._render(away._outbox[0].behind) == ()
    await away._store.close()


async def test_workers_that_share_a_cache_do_not_take_each_other_for_a_loss(
    cache: ProfileCache, store: redis.Redis, redis_url: str
):
    other = ProfileCache(redis_url, FILLER)
    await other.start()
    await other.applied()
    for number, each in enumerate((cache, other)):
        each.taken(number, engine_with(0), np.empty(0, np.int64))
    for clock in range(1, 30):
        for number, each in enumerate((cache, other)):
            each.durable(number, [profile(f"c-{number}", "new", clock)], clock, clock)
            await written(each)
    assert store.hgetall(CLOCK_KEY) == {"0": "29", "1": "29"}
    assert other._losses == 0
    assert len(list(store.scan_iter("rw:writer:*"))) == 2
    assert 0 < store.ttl(next(store.scan_iter("rw:writer:*"))) <= 7 * 86_400
    await other.stop()
