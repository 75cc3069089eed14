"""Who may ask, how often and how much; what every answer and every log line has."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING

import pytest

from schemas.errors import UsageError
from streams.serving.limits import REMEMBERED, RateLimit
from streams.serving.service import check
from streams.serving.tokens import Scope, Tokens, with_scope
from streams.settings import load_settings, shown
from tests.streams.serving.conftest import EXPLAINER, READER, until

if TYPE_CHECKING:
    from tests.streams.serving.conftest import Cache, Service

LOCKED = ["/v1/customers/c", "/v1/systems", "/v1/segments", "/v1/changes", "/v1/lag"]
OPEN = ["/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/static/index.html"]


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", [*LOCKED, "/v1/customers/c/explanation"])
def test_without_a_token_nothing_about_customers_is_answered(guarded: Service, path: str):
    time.sleep(0.1)
    found = guarded.get(path)
    assert found.status_code == 401
    assert found.headers["www-authenticate"].startswith("Bearer")
    assert "REWAKE_WEB_TOKENS" in found.json()["detail"]


@pytest.mark.parametrize("sent", ["Bearer no-such-token-0123", "Basic abc", "Bearer", "é"])
def test_another_token_is_none(guarded: Service, sent: str):
    found = guarded.get("/v1/systems", headers={"authorization": sent.encode()})
    assert found.status_code == 401


def test_a_token_opens_what_its_scopes_name(guarded: Service, cache: Cache):
    cache.put("c")
    assert guarded.get("/v1/customers/c", headers=bearer(READER)).status_code == 200
    refused = guarded.get("/v1/customers/c/explanation", headers=bearer(READER))
    assert (refused.status_code, "explain" in refused.json()["detail"]) == (403, True)
    # With the scope it is asked for, and there is no worker.
    asked = guarded.get("/v1/customers/c/explanation", headers=bearer(EXPLAINER))
    assert (asked.status_code, "worker" in asked.json()["detail"]) == (503, True)


@pytest.mark.parametrize("path", OPEN)
def test_the_page_and_the_health_need_no_token(guarded: Service, path: str):
    until(lambda: guarded.get(path).status_code != 429)
    assert guarded.get(path).status_code in {200, 503}


def test_who_asks_too_often_waits_and_others_do_not(guarded: Service):
    until(lambda: guarded.get("/healthz").status_code == 200)
    said = _at_once(guarded, "/healthz", 200)
    refused = said.count(b"HTTP/1.1 429")
    assert 0 < refused < 200 == refused + said.count(b"HTTP/1.1 200")
    first = said.partition(b"HTTP/1.1 429")[2].partition(b"HTTP/1.1")[0].lower()
    assert b"retry-after: 1\r\n" in first
    assert b"content-type: application/problem+json\r\n" in first
    assert guarded.get("/v1/systems", headers=bearer(READER)).status_code == 200
    until(lambda: guarded.get("/healthz").status_code == 200)


def _at_once(service: Service, path: str, count: int) -> bytes:
    """Ask so often on one connection, without waiting for an answer; return all that is said."""
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * count)
        said = b""
        while said.count(b"HTTP/1.1 ") < count or not said.endswith(b"}"):
            said += connection.recv(65_536)
        return said


def test_a_limit_lets_as_many_through_a_second_as_it_says():
    seconds = 0.0
    limit = RateLimit(10, now=lambda: seconds)
    passed = 0
    for step in range(500):
        seconds = step / 100
        passed += limit.take("a")
    assert 10 + 48 <= passed <= 10 + 50


def test_a_limit_remembers_so_many_callers_and_no_more():
    limit = RateLimit(1, now=lambda: 0.0)
    for number in range(REMEMBERED + 1):
        assert limit.take(str(number))
    assert not limit.take(str(REMEMBERED))
    assert limit.take("0")  # forgotten


def test_a_request_that_is_too_large_is_refused(service: Service):
    body = b'{"customer_ids": ["' + b"x" * 1_100_000 + b'"]}'
    headers = {"content-type": "application/json"}
    found = service.http.post("/v1/customers:batchGet", content=body, headers=headers)
    assert (found.status_code, found.json()["status"]) == (413, 413)
    pieces = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    found = service.http.post("/v1/customers:batchGet", content=pieces, headers=headers)
    assert (found.status_code, found.json()["status"]) == (413, 413)
    assert service.get("/v1/customers/" + "x" * 20_000).status_code == 414


def test_every_answer_forbids_what_is_not_from_here(service: Service):
    for path in ["/", "/static/plotly.min.js", "/v1/systems", "/nothing", "/v1/customers/c"]:
        headers = service.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe-inline" not in policy.partition("style-src")[0]
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_the_charts_script_is_kept_by_whoever_has_it(service: Service):
    found = service.get("/static/plotly.min.js")
    assert (found.status_code, "plotly.js" in found.text[:200]) == (200, True)
    assert "max-age" in found.headers["cache-control"]
    tag = found.headers["etag"]
    assert not tag.startswith("W/")
    again = service.get("/static/plotly.min.js", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/x"])
def test_no_other_file_is_served(service: Service, path: str):
    assert service.get(path).status_code == 404


def test_a_log_line_names_the_route_and_never_the_customer(service: Service, cache: Cache):
    cache.put("very-secret-id")
    assert service.get("/v1/customers/very-secret-id").status_code == 200
    service.get("/v1/customers/very-secret-id-of-nobody")
    service.get("/v1/customers/very-secret-id/nothing")
    service.http.post("/v1/customers:batchGet", json={"customer_ids": ["very-secret-id"] * 501})
    lines = [json.loads(line) for line in service.log.splitlines()]
    routes = [each["route"] for each in lines if each["event"] == "request"]
    assert "/v1/customers/{customer_id}" in routes
    assert "/v1/customers:batchGet" in routes
    assert "unmatched" in routes
    assert "very-secret" not in service.log
    assert "very-secret" not in service.get("/metrics").text


def test_metrics_count_by_route_method_and_status(service: Service):
    def count() -> float:
        line = 'rewake_http_requests_total{method="GET",route="/v1/systems",status="200"}'
        page = service.get("/metrics").text.splitlines()
        return sum(float(each.rsplit(" ", 1)[1]) for each in page if each.startswith(line))

    before = count()
    service.get("/v1/systems")
    assert count() == before + 1


# ---- settings


@pytest.mark.parametrize("host", ["0.0.0.0:8080", "[::]:8080", "10.1.2.3:1"])
def test_nobody_is_let_in_from_outside_without_tokens(host: str):
    with pytest.raises(UsageError, match="set REWAKE_WEB_TOKENS"):
        check(load_settings(None, web=host))
    check(load_settings(None, web=host, web_tokens=f"{READER}:read"))
    check(load_settings(None, web="127.0.0.1:8080"))


@pytest.mark.parametrize(
    "written", ["short:read", f"{READER}:write", READER, f"{READER}:", f"{READER}é:read"]
)
def test_tokens_that_cannot_be_used_are_refused_unseen(written: str):
    with pytest.raises(UsageError, match="REWAKE_WEB_TOKENS: expected tokens as") as raised:
        load_settings(None, web_tokens=written)
    assert written not in str(raised.value)
    assert READER not in str(raised.value)


def test_tokens_are_masked_and_one_may_be_chosen_by_its_scope():
    written = f"{READER}:read\n{EXPLAINER}:read+explain\n"
    settings = load_settings(None, web_tokens=written)
    assert shown(settings)["REWAKE_WEB_TOKENS"] == "********"
    assert with_scope(written, Scope.EXPLAIN) == EXPLAINER
    assert with_scope(written, Scope.ERASE) is None
    assert not Tokens("")
