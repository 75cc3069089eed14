"""The cache on a real Redis: behind the state, never back, never vouching for what is not there."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
import redis
from structlog.testing import capture_logs

from schemas.profiles import (
    APPLIED_KEY,
    CLOCK_KEY,
    EPOCH_KEY,
    customer_key,
    from_hash,
    members_key,
)
from streams.sinks import behind, redis_cache
from streams.sinks.redis_cache import ProfileCache
from tests.streams.sinks.caches import FILLER, engine_with, profile, published, ticking, written
from tests.streams.waiting import eventually


async def test_profiles_come_before_the_offset_and_clock_that_vouch_for_them(
    cache: ProfileCache, store: redis.Redis
):
    cache.taken(2, engine_with(0), np.empty(0, np.int64))
    one = profile("c-1", "active", 3)
    cache.durable(2, [one], 40, 9_000)
    await written(cache)
    assert from_hash("c-1", store.hgetall(customer_key("c-1"))) == one
    assert store.hgetall(APPLIED_KEY) == {"2": "40"}
    assert store.hgetall(CLOCK_KEY) == {"2": "9000"}
    assert store.zrange(members_key("lifecycle", "active"), 0, -1, withscores=True) == [("c-1", 5)]


async def test_an_older_version_never_replaces_a_later_one(cache: ProfileCache, store: redis.Redis):
    cache.taken(0, engine_with(0), np.empty(0, np.int64))
    cache.durable(0, [profile("c-1", "silent", 4)], 1, 1)
    await written(cache)
    cache.durable(0, [profile("c-1", "active", 3)], 2, 2)
    await written(cache)
    assert store.hget(customer_key("c-1"), "lifecycle") == "silent"


async def test_a_customer_is_a_member_of_one_segment_at_a_time(
    cache: ProfileCache, store: redis.Redis
):
    cache.taken(0, engine_with(0), np.empty(0, np.int64))
    for version, segment in enumerate(["active", "silent", "churned"]):
        cache.durable(0, [profile("c-1", segment, version)], version, version)
        await written(cache)
    members = {name: store.zrange(name, 0, -1) for name in store.scan_iter("rw:m:*")}
    assert members == {members_key("lifecycle", "churned"): ["c-1"]}


async def test_clock_and_offset_never_go_back(cache: ProfileCache, store: redis.Redis):
    cache.taken(0, engine_with(0), np.empty(0, np.int64))
    cache.durable(0, [], 50, 900)
    cache.durable(0, [], 40, 800)
    await written(cache)
    assert (store.hget(APPLIED_KEY, "0"), store.hget(CLOCK_KEY, "0")) == ("50", "900")


async def test_rows_that_are_left_behind_hold_offset_and_clock_back(
    cache: ProfileCache, store: redis.Redis, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(redis_cache, "RENDERED", 3)
    engine = engine_with(7)
    cache.taken(0, engine, np.arange(7))
    cache.durable(0, cache.render(0, np.array([6])), 10, 100)
    await written_some(store, 3)
    assert store.hgetall(APPLIED_KEY) == {}
    cache.settled(0, 100)
    await written_some(store, 6)
    assert store.hgetall(CLOCK_KEY) == {}
    cache.settled(0, 100)
    await written(cache)
    assert len(list(store.scan_iter("rw:c:*"))) == 7
    assert (store.hget(APPLIED_KEY, "0"), store.hget(CLOCK_KEY, "0")) == ("10", "100")


async def written_some(store: redis.Redis, count: int) -> None:
    await eventually(lambda: len(list(store.scan_iter("rw:c:*"))) >= count)


async def test_a_flushed_cache_is_written_anew_and_vouches_for_nothing_before(
    cache: ProfileCache, store: redis.Redis
):
    engine = engine_with(5)
    cache.taken(0, engine, np.arange(5))
    cache.durable(0, cache.render(0, np.empty(0, np.int64)), 10, 100)
    await written(cache)
    before = store.get(EPOCH_KEY)
    store.flushdb()
    cache.settled(0, 200)
    await eventually(lambda: store.get(EPOCH_KEY) and cache._partitions[0].count)
    assert store.hgetall(CLOCK_KEY) == {}
    cache.settled(0, 300)
    await written(cache)
    assert store.get(EPOCH_KEY) != before
    assert len(list(store.scan_iter("rw:c:*"))) == 5
    assert store.hgetall(CLOCK_KEY) == {"0": "300"}


async def test_a_lost_epoch_alone_resets_what_was_vouched_for(
    cache: ProfileCache, store: redis.Redis
):
    cache.taken(0, engine_with(2), np.arange(2))
    cache.durable(0, cache.render(0, np.empty(0, np.int64)), 10, 100)
    await written(cache)
    store.delete(EPOCH_KEY)
    assert await cache.applied() == {}
    assert cache.behind == 2


async def test_the_offset_reached_is_what_a_new_owner_learns(
    cache: ProfileCache, store: redis.Redis, redis_url: str
):
    cache.taken(3, engine_with(1), np.empty(0, np.int64))
    cache.durable(3, [], 77, 1)
    await written(cache)
    other = ProfileCache(redis_url, FILLER)
    await other.start()
    assert await other.applied() == {3: 77}
    assert store.hlen(APPLIED_KEY) == 1
    await other.stop()


async def test_without_redis_nothing_waits_and_only_row_numbers_pile_up(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(redis_cache, "OUTBOX", 10)
    errors: list[int] = []
    cache = ProfileCache("redis://127.0.0.1:1/0", FILLER, lambda: errors.append(1))
    await cache.start()
    assert await cache.applied() == {}
    cache.taken(0, engine_with(100), np.arange(100))
    for number in range(50):
        cache.durable(0, cache.render(0, np.arange(100)), number, number)
    assert sum(len(post.profiles) for post in cache._outbox) <= 100
    assert cache.behind >= 100
    assert errors
    await cache.stop(timeout=0.1)


async def test_what_waited_for_redis_is_written_when_it_comes_back(
    spare_servers: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(redis_cache, "BACKOFF_S", (0.05,))
    url = spare_servers.start("redis")
    spare_servers.stop("redis")
    cache = ProfileCache(url, FILLER)
    await cache.start()
    engine = engine_with(20)
    cache.taken(0, engine, np.arange(20))
    cache.durable(0, cache.render(0, np.empty(0, np.int64)), 5, 50)
    await asyncio.sleep(0.3)
    assert spare_servers.start("redis") == url
    async with asyncio.timeout(15):
        while cache.behind or (not cache._outbox and cache._store.epoch is None):
            cache.settled(0, 60)  # what every tick does
            await asyncio.sleep(0.05)
    cache.settled(0, 60)
    await written(cache)
    client = redis.Redis.from_url(url, decode_responses=True)
    assert len(list(client.scan_iter("rw:c:*"))) == 20
    assert client.hgetall(CLOCK_KEY) == {"0": "60"}
    client.close()
    await cache.stop()


async def test_what_was_queued_before_a_flush_vouches_for_nothing(
    cache: ProfileCache, store: redis.Redis, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(redis_cache, "RENDERED", 1)  # each post is a pipeline of its own
    engine = engine_with(2)
    cache.taken(0, engine, np.empty(0, np.int64))
    cache.durable(0, [], 1, 1)
    await written(cache)
    store.flushdb()
    cache.durable(0, [profile("c-0", "active", 1)], 10, 100)
    cache.durable(0, [profile("c-1", "active", 1)], 20, 200)
    await eventually(lambda: not cache._outbox)
    assert store.hgetall(CLOCK_KEY) == store.hgetall(APPLIED_KEY) == {}
    while cache.behind or cache._outbox:
        cache.settled(0, 200)
        await asyncio.sleep(0.01)
    await eventually(lambda: store.hgetall(CLOCK_KEY) == {"0": "200"})
    assert store.hgetall(APPLIED_KEY) == {"0": "20"}


async def test_clocks_alone_do_not_pile_up_while_redis_is_away():
    away = ProfileCache("redis://127.0.0.1:1/0", FILLER)
    away.taken(0, engine_with(0), np.empty(0, np.int64))
    for clock in range(5_000):
        away.settled(0, clock)
    assert len(away._outbox) == redis_cache.POSTS
    await away._store.close()


# ---- refusals


async def test_a_key_that_cannot_be_written_holds_back_its_partitions_clock_and_nobody_else(
    cache: ProfileCache, store: redis.Redis, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(behind, "AGAIN_S", 0.2)
    errors: list[int] = []
    cache._on_error = lambda: errors.append(1)
    store.set(customer_key("c-3"), "somebody's")
    cache.taken(0, engine_with(7), np.arange(7))
    cache.taken(1, engine_with(0), np.empty(0, np.int64))
    cache.durable(0, cache.render(0, np.empty(0, np.int64)), 10, 100)
    cache.durable(1, [], 20, 200)
    await published(cache, store, {"1": "200"})
    await ticking(cache, lambda: len(errors) >= 2)  # it is tried again and again
    assert len(list(store.scan_iter("rw:c:*", _type="hash"))) == 6
    assert store.hgetall(APPLIED_KEY) == {"1": "20"}
    assert cache.behind >= 1
    store.delete(customer_key("c-3"))
    await published(cache, store, {"0": "100", "1": "200"})
    assert store.hget(customer_key("c-3"), "count") == "1"
    assert store.hget(APPLIED_KEY, "0") == "10"


async def test_what_was_posted_behind_a_refused_profile_is_not_vouched_for(
    cache: ProfileCache, store: redis.Redis, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(redis_cache, "RENDERED", 1)  # each post is delivered by itself
    store.set(customer_key("c-0"), "somebody's")
    cache.taken(0, engine_with(2), np.empty(0, np.int64))
    cache.durable(0, [profile("c-0", "active", 1)], 10, 100)
    cache.durable(0, [profile("c-1", "active", 1)], 20, 200)
    await eventually(lambda: not cache._outbox)
    assert store.hget(customer_key("c-1"), "lifecycle") == "active"
    assert store.hgetall(CLOCK_KEY) == store.hgetall(APPLIED_KEY) == {}


async def test_a_profile_that_cannot_even_be_sent_is_set_aside(
    cache: ProfileCache, store: redis.Redis
):
    engine = engine_with(3)
    engine.find_rows = lambda keys: np.zeros(len(keys), np.int64)  # type: ignore[method-assign]
    cache.taken(0, engine, np.empty(0, np.int64))
    broken = profile("c-0", "\ud800", 1)
    cache.durable(0, [profile("c-1", "new", 1), broken, profile("c-2", "new", 1)], 10, 100)
    await eventually(lambda: not cache._outbox)
    assert sorted(store.scan_iter("rw:c:*")) == ["rw:c:c-1", "rw:c:c-2"]
    assert store.hgetall(CLOCK_KEY) == {}


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), redis.ResponseError("OOM")])
async def test_no_error_ends_the_writing_or_goes_unsaid(
    cache: ProfileCache, store: redis.Redis, error: Exception, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(redis_cache, "BACKOFF_S", (0.01,))
    publish, errors, fails = cache._store.publish, [], [error] * 3

    async def failing(marks: Any) -> bool:
        if fails:
            raise fails.pop()
        return await publish(marks)

    cache._store.publish = failing  # type: ignore[method-assign]
    cache._on_error = lambda: errors.append(1)
    cache.taken(0, engine_with(1), np.empty(0, np.int64))
    with capture_logs() as logs:
        cache.durable(0, [profile("c-0", "active", 1)], 10, 100)
        await written(cache)
    assert store.hgetall(CLOCK_KEY) == {"0": "100"}
    assert len(errors) == 3
    said = [(line["log_level"], line["event"]) for line in logs]
    assert said == [("error", "cache cannot be written"), ("info", "cache cannot be written: over")]
    assert type(error).__name__ in logs[0]["error"]


async def test_a_server_that_cannot_write_at_all_is_tried_again_and_named(
    cache: ProfileCache, store: redis.Redis, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(redis_cache, "BACKOFF_S", (0.05,))
    monkeypatch.setattr(behind, "AGAIN_S", 0.1)
    cache.taken(0, engine_with(3), np.arange(3))
    store.config_set("maxmemory", "1")
    try:
        with capture_logs() as logs:
            cache.durable(0, cache.render(0, np.empty(0, np.int64)), 10, 100)
            await eventually(lambda: logs)
    finally:
        store.config_set("maxmemory", "0")
    assert "raise maxmemory" in logs[0]["do"]
    await published(cache, store, {"0": "100"})
    assert len(list(store.scan_iter("rw:c:*"))) == 3
