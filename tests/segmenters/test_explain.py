"""Explanations of single customers, one kind of act after the other."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from schemas import explanations
from schemas.errors import LayoutChanged
from schemas.explanations import Cancellation, Engagements, Order, Orders, Refund, Waiting
from segmenters.explain import Explainer
from segmenters.instants import NEVER
from segmenters.phrases import in_words
from segmenters.rules import loads
from tests.oracle_book import DAY_MS, ENGAGEMENT, ORDER, REFUND, Fact
from tests.properties.feeding import Run, dump

if TYPE_CHECKING:
    from schemas.explanations import Explanation, Placement

pytestmark = pytest.mark.interpreted

BASE = 17_000
LIFECYCLE = "[systems.lifecycle]\n"
MONEY = "[systems.monetary_tier]\n"
BOTH = LIFECYCLE + "[systems.rfm]\n"


def ms(day: float) -> int:
    return round((BASE + day) * DAY_MS)


def o(day: float, amount: int = 10_000, order: str | None = None) -> Fact:
    return Fact("c", ms(day), ORDER, amount, order)


def e(day: float) -> Fact:
    return Fact("c", ms(day), ENGAGEMENT)


@cache
def explainer_of(rules: str) -> Explainer:
    return Explainer(loads(rules))


def explained(rules: str, *facts: Fact, at: float) -> Explanation:
    """Explain the one customer of some facts, on a day."""
    run = Run(loads(rules))
    run.apply(facts)
    run.tick(ms(at))
    ((key, row),) = dump(run.engine)
    explanation = explainer_of(rules).explain(key.decode(), row, ms(at))
    assert explanation is not None
    return explanation


def placement(rules: str, *facts: Fact, at: float, system: str = "") -> Placement:
    found = explained(rules, *facts, at=at).systems
    return next(each for each in found if system in ("", each.system))


def ways(of: Placement) -> dict[str, list[Any]]:
    """List the acts that lead to each segment which some act reaches."""
    return {there.segment: [way.act for way in there.ways] for there in of.neighbours if there.ways}


def test_time_makes_silent_and_then_churned() -> None:
    # o(0) ──── here(40) ──── silent(90) ──── churned(180)
    here = placement(LIFECYCLE, o(0), at=40)
    assert (here.segment, here.since, here.by) == ("active", ms(30), "time")
    assert here.next is not None
    assert (here.next.segment, here.next.at) == ("silent", ms(90))
    assert ways(here) == {"silent": [Waiting(ms(90))], "churned": [Waiting(ms(180))]}


def test_an_order_or_two_engagements_wake_a_silent_customer() -> None:
    here = placement(LIFECYCLE, o(0), at=100)
    assert ways(here)["reactivated"] == [Order(0, None), Engagements(2)]
    assert [there.segment for there in here.neighbours if not there.ways] == [
        "prospect",
        "new",
        "active",
    ]


def test_an_engagement_that_came_before_counts() -> None:
    here = placement(LIFECYCLE, o(0), e(99), at=100)
    assert Engagements(1) in ways(here)["reactivated"]


def test_a_cancelled_order_leaves_none() -> None:
    here = placement(LIFECYCLE, o(0, order="a"), at=10)
    assert ways(here)["prospect"] == [Cancellation(ms(0))]


def test_an_order_without_an_id_cannot_be_cancelled() -> None:
    assert "prospect" not in ways(placement(LIFECYCLE, o(0), at=10))


def test_the_amount_up_is_exact_and_ends_where_the_next_tier_begins() -> None:
    here = placement(MONEY, o(0, 95_290), at=10)
    assert ways(here)["medium"] == [Order(4_710, 904_709)]
    assert ways(here)["large"] == [Order(904_710, None), Orders(10, 95_290)]


def test_the_amount_down_knows_of_hysteresis() -> None:
    # medium from 1,000 on, left below 900: a refund of 100.01 and not of 0.01
    here = placement(MONEY, o(0, 100_000), at=10)
    assert ways(here)["small"] == [Refund(10_001, 99_999)]
    assert ways(here)["none"] == [Refund(100_000, None), Waiting(ms(365))]


def test_the_numbers_are_of_now_though_midnights_passed_without_a_change() -> None:
    # o(0, 50) o(20, 60) ──── o(300, 70) ──── leaves(365) ── leaves(385) ── here(400)
    here = placement(MONEY, o(0, 5_000), o(20, 6_000), o(300, 7_000), at=400)
    assert (here.numbers, here.because.en) == ({"M365": 7_000}, "£70.00 spent in the last 365 days")


def test_orders_that_only_count_have_no_amount() -> None:
    here = placement(BOTH, o(0), at=10, system="rfm")
    assert (here.segment, ways(here)["champions"]) == ("new", [Orders(5, None)])


def test_a_deadline_of_this_very_instant_is_nobodys_doing() -> None:
    # day 90 exactly: an order comes first and keeps the customer; anything else finds silence
    here = placement(LIFECYCLE, o(0), e(0), at=90)
    assert (here.segment, ways(here)["silent"]) == ("active", [Waiting(ms(90))])


def test_facts_younger_than_the_clock_are_contained() -> None:
    run = Run(loads(LIFECYCLE))
    run.apply([o(5)])
    ((_, row),) = dump(run.engine)
    explanation = explainer_of(LIFECYCLE).explain("c", row, ms(1))
    assert explanation is not None
    assert explanation.as_of == ms(5)


def test_what_is_overdue_counts_as_fired() -> None:
    run = Run(loads(LIFECYCLE))
    run.apply([o(0)])
    ((_, row),) = dump(run.engine)
    explanation = explainer_of(LIFECYCLE).explain("c", row, ms(100))
    assert explanation is not None
    (here,) = explanation.systems
    assert (here.segment, here.since, here.by) == ("silent", ms(90), "time")


def test_who_has_not_been_judged_has_no_explanation() -> None:
    run = Run(loads(LIFECYCLE))
    run.apply([Fact("c", ms(0), REFUND, 100)])
    ((_, row),) = dump(run.engine)
    assert explainer_of(LIFECYCLE).explain("c", row, NEVER) is None


@pytest.mark.parametrize(
    ("facts", "by"),
    [
        ((o(0),), "order"),
        ((e(0),), "engagement"),
        ((o(0, order="a"), Fact("c", ms(2), REFUND, 10_000, "a")), "event"),
    ],
)
def test_what_made_the_segment_is_told(facts: tuple[Fact, ...], by: str) -> None:
    assert placement(LIFECYCLE, *facts, at=3).by == by


def test_a_row_of_other_rules_is_refused() -> None:
    run = Run(loads(MONEY))
    run.apply([o(0)])
    ((_, row),) = dump(run.engine)
    with pytest.raises(LayoutChanged):
        explainer_of(LIFECYCLE).explain("c", row, ms(1))


def test_one_explanation_leaves_nothing_to_the_next() -> None:
    first = explained(BOTH, o(0), e(3), at=40)
    explained(BOTH, o(0, order="x"), o(200), at=500)
    assert explained(BOTH, o(0), e(3), at=40) == first


def test_it_is_the_same_after_a_way_as_json() -> None:
    explanation = explained(BOTH, o(0, order="a"), at=40)
    assert explanations.decode(explanations.encode(explanation)) == explanation


def test_in_words_all_of_it_is_said_in_both_languages() -> None:
    rules = '[engine]\nbusiness_timezone = "Asia/Shanghai"\n' + LIFECYCLE
    explanation = explained(rules, o(0.25), e(1), at=100)
    assert in_words(explanation, "en") == [
        "customer c, as of 2016-10-26 08:00 (Asia/Shanghai)",
        "",
        "Lifecycle: Silent (silent), since 2016-10-16 14:00, by time alone",
        (
            "  1 order in all; last order: 2016-07-18 14:00; the limit is 90 days without an "
            "order; 99 days without an order; last engagement: 2016-07-19 08:00; 99 days without "
            "an engagement"
        ),
        "  becomes Churned (churned) on 2017-01-14 14:00 if nothing new comes",
        "  → Churned (churned): nothing new until 2017-01-14 14:00",
        "  → Reactivated (reactivated): an order; or 2 engagements",
        "  by no single act: Prospect, New, Active",
    ]
    assert in_words(explanation, "zh")[2:] == [
        "生命周期:沉默客户(silent),自 2016-10-16 14:00 起,因时间推移",
        (
            "  共 1 单;最近一单:2016-07-18 14:00;90 天未下单为沉默期限;已 99 天未下单;"
            "最近一次互动:2016-07-19 08:00;已 99 天无互动"
        ),
        "  若无新动态,2017-01-14 14:00 变为流失客户(churned)",
        "  → 流失客户(churned):到 2017-01-14 14:00 为止没有新动态",
        "  → 已唤醒客户(reactivated):再下一单;或再互动 2 次",
        "  一次行动达不到:潜在客户、新客户、活跃客户",
    ]


@pytest.mark.parametrize(
    ("damping", "until", "said"),
    [
        ("dwell_days = 7", ms(7), "would be Low (low) by the rule, held back until 2016-07-25"),
        ('reentry = "never"', None, "would be Mid (mid) by the rule, not entered again"),
    ],
)
def test_what_damping_holds_back_is_said(damping: str, until: int | None, said: str) -> None:
    rules = f"[systems.value_tier]\ndamping = {{ {damping} }}\n"
    facts = [o(0, 60_000, "a"), o(1, 600_000, "b")] if until is None else [o(0, 600_000, "b")]
    refund = Fact("c", ms(2), REFUND, 590_000 if until else 600_000, "b")
    found = explained(rules, *facts, refund, at=3)
    (value,) = found.systems
    assert value.segment == "high"
    assert value.held_back is not None
    assert value.held_back.until == until
    assert any(said in line for line in in_words(found, "en"))
    assert any("按规则应为" in line for line in in_words(found, "zh"))
