"""`rewake lookup` on a real Redis."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from schemas import explanations
from schemas.changes import Next, Words
from schemas.explanations import Explanation, Neighbour, Order, Placement, Way
from schemas.profiles import CLOCK_KEY, EPOCH_KEY, Profile, Standing, customer_key, to_hash
from streams import health
from streams.explaining import BEFORE
from streams.metrics import Metrics
from streams.owners import owner_key
from streams.setting_values import Address

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


EXPLAINED = Explanation(
    "17850", THEN, "GBP", 2, "Europe/London", "r1",
    (
        Placement(
            "lifecycle", Words("生命周期", "Lifecycle"), "silent", Words("沉默客户", "Silent"),
            THEN, "time", {"n": 34}, Words("共 34 单", "34 orders in all"),
            Next("churned", THEN + 1),
            (
                Neighbour("churned", Words("流失客户", "Churned"), ()),
                Neighbour(
                    "reactivated", Words("已唤醒客户", "Reactivated"),
                    (Way(Order(0, None), Words("再下一单", "an order")),),
                ),
            ),
        ),
    ),
)  # fmt: skip


@pytest.fixture
def owner(cache: dict[str, str]) -> Iterator[list[str]]:
    """Give the paths that a worker was asked for, which owns the customer's partition."""
    asked: list[str] = []

    def answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        asked.append(environ["PATH_INFO"] + environ.get("HTTP_AUTHORIZATION", ""))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [explanations.encode(EXPLAINED)]

    server = health.serve(
        Address("127.0.0.1", 0), Metrics().registry, lambda: None, beside={BEFORE: answer}
    )
    with Redis.from_url(cache["REWAKE_REDIS"]) as client:
        client.set(owner_key(0), f"127.0.0.1:{server.server_port}")
    yield asked
    server.shutdown()
    server.server_close()


def test_the_owner_is_asked_to_explain(
    rewake: Rewake, cache: dict[str, str], owner: list[str]
) -> None:
    done = rewake("lookup", "17850", "--explain", **cache, **REPLAYED)
    assert (done.returncode, done.stderr) == (0, "")
    assert owner == ["/v1/customers/17850/explanation"]
    assert done.stdout.splitlines() == [
        "customer 17850, as of 2011-03-01 08:26 (Europe/London)",
        "",
        "Lifecycle: Silent (silent), since 2011-03-01 08:26, by time alone",
        "  34 orders in all",
        "  becomes Churned (churned) on 2011-03-01 08:26:00.001 if nothing new comes",
        "  → Reactivated (reactivated): an order",
        "  by no single act: Churned",
    ]


def test_the_owner_is_sent_the_first_token_that_may_ask(
    rewake: Rewake, cache: dict[str, str], owner: list[str]
) -> None:
    tokens = "reader-0123456789:read,explainer-0123456789:explain,another-0123456789:explain"
    done = rewake("lookup", "17850", "--explain", **cache, **REPLAYED, REWAKE_WEB_TOKENS=tokens)
    assert (done.returncode, done.stderr) == (0, "")
    assert owner == ["/v1/customers/17850/explanationBearer explainer-0123456789"]


def test_an_explanation_speaks_chinese_and_json(
    rewake: Rewake, cache: dict[str, str], owner: list[str]
) -> None:
    done = rewake("lookup", "17850", "--explain", "--lang", "zh", **cache, **REPLAYED)
    assert "→ 已唤醒客户(reactivated):再下一单" in done.stdout
    done = rewake("lookup", "17850", "--explain", "--json", **cache, **REPLAYED)
    found = json.loads(done.stdout)
    assert found["segments"]["lifecycle"]["segment"] == "silent"
    assert found["explanation"] == json.loads(explanations.encode(EXPLAINED))
    assert len(owner) == 2


def test_without_an_owner_there_is_no_explanation_but_a_lookup(
    rewake: Rewake, cache: dict[str, str]
) -> None:
    done = rewake("lookup", "17850", "--explain", **cache, **REPLAYED)
    assert (done.returncode, done.stdout) == (1, "")
    assert "only a running worker can explain: start one" in done.stderr
    assert rewake("lookup", "17850", **cache, **REPLAYED).returncode == 0


def test_who_is_unknown_is_not_explained(
    rewake: Rewake, cache: dict[str, str], owner: list[str]
) -> None:
    done = rewake("lookup", "nobody", "--explain", **cache, **REPLAYED)
    assert (done.returncode, owner) == (1, [])
    assert "the cache knows no order or engagement of such a customer" in done.stderr
