"""The four tiers and risks of the default pack at their edges, drawn in days."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import RulesError
from segmenters.rules import loads
from tests.oracle_book import ENGAGEMENT, ORDER, REFUND, Fact
from tests.properties.feeding import Run, batch_of

pytestmark = pytest.mark.interpreted

DAY = 86_400_000
BEGIN = 17_000 * DAY


def ms(day: float) -> int:
    return BEGIN + round(day * DAY)


def o(day: float, major: float = 10, order_id: str | None = None, profit: int = 0) -> Fact:
    amount = round(major * 100)
    return Fact("c", ms(day), ORDER, amount, order_id or f"o{day}", f"o{day}", profit=profit)


def e(day: float) -> Fact:
    return Fact("c", ms(day), ENGAGEMENT, event_id=f"e{day}")


def r(day: float, major: float, order_id: str | None = None) -> Fact:
    return Fact("c", ms(day), REFUND, round(major * 100), order_id, f"r{day}")


def told(rules: str, facts: list[Fact], end: float, system: str) -> list[tuple[Any, ...]]:
    """Give what a system was told: segment, day, cause."""
    run = Run(loads(rules))
    run.apply(facts)
    run.tick(ms(end), inclusive=True)
    return [
        (change.to, (change.at - BEGIN) / DAY, change.cause)
        for change in run.told
        if change.system == system
    ]


VALUE = "[systems.value_tier]\n"
RISK = "[systems.lifecycle]\n[systems.churn_risk]\n"


#  o 4999.99 · o 0.01 · r 500 (unlinked) · r 0.01   mid until 5 000, high until below 4 500
def test_value_rises_at_the_threshold_and_falls_below_a_share_of_it():
    facts = [o(0, 4999.99), o(1, 0.01), r(2, 500), r(3, 0.01)]
    assert told(VALUE, facts, 3, "value_tier") == [
        ("mid", 0, "event"), ("high", 1, "event"), ("mid", 3, "event"),
    ]  # fmt: skip


#  o 600 ………… 365: the day leaves the window, and what was mid is low, not none
def test_one_who_bought_once_is_worth_little_and_never_nothing():
    assert told(VALUE, [o(0.5, 600)], 400, "value_tier") == [
        ("mid", 0.5, "event"), ("low", 365, "clock"),
    ]  # fmt: skip


#  o (profit 600) · r 550 (part: 50 left) · r 50 (the rest removes it)
def test_profit_is_taken_back_with_its_order():
    rules = VALUE + 'basis = "profit"\nthresholds = { high = 1000, mid = 5 }'
    facts = [o(0, 600, "a", profit=60_000), r(1, 550, "a"), r(2, 50, "a"), o(3, 600, "b", 600)]
    assert told(rules, facts, 3, "value_tier") == [
        ("mid", 0, "event"), ("none", 2, "event"), ("mid", 3, "event"),
    ]  # fmt: skip


#  o o o o (4: medium) … 365: three are left
def test_frequency_counts_the_orders_of_a_year():
    facts = [o(day) for day in (0, 1, 2, 3)]
    assert told("[systems.frequency_tier]", facts, 369, "frequency_tier") == [
        ("low", 0, "event"), ("medium", 3, "event"), ("low", 365, "clock"), ("none", 368, "clock"),
    ]  # fmt: skip


#  o 500 (high) · o 399.99: 899.99 < 2 · 450 (medium) · o 0 · o 0: 899.99 ≥ 4 · 90 (medium stays)
def test_the_average_order_is_compared_without_dividing():
    facts = [o(0, 500), o(1, 400), r(2, 0.01), o(3, 0), o(4, 0)]
    assert told("[systems.aov_tier]", facts, 4, "aov_tier") == [
        ("high", 0, "event"), ("medium", 2, "event"),
    ]  # fmt: skip


#  o 0 · o 10 · o 20: G = 10   medium from 40 on, high from 50 on, silent at 110
def test_risk_grows_with_the_customers_own_rhythm():
    changes = told(RISK, [o(0), o(10), o(20)], 120, "churn_risk")
    assert changes == [
        ("low", 0, "event"), ("medium", 40, "clock"), ("high", 50, "clock"), ("none", 110, "clock"),
    ]  # fmt: skip


#  o 0: no rhythm; silent at 90, so high from 75 on; an engagement at 80 moves silence to 140
def test_without_a_rhythm_the_coming_silence_counts():
    assert told(RISK, [o(0)], 76, "churn_risk")[-1] == ("high", 75, "clock")
    changes = told(RISK, [o(0), e(80)], 150, "churn_risk")
    assert changes[1:] == [
        ("high", 75, "clock"), ("low", 80, "event"), ("medium", 90, "clock"),
        ("high", 125, "clock"), ("none", 140, "clock"),
    ]  # fmt: skip


#  e×5 on day 1: from day 31 on nothing in thirty days after five; from 61 on they are gone, too.
#  With two more on 20 and 21 there is enough until 50, when one is left against six.
def test_risk_is_high_while_engagement_fades():
    rules = RISK.replace("[systems.churn_risk]", "silent_purchase_days = 150\n[systems.churn_risk]")
    facts = [o(0), *(e(1 + hour / 24) for hour in range(5))]
    assert told(rules, facts, 70, "churn_risk") == [
        ("low", 0, "event"), ("high", 31, "clock"), ("low", 61, "clock"),
    ]  # fmt: skip
    assert told(rules, [*facts, e(20), e(21)], 70, "churn_risk") == [
        ("low", 0, "event"), ("high", 50, "clock"), ("low", 61, "clock"),
    ]  # fmt: skip


#  high at 0, by the rule low at 1 (refund): told when the dwell ends at 7
def test_a_dwell_holds_a_segment_and_tells_the_rest_when_it_ends():
    rules = VALUE + "damping = { dwell_days = 7 }"
    facts = [o(0, 6_000, "a"), r(1, 5_900, "a")]
    assert told(rules, facts, 6.9, "value_tier") == [("high", 0, "event")]
    assert told(rules, facts, 10, "value_tier") == [("high", 0, "event"), ("low", 7, "clock")]


#  mid 0 · high 1 · by the rule mid again at 2 (refund): not before 1 + 30
def test_a_segment_that_was_left_is_entered_again_after_the_cool_down_or_never():
    facts = [o(0, 600), o(1, 6_000, "a"), r(2, 6_000, "a")]
    before = [("mid", 0, "event"), ("high", 1, "event")]
    cool = VALUE + "damping = { cooldown_days = 30 }"
    assert told(cool, facts, 40, "value_tier") == [*before, ("mid", 31, "clock")]
    never = VALUE + 'damping = { reentry = "never" }'
    assert told(never, facts, 40, "value_tier") == before


def test_flips_that_are_held_back_are_counted_once_in_a_row():
    run = Run(loads(VALUE + "damping = { dwell_days = 7 }"))
    run.apply([o(0, 6_000, "a")])
    counts = [
        run.engine.apply(batch_of([fact])).suppressed
        for fact in (r(1, 5_900, "a"), e(2), o(3, 6_000, "b"), r(4, 6_000, "b"))
    ]
    assert counts == [{"value_tier": 1}, {}, {}, {"value_tier": 1}]


#  o 5 000 (high: 20 days) and o 10 (low: the fixed 90)
@pytest.mark.parametrize(("major", "day"), [(5_000, 20), (10, 90)])
def test_what_a_customer_is_worth_selects_when_silence_begins(major: float, day: int):
    rules = VALUE + "[systems.lifecycle]\nby_value = { high = [20, 10] }"
    assert told(rules, [o(0, major)], 95, "lifecycle")[-1] == ("silent", day, "clock")


def test_a_change_tells_where_the_customer_stands_otherwise():
    run = Run(loads(VALUE + "[systems.frequency_tier]\n[systems.lifecycle]"))
    run.apply([o(0, 600)])
    lifecycle = next(change for change in run.told if change.system == "lifecycle")
    assert lifecycle.segments == {"value_tier": "mid", "frequency_tier": "low"}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("[systems.churn_risk]", "systems.churn_risk"),
        ("[systems.lifecycle]\nby_value = { high = [20, 10] }", "systems.lifecycle"),
    ],
)
def test_a_system_that_is_needed_has_to_be_enabled(text: str, path: str):
    with pytest.raises(RulesError, match=r"needs (lifecycle|value_tier); add a table") as caught:
        loads(text)
    assert path in str(caught.value)
