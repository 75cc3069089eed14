"""`rewake lookup` on a real Redis."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from schemas.profiles import CLOCK_KEY, EPOCH_KEY, Profile, Standing, customer_key, to_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.local import LocalServers

    from .conftest import Rewake

THEN = 1298967960000


@pytest.fixture
def cache(spare_servers: LocalServers) -> Iterator[dict[str, str]]:
    """Give variables that point to a cache with one customer and a clock of 2011."""
    url = spare_servers.up().redis.replace("/0", "/2")
    profile = Profile(
        "17850", {"lifecycle": Standing("silent", THEN)}, 4, 7, THEN + 1, {"lifecycle": "churned"}
    )
    with Redis.from_url(url) as client:
        client.flushdb()
        client.set(EPOCH_KEY, "rewake Vd9c 1 5f0a")
        client.hset(customer_key("17850"), mapping={"epoch": "5f0a"} | to_hash(profile))
        client.hset(CLOCK_KEY, "0", str(THEN))
        yield {"REWAKE_REDIS": url}
        client.flushdb()


REPLAYED = {"REWAKE_CLOCK": "event", "REWAKE_UNTIL": str(THEN)}


def test_a_finished_replay_answers_as_of_its_end(rewake: Rewake, cache: dict[str, str]) -> None:
    done = rewake("lookup", "17850", **cache, **REPLAYED)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "customer 17850",
        "  lifecycle  silent  沉默客户 / Silent, since 2011-03-01 08:26",
        "  as of 2011-03-01 08:26, the end of the replayed history",
        (
            "  next: lifecycle becomes churned at 2011-03-01 08:26:00.001, "
            "unless something happens before"
        ),
    ]


def test_json_says_the_same(rewake: Rewake, cache: dict[str, str]) -> None:
    found = json.loads(rewake("lookup", "17850", "--json", **cache, **REPLAYED).stdout)
    assert found == {
        "customer_id": "17850",
        "known": True,
        "segments": {"lifecycle": {"segment": "silent", "since": THEN}},
        "sequence": 4,
        "valid_until": THEN + 1,
        "next": {"lifecycle": "churned"},
        "overdue": {},
        "as_of": THEN,
        "stale": False,
        "clock": "event",
    }


def test_a_live_clock_that_stands_still_makes_the_answer_stale(
    rewake: Rewake, cache: dict[str, str]
) -> None:
    done = rewake("lookup", "17850", **cache)
    assert done.returncode == 0
    assert "STALE: right as of 2011-03-01 08:26" in done.stdout
    assert "overdue: lifecycle should have become churned" in done.stdout


def test_a_live_clock_of_now_is_up_to_date(rewake: Rewake, cache: dict[str, str]) -> None:
    now = time.time_ns() // 1_000_000
    profile = Profile("new", {"lifecycle": Standing("new", now)}, 1, 1)
    with Redis.from_url(cache["REWAKE_REDIS"]) as client:
        client.hset(customer_key("new"), mapping={"epoch": "5f0a"} | to_hash(profile))
        client.hset(CLOCK_KEY, "0", str(now + 5_000))
    done = rewake("lookup", "new", **cache)
    assert ", up to date\n" in done.stdout


def test_an_unknown_customer_ends_with_code_1_and_a_clear_message(
    rewake: Rewake, cache: dict[str, str]
) -> None:
    done = rewake("lookup", "nobody", **cache, **REPLAYED)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the cache knows no order or engagement of such a customer as of" in done.stderr
    as_json = rewake("lookup", "nobody", "--json", **cache, **REPLAYED)
    assert as_json.returncode == 1
    assert json.loads(as_json.stdout)["known"] is False


def test_the_cache_of_another_app_is_not_read(rewake: Rewake, cache: dict[str, str]) -> None:
    done = rewake("lookup", "17850", **cache, **REPLAYED, REWAKE_APP="shop")
    assert (done.returncode, done.stdout) == (1, "")
    assert "expected the cache to be that of app shop, it is that of app rewake" in done.stderr


def test_a_flushed_cache_knows_nobody_and_says_so(rewake: Rewake, cache: dict[str, str]) -> None:
    with Redis.from_url(cache["REWAKE_REDIS"]) as client:
        client.delete(EPOCH_KEY)
    done = rewake("lookup", "17850", "--json", **cache)
    found = json.loads(done.stdout)
    assert (done.returncode, found["known"], found["stale"]) == (1, False, True)
    assert "never filled, or was flushed" in rewake("lookup", "17850", **cache).stderr


def test_a_redis_that_is_away_is_named(rewake: Rewake) -> None:
    done = rewake("lookup", "17850", REWAKE_REDIS="redis://127.0.0.1:1/0")
    assert done.returncode == 1
    assert done.stderr.startswith("rewake: expected Redis at redis://127.0.0.1:1/0 to answer")
