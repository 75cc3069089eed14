"""Who owns a partition, told through a real Redis, and the question to the owner."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from schemas.errors import RewakeError
from schemas.profiles import EPOCH_KEY
from streams import health
from streams.explaining import BEFORE
from streams.metrics import Metrics
from streams.owners import EXPIRES_MS, Owners, ask, owner_key, reachable
from streams.setting_values import Address
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Address("127.0.0.1", 9100)


@pytest.fixture
def cache(redis_url: str) -> Iterator[Redis]:
    url = redis_url.replace("/0", "/3")
    with Redis.from_url(url, decode_responses=True) as client:
        client.flushdb()
        client.set(EPOCH_KEY, "rewake Vd9c 4 5f0a")
        yield client
        client.flushdb()


@pytest.fixture
def settings(cache: Redis, redis_url: str) -> Settings:
    assert cache.ping()
    return load_settings(None, redis=redis_url.replace("/0", "/3"))


async def test_an_owner_is_told_with_a_time_to_live(cache: Redis, settings: Settings) -> None:
    owners = Owners(settings.redis, "rewake", HERE, lambda: [1, 3])
    await owners.renew()
    await owners.stop()
    assert [cache.get(owner_key(number)) for number in range(4)] == [None, str(HERE)] * 2
    assert 0 < cache.pttl(owner_key(1)) <= EXPIRES_MS


async def test_the_cache_of_another_app_is_left_alone(cache: Redis, settings: Settings) -> None:
    owners = Owners(settings.redis, "shop", HERE, lambda: [1])
    await owners.renew()
    await owners.stop()
    assert cache.get(owner_key(1)) is None


async def test_a_redis_that_is_away_stops_nothing() -> None:
    owners = Owners("redis://127.0.0.1:1/0", "rewake", HERE, lambda: [1])
    await owners.start()
    await owners.stop()


def test_who_listens_everywhere_is_reached_by_name() -> None:
    assert reachable("0.0.0.0", 1) == Address(socket.gethostname(), 1)


def test_without_an_owner_the_error_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(RewakeError, match=r"owns partition 2, none has said so.*without --explain"):
        ask(settings, "c", 2)


def test_an_owner_that_does_not_answer_is_named(cache: Redis, settings: Settings) -> None:
    cache.set(owner_key(2), "127.0.0.1:1")
    with pytest.raises(RewakeError, match=r"127\.0\.0\.1:1.*REWAKE_METRICS"):
        ask(settings, "c", 2)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        ("404 Not Found", b'{"title":"","status":404,"detail":"another does"}', "another does"),
        ("200 OK", b"{}", "of this version"),
        ("500 Oops", b"<html>", "status 500"),
    ],
)
def test_an_owner_that_cannot_explain_is_quoted(
    cache: Redis, settings: Settings, status: str, body: bytes, said: str
) -> None:
    def answer(_: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response(status, [("Content-Type", "text/plain")])
        return [body]

    server = health.serve(
        Address("127.0.0.1", 0), Metrics().registry, lambda: None, beside={BEFORE: answer}
    )
    cache.set(owner_key(2), f"127.0.0.1:{server.server_port}")
    try:
        with pytest.raises(RewakeError, match=said):
            ask(settings, "c", 2)
    finally:
        server.shutdown()
        server.server_close()
