"""The service against its own description, and against ids nobody would choose."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.streams.serving.conftest import EXPLAINER, READER, Service, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.streams.serving.conftest import Cache

MARK = "Zq7Xk"
"""Part of every id tried out: no log line may have it."""


@pytest.fixture
def described(service_env: dict[str, str], tmp_path: Path, cache: Cache) -> Iterator[Service]:
    cache.put("c", "silent")
    tokens = {"REWAKE_WEB_TOKENS": f"{READER}:read,{EXPLAINER}:read+explain"}
    service = Service(tmp_path, "described", **service_env, **tokens, REWAKE_WEB_RATE="0")
    until(service.follows)
    yield service
    assert service.stop() == 0


def test_the_description_is_openapi_31_and_names_every_route(service: Service):
    found = service.get("/openapi.json").json()
    assert found["openapi"].startswith("3.1")
    assert set(found["paths"]) == {
        "/v1/customers/{customer_id}", "/v1/customers/{customer_id}/explanation",
        "/v1/customers:batchGet", "/v1/systems", "/v1/segments",
        "/v1/segments/{system}/{segment}/customers", "/v1/changes", "/v1/migrations", "/v1/lag",
        "/healthz", "/readyz", "/metrics",
    }  # fmt: skip
    for path, operations in found["paths"].items():
        for operation in operations.values():
            secured = path.startswith("/v1/")
            assert (operation.get("security") == [{"token": []}]) is secured, path
            assert {"401", "403", "429", "503"} <= set(operation["responses"]) or not secured, path


def test_no_request_gets_an_answer_that_is_not_described(described: Service):
    # A stream has no end: it is tried out by itself. An explanation needs a worker. A cursor is a
    # string that only the service can write: any other is refused though its form is right.
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"), "run",
            f"{described.url}/openapi.json",
            "--header", f"Authorization: Bearer {EXPLAINER}",
            "--exclude-path", "/v1/changes",
            "--exclude-path", "/v1/customers/{customer_id}/explanation",
            "--checks", "all", "--exclude-checks", "positive_data_acceptance",
            "--phases", "coverage,fuzzing", "--max-examples", "8", "--max-time", "15",
            "--seed", "1", "--no-shrink", "--warnings", "off",
        ],
        cwd=described.log_path.parent, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6_000:]
    assert " passed" in done.stdout


def _ask(service: Service, target: bytes) -> int:
    """Send a path as these very bytes; return the status."""
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        said = b""
        while piece := connection.recv(65_536):
            said += piece
    return int(said.split(b" ", 2)[1])


_ODD = st.sampled_from(
    ["../", "%2F", "%2e%2e", "//", "\x00", "\r\n", "\t", "\u202e", "\ud800", "\udfff", "?", "#",
     "*", "rw:c:", "客", "%", "%zz", "{}", ";", "\\", " "]
)  # fmt: skip
_IDS = st.lists(st.one_of(_ODD, st.text(max_size=20)), max_size=12).map("".join)


@settings(
    max_examples=150, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(customer_id=_IDS, raw=st.booleans())
@example(customer_id="", raw=True)
@example(customer_id="x" * 10_000, raw=False)
@example(customer_id="客" * 10_000, raw=False)
@example(customer_id="\ud800", raw=False)
@example(customer_id="a\x00b", raw=False)
def test_no_id_makes_the_service_fail_or_shows_in_its_log(
    service: Service, customer_id: str, raw: bool
):
    name = (MARK + customer_id).encode("utf-8", "surrogatepass")
    sent = name if raw else b"".join(b"%%%02X" % byte for byte in name)
    status = _ask(service, b"/v1/customers/" + sent)
    assert status in {400, 404, 414}, status
    assert MARK not in service.log


def test_no_id_of_a_batch_makes_the_service_fail_or_shows_in_its_log(
    service: Service, cache: Cache
):
    ids = [MARK + odd for odd in ("", "/", "\x00", "\n", "客户", "x" * 10_000, "../", "{}")]
    for customer_id in ids:
        cache.put(customer_id)
    found = service.http.post("/v1/customers:batchGet", json={"customer_ids": ids}).json()
    assert [each["customer_id"] for each in found["customers"]] == ids
    assert all(each["found"] for each in found["customers"])
    for body in (
        b'{"customer_ids": ["%s\\ud800"]}' % MARK.encode(),
        b'{"customer_ids": ["%s\xed\xa0\x80"]}' % MARK.encode(),
        b'{"customer_ids": ["%s' % MARK.encode(),
        b"\xff\xfe",
        b"[" * 5_000,
    ):
        answer = service.http.post(
            "/v1/customers:batchGet", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400, body[:60]
        assert answer.headers["content-type"] == "application/problem+json"
    assert MARK not in service.log
    assert json.loads(service.log.splitlines()[0])
