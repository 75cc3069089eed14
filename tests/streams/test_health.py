"""The worker's two pages, and the probe that asks for one."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

import pytest

from schemas.errors import RewakeError
from streams import health
from streams.metrics import Metrics
from streams.setting_values import Address

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def wrong() -> list[str]:
    return []


@pytest.fixture
def address(wrong: list[str]) -> Iterator[Address]:
    metrics = Metrics()
    metrics.consumed.labels("t").inc(3)
    server = health.serve(
        Address("127.0.0.1", 0), metrics.registry, lambda: wrong[0] if wrong else None
    )
    yield Address("127.0.0.1", server.server_port)
    server.shutdown()
    server.server_close()


def test_a_worker_that_is_well_says_so(address: Address):
    assert health.probe(address) == "ok"


def test_a_worker_that_listens_on_all_addresses_is_found_by_a_probe_beside_it():
    server = health.serve(Address("0.0.0.0", 0), Metrics().registry, lambda: None)
    try:
        assert health.probe(Address("0.0.0.0", server.server_port)) == "ok"
    finally:
        server.shutdown()
        server.server_close()


def test_a_worker_that_is_not_well_says_why(address: Address, wrong: list[str]):
    wrong.append("stopping: input_truncated")
    with pytest.raises(RewakeError, match="input_truncated"):
        health.probe(address)


def test_a_worker_that_is_not_there_is_named(address: Address):
    with pytest.raises(RewakeError, match="is it running"):
        health.probe(Address("127.0.0.1", 1))
    assert address.port != 1


def test_metrics_carry_their_public_names(address: Address):
    connection = http.client.HTTPConnection(address.host, address.port, timeout=5)
    connection.request("GET", "/metrics")
    page = connection.getresponse().read().decode()
    connection.close()
    assert 'rewake_events_consumed_total{topic="t"} 3.0' in page
    assert "rewake_continuity_breaks_total 0.0" in page


def test_an_address_that_is_taken_is_an_error_that_says_what_to_do(address: Address):
    with pytest.raises(RewakeError, match="REWAKE_METRICS"):
        health.serve(address, Metrics().registry, lambda: None)
