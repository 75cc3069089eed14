"""Check the oracle's lifecycle against hand-drawn timelines.

In the drawings o is an order, e a qualifying engagement, i an idle one, r a refund, d a deadline;
the numbers are days.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.oracle import Fact, profiles, run
from tests.oracle_book import CANCEL, DAY_MS, ENGAGEMENT, ORDER, REFUND

BASE = 17_000  # a day in 2016: day 0 of every drawing


def ms(day: float) -> int:
    return round((BASE + day) * DAY_MS)


def o(day: float, order_id: str | None = None, amount: int = 1_000) -> Fact:
    return Fact("c", ms(day), ORDER, amount, order_id)


def e(day: float) -> Fact:
    return Fact("c", ms(day), ENGAGEMENT)


def i(day: float) -> Fact:
    return Fact("c", ms(day), ENGAGEMENT, qualifies=False)


def r(day: float, order_id: str | None, amount: int = 1_000) -> Fact:
    return Fact("c", ms(day), REFUND, amount, order_id)


def x(day: float, order_id: str) -> Fact:
    return Fact("c", ms(day), CANCEL, 0, order_id)


def told(facts: list[Fact], until: float, **lifecycle: Any) -> list[tuple[Any, ...]]:
    """List what the lifecycle told after the first judgement: to, day, cause."""
    changes = run(facts, {"lifecycle": lifecycle}, "UTC", ms(until))
    assert changes[0]["from"] is None
    assert all(first["to"] == then["from"] for first, then in pairwise(changes))
    return [(c["to"], c["at"] / DAY_MS - BASE, c["cause"]) for c in changes[1:]]


ORDERS_ONLY: dict[str, Any] = {
    "silent_engagement_days": 0, "churned_engagement_days": 0, "new_days": 0, "new_orders": 2,
    "reactivated_orders": 1,
}  # fmt: skip

#  o---------30d---------90d------------------180d------>
#  new       active      silent               churned


def test_time_alone_takes_an_only_order_through_every_stage() -> None:
    assert told([o(0)], 400) == [
        ("active", 30, "clock"), ("silent", 90, "clock"), ("churned", 180, "clock"),
    ]  # fmt: skip


def test_the_end_of_time_fires_what_is_due_at_that_instant_and_no_later() -> None:
    assert told([o(0)], 90)[-1] == ("silent", 90, "clock")
    last = run([o(0)], {"lifecycle": {}}, "UTC", ms(90) - 1)[-1]
    assert last["to"] == "active"


#  o-----------50e-----------90--------110d      sd = max(0 + 90, 50 + 60)
#                                      silent; churned at max(0 + 180, 50 + 120)


def test_an_engagement_moves_the_silence() -> None:
    assert told([o(0), e(50)], 400)[1:] == [("silent", 110, "clock"), ("churned", 180, "clock")]
    assert told([o(0), e(70)], 400)[1:] == [("silent", 130, "clock"), ("churned", 190, "clock")]


def test_an_idle_engagement_moves_nothing() -> None:
    assert told([o(0), i(70)], 100)[-1] == ("silent", 90, "clock")


def test_engagements_do_not_count_where_their_figures_are_zero() -> None:
    facts = [o(0), e(80), e(91), e(92)]
    assert told(facts, 400, **ORDERS_ONLY) == [("silent", 90, "clock"), ("churned", 180, "clock")]


#  o------------------------90 d
#                            o or e at this very instant: it counts first


@pytest.mark.parametrize("fact", [o(90), e(90)])
def test_a_fact_at_the_deadline_counts_first(fact: Fact) -> None:
    assert all(to != "silent" for to, day, _ in told([o(0), fact], 120) if day <= 90)


def test_a_fact_one_ms_after_the_deadline_finds_the_customer_silent() -> None:
    late = Fact("c", ms(90) + 1, ORDER, 1_000)
    changes = run([o(0), late], {"lifecycle": {}})
    assert [(c["to"], c["at"] - ms(90), c["cause"]) for c in changes[-2:]] == [
        ("silent", 0, "clock"), ("reactivated", 1, "event"),
    ]  # fmt: skip


def test_a_deadline_found_while_judging_a_fact_is_caused_by_the_fact() -> None:
    assert told([o(0), i(90)], 90)[-1] == ("silent", 90, "event")
    assert told([o(0), r(30, None)], 30) == [("active", 30, "event")]


#  o-----30 active----90 silent  100e -> 160 would be the deadline, but silence is latched
#                                              180 churned: e* is none


def test_one_engagement_neither_wakes_nor_moves_the_churn() -> None:
    assert told([o(0), e(100)], 400)[1:] == [("silent", 90, "clock"), ("churned", 180, "clock")]


#  o------90 silent  100e  106e reactivated ---- 136 active ---- 166 = 106 + 60 silent


def test_two_engagements_within_seven_days_wake() -> None:
    assert told([o(0), e(100), e(106)], 170)[2:] == [
        ("reactivated", 106, "event"), ("active", 136, "clock"), ("silent", 166, "clock"),
    ]  # fmt: skip


def test_the_wake_up_window_is_open_at_its_end() -> None:
    assert ("reactivated", 107, "event") not in told([o(0), e(100), e(107)], 120)
    almost = Fact("c", ms(107) - 1, ENGAGEMENT)
    assert run([o(0), e(100), almost], {"lifecycle": {}})[-1]["to"] == "reactivated"


def test_engagements_before_the_silence_do_not_wake() -> None:
    # 89e moves the silence to 149; 150e is the first one after it began.
    assert told([o(0), e(89), e(150)], 151)[-1] == ("silent", 149, "clock")


def test_the_count_of_engagements_runs_on_through_churned() -> None:
    assert told([o(0), e(178), e(181)], 181)[-2:] == [
        ("churned", 180, "clock"), ("reactivated", 181, "event"),
    ]  # fmt: skip


def test_more_engagements_can_be_asked_for_and_only_the_last_ones_count() -> None:
    facts = [o(0), e(100), e(108), e(109), e(110)]
    assert told(facts, 111, wake_engagements=3)[-1] == ("reactivated", 110, "event")


def test_a_churned_engagement_figure_counts_from_the_engagement_before_the_silence() -> None:
    # 85e: silent at 145, churned at max(180, 85 + 120); 150e comes after the silence began.
    assert told([o(0), e(85), e(150)], 300)[1:] == [
        ("silent", 145, "clock"), ("churned", 205, "clock"),
    ]  # fmt: skip


def test_silence_and_churn_at_one_instant_are_one_change() -> None:
    both = {"silent_purchase_days": 90, "churned_purchase_days": 90, "churned_engagement_days": 60}
    assert told([o(0)], 100, **both)[1:] == [("churned", 90, "clock")]


#  o------90 silent----100o reactivated----130 active----190 silent


def test_an_order_reactivates_and_the_reactivation_ends_by_days() -> None:
    assert told([o(0), o(100)], 200)[2:] == [
        ("reactivated", 100, "event"), ("active", 130, "clock"), ("silent", 190, "clock"),
    ]  # fmt: skip


def test_an_order_reactivates_from_churned_too() -> None:
    assert told([o(0), o(200)], 200)[-1] == ("reactivated", 200, "event")


def test_orders_end_new_and_reactivated_by_count() -> None:
    assert told([o(0), o(1), o(100), o(101)], 102, **ORDERS_ONLY) == [
        ("active", 1, "event"), ("silent", 91, "clock"), ("reactivated", 100, "event"),
        ("active", 101, "event"),
    ]  # fmt: skip


def test_at_equal_instants_silence_beats_graduation() -> None:
    assert told([o(0)], 95, new_days=90) == [("silent", 90, "clock")]


def test_new_has_no_time_limit_at_zero_days() -> None:
    assert told([o(0)], 95, new_days=0, new_orders=2) == [("silent", 90, "clock")]


def test_a_prospect_never_falls_silent() -> None:
    assert told([e(0)], 900) == []
    assert run([i(0)], {"lifecycle": {}}, "UTC", ms(1))[0]["to"] == "prospect"
    assert told([e(0), o(500)], 500) == [("new", 500, "event")]


def test_refunds_and_cancels_before_the_first_order_or_engagement_are_silent() -> None:
    facts = [r(0, None), x(1, "a")]
    assert run(facts, {"lifecycle": {}, "rfm": {}, "monetary_tier": {}}, "UTC", ms(900)) == []
    assert profiles(facts, {"lifecycle": {}}) == {}
    changes = run([*facts, o(2, amount=1_500)], {"lifecycle": {}, "monetary_tier": {}})
    assert [(c["system"], c["from"], c["to"]) for c in changes] == [
        ("lifecycle", None, "new"), ("monetary_tier", None, "small"),
    ]  # fmt: skip


#  o a-----30 active----50 r a: nothing left


def test_a_refund_of_the_only_order_makes_a_prospect_and_the_next_order_new() -> None:
    assert told([o(0, "a"), r(50, "a"), o(60)], 91) == [
        ("active", 30, "clock"), ("prospect", 50, "event"), ("new", 60, "event"),
        ("active", 90, "clock"),
    ]  # fmt: skip


def test_a_cancel_does_what_a_full_refund_does() -> None:
    assert told([o(0, "a"), x(50, "a")], 60)[-1] == ("prospect", 50, "event")


def test_partial_refunds_take_the_order_away_only_when_they_add_up() -> None:
    facts = [o(0, "a"), r(40, "a", 400), r(41, "a", 599)]
    assert told(facts, 60) == [("active", 30, "clock")]
    assert told([*facts, r(42, "a", 1)], 60)[-1] == ("prospect", 42, "event")


def test_an_unlinked_refund_changes_no_orders() -> None:
    assert told([o(0, "a"), r(40, "b")], 60) == [("active", 30, "clock")]


def test_a_zero_order_is_an_order_and_a_refund_of_zero_ends_it() -> None:
    assert told([o(0, "a", 0), r(40, "a", 0)], 60)[-1] == ("prospect", 40, "event")


#  o-----------------85o a-----120r a: p is 0 again, 90 is past: silent at 120, not back-dated


def test_a_refund_of_the_last_order_judges_by_the_order_before_it() -> None:
    assert told([o(0), o(85, "a"), r(120, "a")], 121)[-1] == ("silent", 120, "event")
    assert told([o(0), o(85, "a"), r(190, "a")], 190)[-2:] == [
        ("silent", 175, "clock"), ("churned", 190, "event"),
    ]  # fmt: skip


def test_a_refund_that_leaves_the_deadline_ahead_only_moves_it() -> None:
    assert told([o(0), o(50, "a"), r(60, "a")], 100)[1:] == [("silent", 90, "clock")]


def test_a_refund_of_an_earlier_order_moves_no_deadline() -> None:
    assert told([o(0, "a"), o(50), r(60, "a")], 140)[-1] == ("silent", 140, "clock")


def test_a_refund_of_the_first_order_moves_the_end_of_new() -> None:
    assert told([o(0, "a"), o(10), r(20, "a")], 50) == [("active", 40, "clock")]


#  o-----90 silent-----100o a reactivated-----110r a silent again


def test_a_refund_of_the_reactivating_order_restores_the_silence() -> None:
    assert told([o(0), o(100, "a"), r(110, "a")], 200)[2:] == [
        ("reactivated", 100, "event"), ("silent", 110, "event"), ("churned", 180, "clock"),
    ]  # fmt: skip
    assert told([o(0), o(170, "a"), r(185, "a")], 200)[-1] == ("churned", 185, "event")


#  o-----90 silent-----100o a reactivated--110o b--115r a: b takes its place--140 active


def test_the_order_after_a_removed_return_takes_its_place() -> None:
    facts = [o(0), o(100, "a"), o(110, "b"), r(115, "a")]
    assert told(facts, 145)[2:] == [("reactivated", 100, "event"), ("active", 140, "clock")]
    assert told([*facts, r(116, "b")], 116)[-1] == ("silent", 116, "event")


def test_the_wake_up_count_starts_afresh_after_a_restored_silence() -> None:
    facts = [o(0), e(98), o(100, "a"), r(102, "a"), e(103)]
    assert told(facts, 103)[-1] == ("silent", 102, "event")
    assert told([*facts, e(104)], 104)[-1] == ("reactivated", 104, "event")


def test_the_churn_after_a_restored_silence_keeps_the_engagement_before_it() -> None:
    # 85e: silent at 145; 150o, 151e, 160r: e* stays 85, churned at max(180, 205).
    facts = [o(0), e(85), o(150, "a"), e(151), r(160, "a")]
    assert told(facts, 210)[-2:] == [("silent", 160, "event"), ("churned", 205, "clock")]


def test_a_refund_of_the_order_that_ended_new_by_count_brings_new_back() -> None:
    facts = [o(0), o(5, "a"), r(10, "a")]
    assert told(facts, 10, **ORDERS_ONLY)[-1] == ("new", 10, "event")
    # With days running as well: over at 30, so a refund at 40 brings nothing back.
    assert told(facts, 10, new_orders=2)[-1] == ("new", 10, "event")
    assert told([o(0), o(5, "a"), r(40, "a")], 41, new_orders=2) == [("active", 5, "event")]


def test_a_refund_of_the_order_that_ended_reactivated_by_count_brings_it_back() -> None:
    facts = [o(0), o(1), o(100), o(105, "a"), r(110, "a")]
    assert told(facts, 110, **ORDERS_ONLY)[-1] == ("reactivated", 110, "event")


def test_later_orders_stand_in_for_the_one_that_ended_new_or_reactivated() -> None:
    facts = [o(0), o(5, "a"), o(6, "b"), r(10, "a")]
    assert told(facts, 10, **ORDERS_ONLY) == [("active", 5, "event")]
    # The order that ended new is gone; b never did, so taking b back brings nothing back either.
    assert told([*facts, r(11, "b")], 11, **ORDERS_ONLY) == [("active", 5, "event")]
    facts = [o(0), o(1), o(100), o(105, "a"), o(106), r(110, "a")]
    assert told(facts, 110, **ORDERS_ONLY)[-1] == ("active", 105, "event")


def test_a_removed_order_no_longer_counts_towards_the_end_of_a_reactivation() -> None:
    facts = [o(0), o(100), o(101, "a"), r(102, "a"), o(103)]
    assert told(facts, 104, reactivated_orders=2)[-1] == ("reactivated", 100, "event")
    assert told([*facts, o(104)], 104, reactivated_orders=2)[-1] == ("active", 104, "event")


def test_silent_stays_silent_or_churns_when_the_last_order_is_refunded() -> None:
    facts = [o(0), o(60, "a")]
    assert told([*facts, r(160, "a")], 170)[-1] == ("silent", 150, "clock")
    assert told([*facts, r(190, "a")], 190)[-1] == ("churned", 190, "event")


# Gaps of 10, 10 and 30 days: the median of three is 10, S = 20 d, C = 40 d.
#  o--o--o---------o 50 ------ 70 silent ------ 90 churned

CADENCE: dict[str, Any] = {"cadence": {"min_gaps": 3}, "silent_engagement_days": 0,
                           "churned_engagement_days": 0}  # fmt: skip


def test_cadence_follows_the_customers_own_gaps() -> None:
    assert told([o(0), o(10), o(20), o(50)], 200, **CADENCE)[-2:] == [
        ("silent", 70, "clock"), ("churned", 90, "clock"),
    ]  # fmt: skip


def test_cadence_needs_three_gaps() -> None:
    assert told([o(0), o(10), o(20)], 200, **CADENCE)[-2:] == [
        ("silent", 110, "clock"), ("churned", 200, "clock"),
    ]  # fmt: skip


def test_cadence_takes_a_real_gap_and_never_the_mean_of_two() -> None:
    # Gaps 10, 12, 20, 30: the second of four, so S = 24 after the order at 72.
    facts = [o(0), o(10), o(22), o(42), o(72)]
    assert told(facts, 96, **CADENCE)[-1] == ("silent", 96, "clock")


def test_cadence_churns_no_sooner_than_it_silences() -> None:
    table = CADENCE | {"cadence": {"silent_pct": 400, "churned_pct": 200}}
    assert told([o(0), o(10), o(20), o(30)], 200, **table)[-1] == ("churned", 70, "clock")


def test_cadence_is_clamped() -> None:
    assert told([o(0), o(1), o(2), o(3)], 200, **CADENCE)[-2:] == [
        ("silent", 17, "clock"), ("churned", 31, "clock"),
    ]  # fmt: skip


def test_cadence_holds_the_engagement_figure_down() -> None:
    table = {"cadence": {}, "churned_engagement_days": 0}
    facts = [o(0), o(10), o(20), o(50), e(65)]
    assert told(facts, 200, **table)[-1] == ("churned", 90, "clock")
    assert told(facts, 89, **table)[-1] == ("silent", 85, "clock")


def test_cadence_is_fixed_anew_when_a_refund_moves_the_last_order_back() -> None:
    # 0 10 20 30 70a: gaps 10 10 10 40 give S = 20, until 90. Without a at 71: 30 + 20 is past.
    facts = [o(0), o(10), o(20), o(30), o(70, "a")]
    assert told([*facts, r(71, "a")], 71, **CADENCE)[-1] == ("churned", 71, "event")


def test_cadence_stays_as_fixed_when_an_earlier_order_is_refunded() -> None:
    # Gaps 10 10 10 give S = 20. Without the order at 10 they would be 20 10: too few, S = 90.
    facts = [o(0), o(10, "a"), o(20), o(30), r(31, "a")]
    assert told(facts, 60, **CADENCE)[-1] == ("silent", 50, "clock")
