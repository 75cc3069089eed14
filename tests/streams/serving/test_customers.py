"""Lookups of one customer and of many, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.streams.serving.conftest import THEN, now

if TYPE_CHECKING:
    from streams.local import LocalServers
    from tests.streams.serving.conftest import Cache, Service

LABELS = {
    "active": {"zh": "活跃客户", "en": "Active"},
    "silent": {"zh": "沉默客户", "en": "Silent"},
}


def test_a_customer_is_answered_with_everything_a_page_needs(service: Service, cache: Cache):
    until = now() + 86_400_000
    cache.put("17850", valid_until=until, next={"lifecycle": "silent"})
    found = service.get("/v1/customers/17850")
    body = found.json()
    as_of = body.pop("as_of")
    assert as_of > now()
    assert body == {
        "customer_id": "17850",
        "stale": False,
        "sequence": 3,
        "version": 7,
        "valid_until": until,
        "segments": {"lifecycle": {"segment": "active", "since": THEN, "labels": LABELS["active"]}},
        "next": {"lifecycle": {"segment": "silent", "labels": LABELS["silent"]}},
    }
    assert found.headers["content-type"] == "application/json"


def test_an_unknown_customer_is_a_problem_with_the_instant_as_of_which(service: Service):
    found = service.get("/v1/customers/nobody")
    body = found.json()
    assert (found.status_code, found.headers["content-type"]) == (404, "application/problem+json")
    assert (body["status"], body["stale"], body["customer_id"]) == (404, False, "nobody")
    assert body["as_of"] > now()
    assert "check the id" in body["detail"]


def test_a_flushed_cache_is_told_apart_from_an_unknown_customer(service: Service, cache: Cache):
    cache.redis.flushdb()
    body = service.get("/v1/customers/nobody").json()
    assert (body["as_of"], body["stale"]) == (None, True)
    assert "not filled yet, or was flushed" in body["detail"]


@pytest.mark.parametrize(
    "customer_id", ["a/b", "..", "../x", "a b?c#d", "客户", "%2F", "ä\x00\x1f\n", "x" * 9_000, "+"]
)
def test_a_customer_is_found_whatever_the_id(service: Service, cache: Cache, customer_id: str):
    cache.put(customer_id)
    # Dots would be resolved by the client before they are sent.
    path = quote(customer_id, safe="").replace(".", "%2E")
    found = service.get(f"/v1/customers/{path}")
    assert (found.status_code, found.json()["customer_id"]) == (200, customer_id)


def test_an_answer_that_was_kept_is_good_while_sequence_and_version_stand(
    service: Service, cache: Cache
):
    cache.put("c", version=7)
    tag = service.get("/v1/customers/c").headers["etag"]
    assert tag == 'W/"3.7"'
    again = service.get("/v1/customers/c", headers={"if-none-match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    cache.put("c", version=8, valid_until=now() + 1)
    moved = service.get("/v1/customers/c", headers={"if-none-match": tag})
    assert (moved.status_code, moved.headers["etag"]) == (200, 'W/"3.8"')


def test_a_stale_answer_is_never_confirmed(service: Service, cache: Cache):
    cache.put("c")
    tag = service.get("/v1/customers/c").headers["etag"]
    cache.tick(now() - 60_000)
    found = service.get("/v1/customers/c", headers={"if-none-match": tag})
    assert (found.status_code, found.json()["stale"], "etag" in found.headers) == (200, True, False)


def test_a_batch_is_answered_in_the_order_asked(service: Service, cache: Cache):
    cache.put("a", "active")
    cache.put("b", "silent")
    asked = ["b", "nobody", "a", "b"]
    found = service.http.post("/v1/customers:batchGet", json={"customer_ids": asked})
    customers = found.json()["customers"]
    assert [(each["customer_id"], each["found"]) for each in customers] == [
        ("b", True), ("nobody", False), ("a", True), ("b", True),
    ]  # fmt: skip
    single = service.get("/v1/customers/b").json()
    assert customers[0] == single | {"found": True}
    assert set(customers[1]) == {"customer_id", "found", "as_of", "stale"}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"customer_ids": ["c"] * 501}, "500"),
        ({"customer_ids": [7]}, "customer_ids"),
        ({"ids": []}, "ids"),
        ([], "object"),
    ],
)
def test_a_batch_that_is_not_as_described_is_refused(service: Service, body: object, word: str):
    found = service.http.post("/v1/customers:batchGet", json=body)
    assert (found.status_code, found.headers["content-type"]) == (400, "application/problem+json")
    assert word in found.json()["detail"]


def test_the_cache_of_another_app_is_not_read(service: Service, cache: Cache):
    cache.redis.set("rw:epoch", "shop Vd9c 1 5f0a")
    found = service.get("/v1/customers/c")
    assert found.status_code == 503
    assert "it is that of app shop" in found.json()["detail"]
    assert service.get("/readyz").status_code == 503


def test_a_redis_that_is_away_is_said_so_and_found_again(
    service: Service, cache: Cache, redis_server: LocalServers
):
    cache.put("c")
    redis_server.pause("redis")
    try:
        found = service.get("/v1/customers/c")
        ready = service.get("/readyz")
        assert service.get("/healthz").status_code == 200
    finally:
        redis_server.resume("redis")
    assert (found.status_code, found.headers["retry-after"]) == (503, "1")
    assert "expected Redis at redis://" in found.json()["detail"]
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert service.get("/v1/customers/c").status_code == 200
    assert service.get("/readyz").status_code == 200
