"""What the two doors of the core promise, beside which segment is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from schemas.errors import Reason
from segmenters.instants import FAR
from segmenters.rules import Rules, defaults, loads
from tests.oracle_book import DAY_MS, ENGAGEMENT, ORDER, Fact
from tests.properties.feeding import Run, batch_of, dump

pytestmark = pytest.mark.interpreted

BASE = 17_000  # a day in 2016: day 0 of every timeline
MONEY = "[systems.monetary_tier]\nthresholds = { large = 100, medium = 10 }"


def ms(day: float) -> int:
    return round((BASE + day) * DAY_MS)


def o(day: float, amount: int = 1_000, event: str | None = None, customer: str = "c") -> Fact:
    return Fact(customer, ms(day), ORDER, amount, None, event)


def e(day: float, *, idle: bool = False) -> Fact:
    return Fact("c", ms(day), ENGAGEMENT, qualifies=not idle)


def run(*arrivals: Fact | float, rules: Rules | str = "[systems.lifecycle]") -> Run:
    """Feed facts, and ticks given as days."""
    one = Run(loads(rules) if isinstance(rules, str) else rules)
    for arrival in arrivals:
        if isinstance(arrival, Fact):
            one.apply([arrival])
        else:
            one.tick(ms(arrival))
    return one


def told(one: Run) -> list[tuple[Any, ...]]:
    return [(c.to, c.at / DAY_MS - BASE, c.cause) for c in one.told]


def test_a_tick_fires_what_is_due_before_it_and_only_the_end_of_time_what_is_due_at_it() -> None:
    one = run(o(0), 30)
    assert told(one) == [("new", 0, "event")]
    one.tick(ms(30), inclusive=True)
    assert told(one)[1:] == [("active", 30, "clock")]


def test_the_clock_never_goes_back() -> None:
    one = run(o(0), 40, 10)
    assert one.engine.clock == ms(40)


def test_a_tick_settles_the_oldest_first_and_says_when_more_are_due() -> None:
    one = Run(loads("[systems.lifecycle]"))
    one.apply([o(day, customer=f"c{day}") for day in (3, 1, 2, 0)])
    outcome = one.engine.tick(ms(100), limit=2)
    assert outcome.more
    assert [key for key, _ in outcome.build_changes(0)] == [b"c0", b"c0", b"c1", b"c1"]
    assert one.engine.clock < ms(0)
    outcome = one.engine.tick(ms(100), limit=2)
    assert not outcome.more
    assert [key for key, _ in outcome.build_changes(0)] == [b"c2", b"c2", b"c3", b"c3"]
    assert one.engine.clock == ms(100)


#  o 0 ------ idle 300 ---- T 700 | too late: 299, still in time for lateness: 300


def test_a_fact_that_comes_too_late_is_refused_with_the_reason_and_its_place() -> None:
    one = run(o(0), o(650), 700)
    outcome = one.engine.apply(batch_of([o(651), o(299.9), o(300)]))
    place, reason, detail = outcome.rejected[0]
    assert (len(outcome.rejected), place, reason) == (1, 1, Reason.TOO_LATE)
    assert "at most 400 days late" in detail
    assert outcome.late == 2
    assert one.engine.ledger.rows.n[0] == 4


def test_a_redelivery_is_one_however_late_it_comes() -> None:
    one = run(o(0, event="first"), o(650, event="second"), 700)
    outcome = one.engine.apply(batch_of([o(0, event="first")]))
    assert (outcome.duplicates, outcome.rejected, len(outcome.dirty)) == (1, [], 0)


def test_what_a_correction_corrects_was_told_of_a_later_instant_or_by_the_clock() -> None:
    # o 0 makes rfm `new`; another order of the same instant, late, does not make that untrue.
    one = run(o(0), e(5, idle=True), o(0), rules="[systems.rfm]")
    assert told(one)[1:] == [("potential_loyalist", 5, "correction")]
    assert one.told[1].corrects is None
    # at 30 the score fell; an order of 30 would have come first
    one = run(o(0), 35, e(35, idle=True), o(30), rules="[systems.rfm]")
    assert told(one)[1:] == [("promising", 30, "clock"), ("potential_loyalist", 35, "correction")]
    assert one.told[2].corrects == one.told[1].id


#  spend 4 on day 0, 5 on day 200 | late: 5 on day 2      medium begins at 10
#  day 365: the 4 leaves; 367: the late 5 leaves; clock 370: nothing differs, nothing is told


def test_after_a_late_fact_a_recovery_does_not_judge_the_past_again() -> None:
    facts = (o(0, 400), o(200, 500), e(300, idle=True), 370, o(2, 500))
    plain, recovered = run(*facts, rules=MONEY), run(*facts, rules=MONEY)
    recovered.recover()
    for one in (plain, recovered):
        one.tick(ms(400))
    assert told(plain) == told(recovered) == [("small", 0, "event")]
    assert dump(plain.engine) == dump(recovered.engine)


def test_values_do_not_depend_on_where_tiles_lie() -> None:
    # Days come in another order than tiles lie in the pool.
    one = run(o(5), o(5.5), o(9), rules=MONEY)
    before = dump(one.engine)
    one.recover()
    assert dump(one.engine) == before


def test_the_parts_of_a_row_that_are_told_grow_with_every_write() -> None:
    one = run(o(0))
    versions = [one.profiles()[0].version]
    for arrival in (e(1), o(2)):
        one.apply([arrival])
        versions.append(one.profiles()[0].version)
    one.tick(ms(91))
    versions.append(one.profiles()[0].version)
    assert versions == sorted(set(versions))


#  o 0 ---- silent at 90 | an engagement half a minute before that moves the end of the profile


@pytest.mark.parametrize("before_end", [30_000, 90_000, DAY_MS])
def test_a_profile_whose_end_moves_on_is_written_again_before_it_is_reached(
    before_end: int,
) -> None:
    one = run(o(0), 31)
    assert one.cache["c"].valid_until == ms(90)
    at = ms(90) - before_end
    one.tick(at)
    one.apply([Fact("c", at, ENGAGEMENT)])
    assert one.profiles()[0].valid_until == at + 60 * DAY_MS
    one.tick(ms(90) - 10_000)
    assert one.cache["c"].valid_until == at + 60 * DAY_MS


def test_a_fact_that_only_moves_the_end_later_is_not_written_at_once() -> None:
    one = run(o(0), 31)
    outcome = one.engine.apply(batch_of([e(60)]))
    assert (len(outcome.dirty), len(outcome.profile_rows)) == (1, 0)


def test_profile_rows_are_dirty() -> None:
    one = run(o(0), 31, e(60))
    outcome = one.engine.tick(ms(90) - 30_000)
    assert outcome.profile_rows.tolist() == outcome.dirty.tolist() == [0]


def test_a_profile_names_what_follows_and_when() -> None:
    (profile,) = run(o(0)).profiles()
    assert (profile.valid_until, profile.next) == (ms(30), {"lifecycle": "active"})
    assert {key: standing.segment for key, standing in profile.systems.items()} == {
        "lifecycle": "new"
    }


def test_a_customer_with_nothing_ahead_is_valid_for_ever() -> None:
    one = run(e(0))
    assert one.profiles()[0].valid_until is None
    assert one.engine.ledger.dues[0] == FAR


def test_changes_say_what_follows_from_the_last_of_each_system() -> None:
    one = run(o(0), rules=defaults())
    following = {c.system: c.next and (c.next.segment, c.next.at) for c in one.told}
    assert following["lifecycle"] == ("active", ms(30))
    assert following["rfm"] == ("promising", ms(30))
    told_late = one.tick(ms(95))
    assert [c.next and c.next.segment for c in told_late if c.system == "lifecycle"] == [
        None,
        "churned",
    ]


def test_more_changes_than_fit_at_once_are_all_told() -> None:
    wide, narrow = Run(defaults()), Run(defaults())
    narrow.engine._out = narrow.engine._out[: 2 * len(defaults().systems)]
    facts = [o(day, 90_000, customer=f"c{day % 5}") for day in range(0, 4_000, 19)]
    for one in (wide, narrow):
        one.apply(facts)
        one.tick(ms(5_000), inclusive=True)
    assert len(wide.told) > 500
    assert wide.told == narrow.told


def test_an_empty_batch_does_nothing() -> None:
    one = Run(defaults())
    outcome = one.engine.apply(batch_of([]))
    assert (len(outcome.dirty), outcome.build_changes(0), one.engine.customers) == (0, [], 0)


def test_refunds_before_the_first_order_are_remembered_silently() -> None:
    one = run(Fact("c", ms(0), 1, 700), 10, rules=MONEY)
    assert (one.told, one.profiles()[0].systems) == ([], {})
    one.apply([o(11, 1_500)])
    assert told(one) == [("small", 11, "event")]


def test_rows_called_dirty_are_those_written_to_each_once() -> None:
    one = Run(defaults())
    batch = [o(0, customer="a"), o(0, customer="b"), o(0.5, customer="a")]
    assert one.engine.apply(batch_of(batch)).dirty.tolist() == [0, 1]
    assert one.engine.tick(ms(1)).dirty.tolist() == []
    assert sorted(np.unique(one.engine.tick(ms(31)).dirty)) == [0, 1]
