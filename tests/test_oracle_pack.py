"""Check the oracle's systems of value, frequency, order size and churn risk by hand.

In the drawings o is an order, e an engagement, r a refund; the numbers are days, and the amounts
major units.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle import Fact, run
from tests.oracle_book import CANCEL, DAY_MS, ENGAGEMENT, ORDER, REFUND, Calendar, read_book
from tests.oracle_late import Feed

BASE = 17_000  # a day in 2016: day 0 of every drawing
UTC = Calendar("UTC")


def ms(day: float) -> int:
    return round((BASE + day) * DAY_MS)


def o(day: float, major: float = 10, order_id: str | None = None, **more: Any) -> Fact:
    return Fact("c", ms(day), ORDER, round(major * 100), order_id, **more)


def e(day: float) -> Fact:
    return Fact("c", ms(day), ENGAGEMENT)


def r(day: float, major: float, order_id: str | None = None) -> Fact:
    return Fact("c", ms(day), REFUND, round(major * 100), order_id)


def x(day: float, order_id: str) -> Fact:
    return Fact("c", ms(day), CANCEL, 0, order_id)


def told(
    facts: list[Fact], until: float, system: str, *, zone: str = "UTC", **tables: Any
) -> list[tuple[str, float]]:
    """List what one system told: to, day."""
    changes = run(facts, {system: {}} | tables, zone, ms(until))
    return [(c["to"], c["at"] / DAY_MS - BASE) for c in changes if c["system"] == system]


#  o 0 (499.99)   o 1 (0.01)   o 2 (4 499.99)   o 3 (0.01)
#  low            mid          mid              high


def test_value_rises_exactly_at_the_thresholds() -> None:
    facts = [o(0, 499.99), o(1, 0.01), o(2, 4_499.99), o(3, 0.01)]
    assert told(facts, 4, "value_tier") == [("low", 0), ("mid", 1), ("high", 3)]


#  o 0 (5 000)   r 1 (500): 4 500 keeps high   r 2 (0.01): mid   r 3 (4 049.99): 450 keeps mid
#                                              r 4 (0.01): low


def test_value_falls_below_nine_tenths_of_a_threshold() -> None:
    facts = [o(0, 5_000), r(1, 500), r(2, 0.01), r(3, 4_049.99), r(4, 0.01)]
    assert told(facts, 5, "value_tier") == [("high", 0), ("mid", 2), ("low", 4)]


#  o 0 (5 000)---------------365 the day leaves: two tiers at once, and 0 is low, not none
#                                 x 366 the only order: none


def test_value_walks_down_two_tiers_and_is_none_only_without_orders() -> None:
    facts = [o(0, 5_000, "a"), x(366, "a")]
    assert told(facts, 400, "value_tier") == [("high", 0), ("low", 365), ("none", 366)]


#  o 0.5 in London, +01:00 in summer: the day leaves at local midnight, not 365 · 24 h later


def test_a_day_leaves_value_at_local_midnight() -> None:
    summer = 17_000 + 20  # 2016-08-08
    assert Calendar("Europe/London").start(summer) == summer * DAY_MS - DAY_MS // 24
    facts = [o(20.5, 5_000)]
    changes = told(facts, 400, "value_tier", zone="Europe/London")
    assert changes == [("high", 20.5), ("low", pytest.approx(385 - 1 / 24))]


#  o 0 amount 100, profit said 600   r 1 (200 of it): 400   x 2: what is left of it


def test_profit_is_said_or_the_margin_of_the_amount_and_refunds_take_from_it() -> None:
    book = read_book([o(0, 100, "a", profit=60_000)], UTC)
    assert book.profit_within(365, BASE) == 60_000
    book = read_book([o(0, 100, "a", profit=60_000), r(1, 20, "a")], UTC)
    assert book.profits == [(BASE, 60_000), (BASE, -2_000)]
    book = read_book([o(0, 100, "a", profit=60_000), r(1, 20, "a"), x(2, "a")], UTC)
    assert book.profit_within(365, BASE + 2) == 0
    book = read_book([o(0, 100, "a", profit=-500), r(1, 100, "a")], UTC)
    assert book.profit_within(365, BASE + 1) == 0
    book = read_book([o(0, 100, "a", profit=500), r(1, 30)], UTC)
    assert book.profits[-1] == (BASE + 1, -3_000)


def test_value_by_profit_takes_three_tenths_of_an_order_that_says_none() -> None:
    table: dict[str, Any] = {"value_tier": {"basis": "profit"}}
    assert told([o(0, 1_666.66)], 0, "value_tier", **table) == [("mid", 0)]  # 500.00 (499.998)
    assert told([o(0, 1_666.63)], 0, "value_tier", **table) == [("low", 0)]  # 499.99 (499.989)
    assert told([o(0, 1, profit=500_000)], 0, "value_tier", **table) == [("high", 0)]


#  o 0 o 1 o 2 o 3 ... o 11: medium with the 4th, high with the 12th; down without memory


def test_frequency_counts_orders_and_remembers_nothing() -> None:
    changes = told([o(day) for day in range(12)], 400, "frequency_tier")
    assert changes == [
        ("low", 0), ("medium", 3), ("high", 11), ("medium", 365), ("low", 373), ("none", 376),
    ]  # fmt: skip


#  o 0 (500) high   o 1 (400): 900 = 0.9 · 500 · 2 keeps high   r 2 (0.01) medium
#  o 3 (0): 899.99 / 3 keeps medium   r 4 (900): M below 0, none


def test_order_size_compares_spend_with_orders_times_bound() -> None:
    facts = [o(0, 500), o(1, 400), r(2, 0.01), o(3, 0), r(4, 900)]
    assert told(facts, 5, "aov_tier") == [("high", 0), ("medium", 2), ("none", 4)]


def test_order_size_walks_down_two_tiers_in_one_judgement() -> None:
    assert told([o(0, 500, "a"), r(1, 410.01)], 1, "aov_tier") == [("high", 0), ("low", 1)]
    assert told([o(0, 500, "a"), r(1, 410)], 1, "aov_tier") == [("high", 0), ("medium", 1)]


#  o 0   G unknown, D = 90: high from 75 on, none from 90 on


def test_risk_without_a_rhythm_knows_the_silence_alone() -> None:
    changes = told([o(0)], 100, "churn_risk", lifecycle={})
    assert changes == [("low", 0), ("high", 75), ("none", 90)]
    last = run([o(0)], {"lifecycle": {}, "churn_risk": {}}, "UTC", ms(75) - 1)[-1]
    assert last["system"] == "lifecycle"


#  o 0 10 20   G = 10: medium from 40, high from 50; none from 110


def test_risk_follows_the_rhythm() -> None:
    changes = told([o(0), o(10), o(20)], 200, "churn_risk", lifecycle={})
    assert changes == [("low", 0), ("medium", 40), ("high", 50), ("none", 110)]


#  e 0 x 5 (with o 0)  E on days 0..29, at 30 they are the 30 before: 100 · 0 <= 30 · 5
#  an order at 59 and e until then: at 60 they are gone


def test_risk_is_high_while_engagement_fades() -> None:
    facts = [o(0), *[e(0.1)] * 5]
    changes = told(facts, 70, "churn_risk", lifecycle={"silent_purchase_days": 180})
    assert changes == [("low", 0), ("high", 30), ("low", 60)]
    few = told([o(0), *[e(0.1)] * 4], 70, "churn_risk", lifecycle={"silent_purchase_days": 180})
    assert few == [("low", 0)]
    half = [o(0), *[e(0.1)] * 6, e(29), e(29)]  # 100 · 2 > 30 · 6
    assert told(half, 58.9, "churn_risk", lifecycle={"silent_purchase_days": 180}) == [("low", 0)]


#  o on 0 2 4 … 22: the last eleven days count, those of two years, and the median is a real gap


def gap(facts: list[Fact], day: float) -> int | None:
    """Give the usual gap as of a day."""
    return read_book(facts, UTC).usual_gap(UTC.day(ms(day)))


def test_the_usual_gap_is_a_lower_median_of_days() -> None:
    assert gap([o(0), o(5)], 5) is None
    assert gap([o(0), o(5), o(5.5), o(8)], 8) == 3
    regular = [o(day, order_id=str(day)) for day in (0, 50, *range(52, 72, 2))]
    assert gap(regular, 70) == 2
    assert gap([*regular, o(1), o(3)], 70) == 2  # before the last eleven days: no part of it
    assert gap([*regular[:4], *(x(71, day) for day in ("52", "54"))], 71) is None


def test_only_days_of_two_years_count() -> None:
    facts = [o(0), o(10), o(30)]
    assert gap(facts, 729) == 10
    assert gap(facts, 730) is None


def test_a_day_counts_until_its_last_order_is_removed() -> None:
    facts = [o(0), o(3, order_id="a"), o(3.5, order_id="b"), o(9)]
    assert gap([*facts, x(10, "a")], 10) == 3
    assert gap([*facts, x(10, "a"), x(10, "b")], 10) is None


#  o 0 (5 000 high: S 60)   o 0 (10: low, S 90)


def test_the_value_with_the_order_included_selects_the_silence() -> None:
    table: dict[str, Any] = {"value_tier": {}, "lifecycle": {"by_value": {"high": [60, 30]}}}
    assert told([o(0, 5_000)], 70, "lifecycle", **table)[-1] == ("silent", 60)
    assert told([o(0, 4_999)], 95, "lifecycle", **table)[-1] == ("silent", 90)
    assert told([o(0, 4_999), o(1, 1)], 95, "lifecycle", **table)[-1] == ("silent", 61)
    waits = told([o(0, 5_000), e(40)], 95, "lifecycle", **table)
    assert waits[-1] == ("silent", 70)


#  o 0 (5 000) r 1 (4 000 unlinked): value falls to mid, the thresholds stay those of the order


def test_a_value_that_falls_later_moves_no_threshold() -> None:
    table: dict[str, Any] = {"value_tier": {}, "lifecycle": {"by_value": {"high": [60, 30]}}}
    assert told([o(0, 5_000), r(1, 4_000)], 70, "lifecycle", **table)[-1] == ("silent", 60)


def test_judgements_follow_the_order_of_the_systems() -> None:
    names = ["rfm", "aov_tier", "monetary_tier", "frequency_tier", "churn_risk", "lifecycle"]
    changes = run([o(0)], {name: {} for name in [*names, "value_tier"]}, "UTC", ms(0))
    assert [c["system"] for c in changes] == [
        "value_tier", "lifecycle", "churn_risk", "frequency_tier", "monetary_tier", "aov_tier",
        "rfm",
    ]  # fmt: skip


#  o 0 low, T 50 | o 49: 4 999 more, late


def test_a_late_order_is_judged_at_the_clock() -> None:
    feed = Feed({"value_tier": {}, "churn_risk": {}, "lifecycle": {}})
    feed.apply(o(0, 10))
    feed.tick(ms(80))
    feed.apply(e(80))
    late = feed.apply(o(49, 4_990))
    assert [(c["system"], c["to"], c["at"], c["cause"]) for c in late] == [
        ("value_tier", "high", ms(80), "correction"),
    ]  # fmt: skip


#  o 0 10 20 (G = 10)--T 45 medium | o 30, late: p = 30, G = 10, low at the clock


def test_a_late_order_joins_the_rhythm_and_lowers_the_risk() -> None:
    feed = Feed({"churn_risk": {}, "lifecycle": {}})
    for fact in [o(0), o(10), o(20)]:
        feed.apply(fact)
    feed.tick(ms(45))
    late = feed.apply(o(30))
    assert [(c["system"], c["to"], c["at"] / DAY_MS - BASE, c["cause"]) for c in late] == [
        ("churn_risk", "low", 45, "correction"),
    ]  # fmt: skip
    assert late[0]["corrects"] is not None
    feed.tick(ms(50) + 1)
    assert feed.changes[-1]["to"] == "medium"


#  o 0 (10: low, S 90)--T 75 | o 1 (5 000), late: high at the clock, S 60, 1 + 60 < 75


def test_a_late_order_selects_the_silence_by_the_value_at_the_clock() -> None:
    feed = Feed({"value_tier": {}, "lifecycle": {"by_value": {"high": [60, 30]}}})
    feed.apply(o(0))
    feed.tick(ms(75))
    feed.apply(Fact("c", ms(75), ENGAGEMENT, qualifies=False))
    late = feed.apply(o(1, 5_000))
    assert [(c["system"], c["to"], c["at"] / DAY_MS - BASE) for c in late] == [
        ("value_tier", "high", 75), ("lifecycle", "silent", 75),
    ]  # fmt: skip


#  o 0 (10)  o 1 (5 000 high: S 60)  x 2 the second: p moves back, low, S 90 again


def test_a_removal_that_moves_the_last_order_selects_anew() -> None:
    facts = [o(0), o(1, 5_000, "a"), x(2, "a")]
    table: dict[str, Any] = {"value_tier": {}, "lifecycle": {"by_value": {"high": [60, 30]}}}
    assert told(facts, 95, "lifecycle", **table)[-1] == ("silent", 90)


#  o 0 (5 000: S 200, C 180 fixed): C is never below S, straight to churned at 200


def test_the_churn_is_never_before_the_silence_of_a_pair() -> None:
    table: dict[str, Any] = {"value_tier": {}, "lifecycle": {"by_value": {"high": [200, 30]}}}
    assert told([o(0, 5_000)], 201, "lifecycle", **table)[-1] == ("churned", 200)


#  o 0 10 20 30 at 0 gaps of 3 known: cadence S = 20, whatever the value


def test_cadence_precedes_the_pair_of_the_value() -> None:
    table: dict[str, Any] = {
        "value_tier": {}, "lifecycle": {"by_value": {"high": [60, 30]}, "cadence": {}},
    }  # fmt: skip
    facts = [o(day, 5_000) for day in (0, 10, 20, 30)]
    assert told(facts, 95, "lifecycle", **table)[2] == ("silent", 50)
    assert told(facts[:3], 95, "lifecycle", **table)[-1] == ("silent", 80)


#  G = 2: 3 · 2 = 6 and 2 · 2 = 4 are too few days: 14 and 7


def test_the_least_days_bound_the_terms_of_the_rhythm() -> None:
    changes = told([o(0), o(2), o(4)], 60, "churn_risk", lifecycle={})
    assert changes == [("low", 0), ("medium", 11), ("high", 18)]
    early = run([o(0), o(2), o(4)], {"lifecycle": {}, "churn_risk": {}}, "UTC", ms(11) - 1)
    assert early[-1]["to"] == "low"


#  o 0   S = 200: medium_days 90 come before D - 15 = 185, G unknown


def test_ninety_days_are_medium_whatever_the_rhythm() -> None:
    changes = told([o(0)], 190, "churn_risk", lifecycle={"silent_purchase_days": 200})
    assert changes == [("low", 0), ("medium", 90), ("high", 185)]
