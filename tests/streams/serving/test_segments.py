"""Sizes of segments, and the pages of their customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.streams.serving.conftest import THEN, now

if TYPE_CHECKING:
    from tests.streams.serving.conftest import Cache, Service

MEMBERS = "/v1/segments/lifecycle/silent/customers"


def walk(service: Service, limit: int, between: Any = lambda: None) -> list[str]:
    """Page through all silent customers, and do something between two pages."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": limit} | ({} if cursor is None else {"cursor": cursor})
        page = service.get(MEMBERS, params=params).json()
        found += [each["customer_id"] for each in page["customers"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
        between()


def test_the_systems_are_those_of_the_rules_with_their_names(service: Service):
    found = service.get("/v1/systems").json()
    assert found["base_currency"] == "GBP"
    assert len(found["rules_version"]) == 16
    lifecycle = next(each for each in found["systems"] if each["system"] == "lifecycle")
    assert lifecycle["title"] == {"zh": "生命周期", "en": "Lifecycle"}
    assert {"segment": "silent", "labels": {"zh": "沉默客户", "en": "Silent"}} in lifecycle[
        "segments"
    ]


def test_sizes_shares_and_revenue_are_those_of_the_cache(service: Service, cache: Cache):
    for number in range(3):
        cache.put(f"a{number}", "active")
    cache.put("s", "silent")
    cache.sums(active=12_345, silent=-50)
    found = service.get("/v1/segments").json()
    sizes = {each["segment"]: each for each in found["systems"]["lifecycle"]}
    active, silent = sizes["active"], sizes["silent"]
    assert (active["customers"], active["share"], active["revenue"]) == (3, 0.75, "246.90")
    assert (silent["customers"], silent["share"], silent["revenue"]) == (1, 0.25, "-1.00")
    assert (sizes["churned"]["customers"], sizes["churned"]["revenue"]) == (0, "0.00")
    assert (found["currency"], found["stale"]) == ("GBP", False)
    assert found["as_of"] > now()


def test_revenue_is_not_known_unless_every_partition_tells_it(service: Service, cache: Cache):
    cache.put("a", "active")
    cache.sums(active=1)
    cache.redis.hdel("rw:sums", "1")
    found = service.get("/v1/segments").json()["systems"]["lifecycle"]
    assert {each["revenue"] for each in found} == {None}


def test_one_clock_that_is_not_published_makes_what_speaks_of_all_stale(
    service: Service, cache: Cache
):
    cache.redis.hdel("rw:clock", "1")
    found = service.get("/v1/segments").json()
    assert (found["as_of"], found["stale"]) == (None, True)


@pytest.mark.parametrize("limit", [1, 3, 7, 1000])
def test_pages_are_in_the_order_of_since_and_have_everybody_once(
    service: Service, cache: Cache, limit: int
):
    # Many fall silent in the same millisecond: a midnight.
    for number in range(20):
        cache.put(f"c{number}", "silent", since=THEN + number // 8)
    members = cache.redis.zrange("rw:m:lifecycle:silent", 0, -1)
    assert walk(service, limit) == [each.decode() for each in members]


def test_pages_stay_right_while_members_come_and_go(service: Service, cache: Cache):
    names = [f"é{number:02}" for number in range(40)]
    for number, name in enumerate(names):
        cache.put(name, "silent", since=THEN + number // 10)
    leaving = iter([*names[:8], *names[20:24]])
    coming = iter(range(100))

    def between() -> None:
        # Somebody already shown, or yet to come, leaves; somebody comes in front.
        cache.redis.zrem("rw:m:lifecycle:silent", next(leaving, "nobody"))
        cache.redis.zadd("rw:m:lifecycle:silent", {f"z{next(coming)}": THEN - 5})

    found = walk(service, 3, between)
    assert len(found) == len(set(found))
    assert set(names[8:20] + names[24:]) <= set(found)


@pytest.mark.parametrize("cursor", ["x", "WzEsMl0", "é", "", "e30"])
def test_what_is_no_cursor_is_refused(service: Service, cursor: str):
    found = service.get(MEMBERS, params={"cursor": cursor})
    assert (found.status_code, "next_cursor" in found.json()["detail"]) == (400, True)


def test_a_segment_nobody_defined_is_not_found(service: Service):
    found = service.get("/v1/segments/lifecycle/lost/customers")
    assert (found.status_code, "silent" in found.json()["detail"]) == (404, True)
    assert service.get("/v1/segments/none/silent/customers").status_code == 404


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
def test_a_page_has_its_bounds(service: Service, limit: str):
    assert service.get(MEMBERS, params={"limit": limit}).status_code == 400
