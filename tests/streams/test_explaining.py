"""The worker's page that explains a customer: asked over HTTP, answered from a row's copy."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from schemas import explanations
from segmenters.rules import loads
from segmenters.warming import warm_up
from streams import explaining, health
from streams.clock import Reading
from streams.explaining import BEFORE, Explaining
from streams.metrics import Metrics
from streams.partitioner import partitions_of
from streams.serving.tokens import Tokens
from streams.setting_values import Address
from tests.oracle_book import DAY_MS, ORDER, Fact
from tests.properties.feeding import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.interpreted

RULES = loads("[systems.lifecycle]")
NAMES = ("17850", "a/b c?", "客户")
THEN = 17_000 * DAY_MS


class Page(NamedTuple):
    """What was answered."""

    status: int
    kind: str
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The reason for no answer."""
        found: dict[str, Any] = json.loads(self.body)
        assert (self.kind, found["status"]) == ("application/problem+json", self.status)
        return found


class Shop:
    """A worker with one partition of two, as far as it is asked for explanations."""

    def __init__(self, tokens: str = "", *, reached: bool = False) -> None:
        warm_up(RULES)  # as a worker does before it answers: nobody waits for a kernel
        self.run = Run(RULES)
        self.run.apply([Fact(name, THEN, ORDER, 1_000, "o") for name in NAMES])
        partition = SimpleNamespace(
            engine=self.run.engine, waiting=0, reading=Reading(THEN + DAY_MS)
        )
        self.partition = partition
        self.owned: dict[int, Any] = dict.fromkeys(range(2), partition)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        answering = Explaining(
            RULES, 2, lambda: self.owned, self.loop, Tokens(tokens), reached=reached
        )
        self.server = health.serve(
            Address("127.0.0.1", 0), Metrics().registry, lambda: None, beside={BEFORE: answering}
        )

    def close(self) -> None:
        """Stop server and loop."""
        self.server.shutdown()
        self.server.server_close()
        self.stop_loop()
        self.loop.close()

    def stop_loop(self) -> None:
        """Let the loop do nothing any more."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def ask(self, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> Page:
        """Ask for a path."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=20)
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        page = Page(response.status, response.headers["Content-Type"], response.read())
        connection.close()
        return page


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


@pytest.mark.parametrize(
    ("path", "name"),
    list(zip(("17850", "a%2Fb%20c%3F", "%E5%AE%A2%E6%88%B7"), NAMES, strict=True)),
)
def test_a_customer_is_explained_whatever_the_id(shop: Shop, path: str, name: str) -> None:
    page = shop.ask(f"/v1/customers/{path}/explanation")
    assert (page.status, page.kind) == (200, "application/json")
    explanation = explanations.decode(page.body)
    assert (explanation.customer_id, explanation.as_of) == (name, THEN + DAY_MS)
    assert explanation.systems[0].segment == "new"


def test_the_engine_is_left_as_it_was(shop: Shop) -> None:
    ledger = shop.run.engine.ledger

    def held() -> tuple[bytes, ...]:
        pools = ledger.tiles, ledger.orders
        return tuple(
            each.tobytes() for each in (ledger.rows, ledger.dues, *(pool.cells for pool in pools))
        )

    before = held()
    assert shop.ask("/v1/customers/17850/explanation").status == 200
    assert before == held()


def test_a_customer_of_another_workers_partition_is_not_found(shop: Shop) -> None:
    number = int(partitions_of([b"17850"], 2)[0])
    del shop.owned[number]
    problem = shop.ask("/v1/customers/17850/explanation").problem
    assert (problem["status"], problem["title"]) == (404, "Not Found")
    assert f"own partition {number}" in problem["detail"]


def test_an_unknown_customer_is_not_found(shop: Shop) -> None:
    problem = shop.ask("/v1/customers/nobody/explanation").problem
    assert (problem["status"], "check the id" in problem["detail"]) == (404, True)


def test_while_rules_change_the_question_is_to_be_asked_again(shop: Shop) -> None:
    shop.partition.waiting = 3
    problem = shop.ask("/v1/customers/17850/explanation").problem
    assert (problem["status"], "ask again" in problem["detail"]) == (503, True)


def test_a_loop_that_does_not_run_is_waited_for_only_so_long(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "LOOP_S", 0.05)
    shop.stop_loop()
    problem = shop.ask("/v1/customers/17850/explanation").problem
    assert (problem["status"], "event loop" in problem["detail"]) == (503, True)
    assert shop.ask("/healthz").status == 200


def test_what_fails_is_told_to_whoever_asked(shop: Shop) -> None:
    rules = loads("[systems.monetary_tier]")
    warm_up(rules)
    other = Run(rules)
    other.apply([Fact("17850", THEN, ORDER, 1_000, "o")])
    shop.partition.engine = other.engine  # its rows are not of the rules in force
    problem = shop.ask("/v1/customers/17850/explanation").problem
    assert (problem["status"], "LayoutChanged" in problem["detail"]) == (500, True)


TOKENS = "reader-0123456789:read,explainer-0123456789:read+explain"


@pytest.mark.parametrize(
    ("tokens", "reached", "sent", "status", "word"),
    [
        ("", False, None, 200, ""),
        ("", True, None, 403, "set REWAKE_WEB_TOKENS"),
        ("", True, "explainer-0123456789", 403, "set REWAKE_WEB_TOKENS"),
        (TOKENS, False, None, 401, "Authorization: Bearer"),
        (TOKENS, True, "of-somebody-else", 401, "Authorization: Bearer"),
        (TOKENS, True, "reader-0123456789", 403, "scope explain"),
        (TOKENS, True, "explainer-0123456789", 200, ""),
    ],
)
def test_an_explanation_is_for_who_may_have_it(
    tokens: str, reached: bool, sent: str | None, status: int, word: str
) -> None:
    shop = Shop(tokens, reached=reached)
    try:
        headers = {} if sent is None else {"Authorization": f"Bearer {sent}"}
        page = shop.ask("/v1/customers/17850/explanation", headers=headers)
        assert page.status == status
        if status == 200:
            assert explanations.decode(page.body).customer_id == "17850"
        else:
            assert word in page.problem["detail"]
            assert b"17850" not in page.body
        assert shop.ask("/healthz").status == 200
    finally:
        shop.close()


def test_what_is_no_such_question_is_refused(shop: Shop) -> None:
    assert shop.ask("/v1/customers/17850").problem["status"] == 404
    assert shop.ask("/v1/customers/17850/explanation", "POST").problem["status"] == 405
    assert shop.ask("/v1/customers/%FF/explanation").problem["status"] == 400
