"""Check how the oracle holds changes back, and what new rules make of the whole pack.

In the drawings o is an order, r a refund; the numbers are days.
"""

from __future__ import annotations

from typing import Any

import pytest

from segmenters.oracle.customer import Customer, Rules
from segmenters.oracle.turn import change_rules
from tests.oracle import Fact, run
from tests.oracle_book import DAY_MS, ORDER, REFUND

BASE = 17_000


def ms(day: float) -> int:
    return round((BASE + day) * DAY_MS)


def o(day: float, major: int = 10) -> Fact:
    return Fact("c", ms(day), ORDER, major * 100)


def r(day: float, major: int) -> Fact:
    return Fact("c", ms(day), REFUND, major * 100)


def told(facts: list[Fact], until: float, **damping: Any) -> list[tuple[Any, ...]]:
    changes = run(facts, {"value_tier": {"damping": damping}}, "UTC", ms(until))
    return [(c["to"], c["at"] / DAY_MS - BASE, c["cause"]) for c in changes]


#  o 0 (low)   o 3 (mid wanted, dwell 7)   7 told by time


def test_a_dwell_holds_back_and_releases_as_a_deadline() -> None:
    facts = [o(0), o(3, 600)]
    assert told(facts, 10, dwell_days=7) == [("low", 0, "event"), ("mid", 7, "clock")]
    assert told(facts, 7 - 1 / DAY_MS, dwell_days=7) == [("low", 0, "event")]
    assert told([o(0), o(7, 600)], 10, dwell_days=7)[-1] == ("mid", 7, "event")


#  o 0 low   o 1 mid   r 2 (600): low wanted, left at 1, cool-down 30: at 31


def test_a_cool_down_holds_back_the_return() -> None:
    facts = [o(0), o(1, 600), r(2, 600)]
    assert told(facts, 40, cooldown_days=30)[-1] == ("low", 31, "clock")
    assert told(facts, 31 - 1 / DAY_MS, cooldown_days=30)[-1] == ("mid", 1, "event")


def test_a_segment_left_is_never_entered_again_where_reentry_is_never() -> None:
    facts = [o(0), o(1, 600), r(2, 600), o(3, 6_000)]
    assert [to for to, *_ in told(facts, 300, reentry="never")] == ["low", "mid", "high"]
    assert [to for to, *_ in told(facts, 300)] == ["low", "mid", "low", "high"]


#  o 0 low   o 1 (mid wanted)   o 2 (mid still)   o 3 (high)   r 4 (mid again): three flips


def test_a_flip_held_back_counts_once_in_a_row() -> None:
    rules = Rules({"value_tier": {"damping": {"dwell_days": 30}}}, "UTC")
    customer = Customer(rules, "c")
    for fact in [o(0), o(1, 600), o(2), o(3, 6_000), r(4, 3_000)]:
        customer.apply(fact)
    assert customer.told == {"value_tier": "low"}
    assert customer.suppressed == {"value_tier": 3}


def test_other_systems_see_the_value_that_is_told() -> None:
    systems = {
        "value_tier": {"damping": {"dwell_days": 5}},
        "lifecycle": {"by_value": {"high": [60, 30]}},
    }
    changes = run([o(0), o(1, 6_000)], systems, "UTC", ms(95))
    assert changes[-1]["at"] == ms(91)  # low is told at the order, high from day 5 on
    assert changes[-1]["to"] == "silent"


#  o 0 low   o 1 (6 000; dwell 30 holds it back)   new rules at 2


def test_new_rules_are_plain_and_forget_what_was_left() -> None:
    table = {"value_tier": {"damping": {"dwell_days": 30, "reentry": "never"}}}
    customer = Customer(Rules(table, "UTC"), "c")
    for fact in [o(0), o(1, 6_000)]:
        customer.apply(fact)
    changed = {"value_tier": {"damping": {"dwell_days": 0, "reentry": "never"}}}
    changes = change_rules(customer, Rules(changed, "UTC"), ms(2))
    assert [(c["to"], c["cause"]) for c in changes] == [("high", "rules")]
    customer.apply(r(3, 6_000))
    assert customer.told == {"value_tier": "low"}


def test_other_terms_of_lifecycle_do_not_alter_the_churn_risk() -> None:
    rules = Rules({"lifecycle": {}, "churn_risk": {}}, "UTC")
    customer = Customer(rules, "c")
    customer.apply(o(0))
    other = Rules({"lifecycle": {"silent_purchase_days": 60}, "churn_risk": {}}, "UTC")
    assert [c["system"] for c in change_rules(customer, other, ms(40))] == ["lifecycle"]
    customer.settle(ms(70))
    assert [(c["to"], c["at"]) for c in customer.changes if c["system"] == "churn_risk"] == [
        ("low", ms(0)), ("high", ms(45)), ("none", ms(60)),
    ]  # fmt: skip


@pytest.mark.parametrize(("basis", "value"), [("spend", "high"), ("profit", "low")])
def test_profit_is_not_known_from_before_somebody_asked(basis: str, value: str) -> None:
    customer = Customer(Rules({"value_tier": {}}, "UTC"), "c")
    customer.apply(o(0, 50_000))
    change_rules(customer, Rules({"value_tier": {"basis": basis}}, "UTC"), ms(1))
    assert customer.told == {"value_tier": value}


#  o 0 (600 mid)   new rules at 1: mid from 700 on; the lifecycle looks at the value, and at 90 days


def test_a_pair_is_chosen_anew_where_the_value_is_judged_by_other_terms() -> None:
    lifecycle = {"by_value": {"mid": [40, 30]}}
    customer = Customer(Rules({"value_tier": {}, "lifecycle": lifecycle}, "UTC"), "c")
    customer.apply(o(0, 600))
    value = {"thresholds": {"mid": 700}}
    change_rules(customer, Rules({"value_tier": value, "lifecycle": lifecycle}, "UTC"), ms(1))
    customer.settle(ms(41))
    assert customer.told == {"value_tier": "low", "lifecycle": "active"}
    customer.settle(ms(90), inclusive=True)
    assert customer.told == {"value_tier": "low", "lifecycle": "silent"}


def test_new_terms_of_lifecycle_fix_the_pair_by_the_value_they_find() -> None:
    customer = Customer(Rules({"value_tier": {}, "lifecycle": {}}, "UTC"), "c")
    customer.apply(o(0, 600))
    lifecycle = {"by_value": {"mid": [40, 30]}}
    change_rules(customer, Rules({"value_tier": {}, "lifecycle": lifecycle}, "UTC"), ms(1))
    customer.settle(ms(41))
    assert customer.told == {"value_tier": "mid", "lifecycle": "silent"}
