"""The sandbox: what facts and time would do to a copy of a customer."""

from __future__ import annotations

from itertools import pairwise

import pytest

from schemas.vocabulary import Kind
from segmenters.engine import Engine
from segmenters.probing import NOTHING, Sandbox, Try
from segmenters.rules import loads
from tests.oracle_book import DAY_MS, ENGAGEMENT, ORDER, Fact
from tests.properties.feeding import batch_of, dump

pytestmark = pytest.mark.interpreted

RULES = loads("[systems.lifecycle]\n[systems.monetary_tier]\n[systems.rfm]\nmap = 'B'")
THEN = 17_000 * DAY_MS
NONE, SMALL, MEDIUM, LARGE = range(4)


def taken(*facts: Fact, clock: int = THEN) -> Sandbox:
    engine = Engine(RULES)
    engine.apply(batch_of(facts))
    ((_, row),) = dump(engine)
    sandbox = Sandbox(RULES)
    sandbox.take(row, clock)
    return sandbox


@pytest.fixture
def sandbox() -> Sandbox:
    return taken(Fact("c", THEN, ORDER, 95_290, "o"))


def test_each_step_was_tried_on_both_sides(sandbox: Sandbox) -> None:
    steps = sandbox.steps(Kind.ORDER, 0)
    assert [step.amount for step in steps] == [0, 4_710, 904_710]
    for before, step in pairwise(steps):
        ((below,), (here,)) = sandbox.follow([
            (Try(Kind.ORDER, step.amount - 1),), (Try(Kind.ORDER, step.amount),),
        ])  # fmt: skip
        assert (below, here) == (before.codes, step.codes)


def test_series_are_followed_fact_by_fact_and_apart(sandbox: Sandbox) -> None:
    order = Try(Kind.ORDER, 500_000)
    one, other = sandbox.follow([(NOTHING,), (order, NOTHING, order)])
    assert one == [sandbox.codes]
    assert [codes[1] for codes in other] == [MEDIUM, MEDIUM, LARGE]


def test_what_was_tried_leaves_nothing_behind(sandbox: Sandbox) -> None:
    first = sandbox.follow([(NOTHING,)])
    sandbox.follow([[Try(Kind.ORDER, 10**9)] * 20] * 5)
    waits = sandbox.wait()
    assert sandbox.follow([(NOTHING,)]) == first
    assert sandbox.wait() == waits


def test_waiting_tells_every_change_in_order(sandbox: Sandbox) -> None:
    waits = sandbox.wait()
    assert [each.at for each in waits] == sorted(each.at for each in waits)
    lifecycle = [(each.code, each.at - THEN) for each in waits if each.system == 0]
    assert lifecycle == [(2, 30 * DAY_MS), (3, 90 * DAY_MS), (4, 180 * DAY_MS)]


def test_the_last_orders_are_told_latest_first() -> None:
    orders = [Fact("c", THEN + day, ORDER, 100 + day, f"o-{day}") for day in range(12)]
    sandbox = taken(*orders, Fact("c", THEN + 20, ENGAGEMENT))
    assert [order.left for order in sandbox.orders] == [111 - day for day in range(10)]
    assert (sandbox.at, sandbox.last_engagement) == (THEN + 20, THEN + 20)


def test_the_numbers_need_no_change(sandbox: Sandbox) -> None:
    lifecycle, money, rfm = sandbox.numbers()
    assert (lifecycle["n"], money["M365"], rfm["F365"]) == (1, 95_290, 1)
