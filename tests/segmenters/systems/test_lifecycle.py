"""Timelines of the lifecycle that the engine once got wrong, or that need an order's identity.

In the drawings o is an order, e an engagement, r a refund, T a tick; what stands after the bar
arrives late. The numbers are days.
"""

from __future__ import annotations

from typing import Any

import pytest

from segmenters.rules import loads
from tests.oracle_book import DAY_MS, ENGAGEMENT, ORDER, REFUND, Fact
from tests.properties.feeding import Run

pytestmark = pytest.mark.interpreted

BASE = 17_000
COUNTED = "[systems.lifecycle]\nnew_days = 0\nnew_orders = 2\nreactivated_orders = 1"


def ms(day: float) -> int:
    return round((BASE + day) * DAY_MS)


def o(day: float, order: str | None = None) -> Fact:
    return Fact("c", ms(day), ORDER, 1_000, order)


def e(day: float) -> Fact:
    return Fact("c", ms(day), ENGAGEMENT)


def i(day: float) -> Fact:
    return Fact("c", ms(day), ENGAGEMENT, qualifies=False)


def r(day: float, order: str) -> Fact:
    return Fact("c", ms(day), REFUND, 1_000, order)


def told(*arrivals: Fact | float, rules: str = "[systems.lifecycle]") -> list[tuple[Any, ...]]:
    """List to, day, cause of every change; numbers among the arrivals are ticks."""
    run = Run(loads(rules))
    for arrival in arrivals:
        if isinstance(arrival, Fact):
            run.apply([arrival])
        else:
            run.tick(ms(arrival))
    return [(c.to, c.at / DAY_MS - BASE, c.cause) for c in run.told]


def test_orders_of_one_instant_and_id_are_told_apart() -> None:
    # Both orders of day 100 are `b`. The first of them reactivated; the refund is of the second.
    changes = told(o(0, "a"), o(100, "b"), o(100, "b"), r(101, "b"), rules=COUNTED)
    assert [to for to, _, _ in changes] == ["new", "silent", "reactivated", "active", "reactivated"]


def test_a_refund_of_a_namesake_does_not_undo_a_return() -> None:
    changes = told(o(0, "a"), o(100, "b"), o(100, "b"), r(101, "b"), 120)
    assert changes[-1] == ("reactivated", 100, "event")


def test_an_order_that_stands_in_for_the_refunded_one_keeps_the_customer_active() -> None:
    kept = told(o(0, "a"), o(1, "b"), o(2, "c"), r(3, "b"), rules=COUNTED)
    assert kept == [("new", 0, "event"), ("active", 1, "event")]
    short = told(o(0, "a"), o(1, "b"), r(3, "b"), rules=COUNTED)
    assert short[-1] == ("new", 3, "event")


def test_the_next_order_takes_the_place_of_a_refunded_return() -> None:
    assert told(o(0, "a"), o(100, "b"), o(110, "c"), r(111, "b"), 141)[-2:] == [
        ("reactivated", 100, "event"), ("active", 140, "clock"),
    ]  # fmt: skip
    assert told(o(0, "a"), o(100, "b"), r(111, "b"))[-1] == ("silent", 111, "event")


#  o 0-----30 active-----90 silent--T 95 | o 80      as in time: active, silent again at 170


def test_a_purchase_that_turns_up_after_all_ends_as_if_it_had_come_in_time() -> None:
    changes = told(o(0), 95, i(95), o(80), 171)
    assert changes[2:] == [
        ("silent", 90, "clock"), ("active", 95, "correction"), ("silent", 170, "clock"),
    ]  # fmt: skip


def test_a_late_fact_that_would_not_have_prevented_the_change_undoes_nothing() -> None:
    assert told(o(0), 95, i(95), e(20))[-1] == ("silent", 90, "clock")


def test_a_late_order_that_would_be_silent_by_now_does_not_wake() -> None:
    # Two changes precede the clock: only churned could be undone, and 80 does not follow silent.
    assert told(o(0), 185, i(185), o(80))[-1] == ("churned", 180, "clock")


def test_a_graduation_due_at_the_very_clock_of_a_late_fact_is_not_taken_back() -> None:
    # o 30 makes `active` at its own instant, by time alone; a late order of day 0 changes nothing.
    assert told(o(0), o(30), o(10))[1:] == [("active", 30, "event")]


def test_late_engagements_do_not_wake_but_may_be_the_last_before_the_silence() -> None:
    # churned at max(0 + 180, 25 + 170)
    rules = "[systems.lifecycle]\nchurned_engagement_days = 170"
    assert told(o(0), 95, i(95), 200, rules=rules)[-1] == ("churned", 180, "clock")
    assert told(o(0), 95, i(95), e(25), 200, rules=rules)[-1] == ("churned", 195, "clock")
    assert told(o(0), 100, e(91), e(92), i(93))[-1] == ("reactivated", 92, "event")
    assert told(o(0), 100, i(93), e(91), e(92))[-1] == ("silent", 90, "clock")
    assert told(o(0), 181, i(181), e(91), e(92))[-1] == ("churned", 180, "clock")
