"""Check how the oracle treats late facts, against drawings and against the oracle in ts order.

In the drawings o is an order, e an engagement, T a tick; what stands after the bar arrives late.
The numbers are days.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import run
from tests.oracle_book import DAY_MS, ENGAGEMENT, ORDER, REFUND
from tests.oracle_late import Fact, Feed
from tests.properties.histories import (
    RULES,
    ends,
    histories,
    late_arrivals,
    rules_texts,
    systems_of,
    ticked,
    timezone_of,
)

BASE = 17_000


def ms(day: float) -> int:
    return round((BASE + day) * DAY_MS)


def o(day: float, order_id: str | None = None, amount: int = 1_000) -> Fact:
    return Fact("c", ms(day), ORDER, amount, order_id)


def e(day: float) -> Fact:
    return Fact("c", ms(day), ENGAGEMENT)


def i(day: float) -> Fact:
    return Fact("c", ms(day), ENGAGEMENT, qualifies=False)


def r(day: float, order_id: str, amount: int = 1_000) -> Fact:
    return Fact("c", ms(day), REFUND, amount, order_id)


def fed(*arrivals: Fact | float, system: str = "lifecycle", **table: Any) -> Feed:
    feed = Feed({system: table})
    for arrival in arrivals:
        if isinstance(arrival, Fact):
            feed.apply(arrival)
        else:
            feed.tick(ms(arrival))
    return feed


def told(*arrivals: Fact | float, system: str = "lifecycle", **table: Any) -> list[tuple[Any, ...]]:
    """List to, day, cause, and what a correction corrects."""
    return [
        (
            c["to"],
            c["at"] / DAY_MS - BASE,
            c["cause"],
            *([c["corrects"]] if "corrects" in c else []),
        )
        for c in fed(*arrivals, system=system, **table).changes
    ]


#  o 0-----30 active-----90 silent--T 95 | o 80
#  restored: active at 80, silent again at 170


def test_the_purchase_that_turned_up_after_all_ends_as_if_it_had_come_in_time() -> None:
    changes = told(o(0), 95, i(95), o(80), 171)
    assert changes[2:] == [
        ("silent", 90, "clock"), ("active", 95, "correction", 3), ("silent", 170, "clock"),
    ]  # fmt: skip


def test_a_late_engagement_undoes_a_silence_too() -> None:
    assert told(o(0), 95, i(95), e(50))[-1] == ("active", 95, "correction", 3)


def test_a_late_fact_that_would_not_have_prevented_the_change_undoes_nothing() -> None:
    assert told(o(0), 95, i(95), e(20))[-1] == ("silent", 90, "clock")


def test_deadlines_below_the_clock_are_run_through_and_only_the_difference_is_told() -> None:
    # 20o would have been silent at 110 instead of 90: at the clock, 115, nothing differs.
    assert told(o(0), 115, i(115), o(20))[-1] == ("silent", 90, "clock")
    # ... and churned at 200, before the clock, 205; told was churned at 180.
    assert told(o(0), 205, i(205), o(20))[-1] == ("churned", 180, "clock")
    # 100o arrives when churned is told: it would have reactivated, 130 active, 190 silent.
    assert told(o(0), 205, i(205), o(100))[-1] == ("silent", 205, "correction", 4)
    assert told(o(0), 185, i(185), o(100))[-1] == ("active", 185, "correction", 4)
    assert told(o(0), 185, i(185), o(160))[-1] == ("reactivated", 185, "correction", 4)


def test_only_the_last_change_can_be_undone() -> None:
    # 80o precedes silent (90) and churned (180); its own p + S is 170: churned stays.
    assert told(o(0), 185, i(185), o(80))[-1] == ("churned", 180, "clock")
    # ... but with a longer S the order still counts for something, from the clock on.
    days: dict[str, Any] = {"silent_purchase_days": 110, "churned_purchase_days": 180}
    assert told(o(0), 185, i(185), o(80), 191, **days)[-2:] == [
        ("reactivated", 185, "correction", 4), ("silent", 190, "clock"),
    ]  # fmt: skip


def test_a_change_made_by_a_fact_is_not_undone() -> None:
    # 100o reactivated; 95e comes late and would not have woken: nothing to tell.
    assert told(o(0), o(100), 105, e(95))[-1] == ("reactivated", 100, "event")


def test_a_correction_is_not_undone() -> None:
    # 80o corrects silent to active at 95; 92e precedes that, but no time made it.
    assert told(o(0), 95, i(95), o(80), e(92))[-1] == ("active", 95, "correction", 3)


def test_a_late_engagement_during_the_silence_counts_to_no_wake_up() -> None:
    assert told(o(0), i(103), e(100), e(105))[-1] == ("silent", 90, "clock")
    assert told(o(0), i(103), e(100), e(105), e(106))[-1] == ("reactivated", 106, "event")


def test_a_late_engagement_before_the_silence_moves_the_churn() -> None:
    days: dict[str, Any] = {"silent_engagement_days": 10, "churned_engagement_days": 200}
    arrivals: list[Fact | float] = [o(0), e(20), 95, e(50), 251]
    assert told(*arrivals, **days)[-1] == ("churned", 250, "clock")


def test_a_late_refund_acts_at_the_clock() -> None:
    assert told(o(0, "a"), i(50), 60, r(40, "a"))[-1] == ("prospect", 60, "correction", None)
    assert told(o(0, "a"), i(50), 60, r(20, "a"))[-1] == ("prospect", 60, "correction", 2)


def test_a_late_first_order_makes_a_prospect_new_at_the_clock() -> None:
    assert told(e(10), 11, o(5))[-1] == ("new", 11, "correction", 1)
    assert told(e(10), 60, o(5))[-1] == ("active", 60, "correction", 1)


def test_what_is_not_below_the_last_settled_instant_is_judged_in_time() -> None:
    feed = fed(o(0), 60, o(50))
    assert feed.late == 0
    assert told(o(0), 95, o(90))[-1] == ("reactivated", 90, "event")


def test_a_correction_is_not_told_before_the_last_settled_instant() -> None:
    # No tick has come: the clock is behind the facts applied.
    assert told(e(10), o(5))[-1] == ("new", 10, "correction", 1)


#  1 000-----T 10 | 9 500 on day 5: the tier is judged at the clock


def test_other_systems_are_judged_at_the_clock() -> None:
    changes = told(o(0, amount=100_000), i(8), 10, o(5, amount=950_000), system="monetary_tier")
    assert changes == [("medium", 0, "event"), ("large", 10, "correction", None)]


def test_a_late_order_stands_where_it_belongs() -> None:
    # Map A: F 2 with R from the order at 10, not from the late one at 5.
    assert told(o(10), 15, o(5), 41, system="rfm") == [
        ("new", 10, "event"), ("potential_loyalist", 15, "correction", 1),
    ]  # fmt: skip


def test_what_is_beyond_the_greatest_lateness_is_refused() -> None:
    feed = fed(o(0), i(450), 450, o(49.999), o(50))
    assert (len(feed.too_late), feed.late) == (1, 1)


def test_the_last_eight_event_ids_are_remembered() -> None:
    facts = [Fact("c", ms(0), ORDER, 100, None, f"e{number}") for number in range(9)]
    feed = fed(*facts, facts[1], facts[0])
    assert (feed.duplicates, len(feed.customers["c"].facts)) == (1, 10)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_ticks_between_facts_in_order_change_nothing(data: st.DataObject) -> None:
    facts = data.draw(histories())
    rules = data.draw(rules_texts())
    end = data.draw(ends(facts))
    feed = Feed(systems_of(rules), timezone_of(rules), remembered=None)
    for arrival in data.draw(ticked(facts)):
        if isinstance(arrival, Fact):
            feed.apply(arrival)
        else:
            feed.tick(arrival)
    feed.tick(end, inclusive=True)
    assert feed.changes == run(facts, systems_of(rules), timezone_of(rules), end)
    assert feed.late == 0


@pytest.mark.parametrize("name", ["default", "small", "small_cadence"])
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_late_orders_end_where_orders_in_time_do(name: str, data: st.DataObject) -> None:
    rules = RULES[name]
    systems = {"rfm": systems_of(rules)["rfm"]}
    facts = [f for f in data.draw(histories()) if f.kind in (ORDER, ENGAGEMENT)]
    end = data.draw(ends(facts))
    feed = Feed(systems, timezone_of(rules), remembered=None, max_lateness_days=100_000)
    for arrival in data.draw(late_arrivals(facts)):
        if isinstance(arrival, Fact):
            feed.apply(arrival)
        else:
            feed.tick(min(arrival, end))
    feed.tick(end, inclusive=True)
    in_time = run(facts, systems, timezone_of(rules), end)
    last = {c["customer_id"]: {"rfm": c["to"]} for c in in_time}
    assert feed.profiles() == last


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_told_of_late_facts_is_an_unbroken_path(data: st.DataObject) -> None:
    rules = data.draw(rules_texts())
    feed = Feed(systems_of(rules), timezone_of(rules))
    for arrival in data.draw(late_arrivals(data.draw(histories()))):
        if isinstance(arrival, Fact):
            feed.apply(arrival)
        else:
            feed.tick(arrival)
    for customer in feed.customers.values():
        present: dict[str, str | None] = {}
        for number, change in enumerate(customer.changes, 1):
            assert change["sequence"] == number
            assert change["from"] == present.get(change["system"]) != change["to"]
            present[change["system"]] = change["to"]
        instants = [change["at"] for change in customer.changes]
        assert instants == sorted(instants)
