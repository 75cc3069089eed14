"""The clock of a partition: how complete its facts are, and never more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from segmenters.instants import NEVER
from streams.clock import EventClock, LiveClock, Reading
from streams.lanes import Completeness

LIVE = LiveClock(grace=2_000, max_future=300_000)


def known(
    proven: int | None = None, appended: int | None = None, *, caught_up: bool = False, top: int = 0
) -> Completeness:
    return Completeness(caught_up, proven, appended, top)


def test_a_caught_up_topic_counts_from_when_its_fetch_was_sent_less_the_grace():
    assert LIVE.read(0, 100_000, [known(proven=99_000, caught_up=True)]).instant == 97_000


def test_a_topic_that_lags_holds_the_clock_at_its_last_applied_record():
    topics = [known(proven=99_900, caught_up=True), known(appended=50_000)]
    assert LIVE.read(0, 100_000, topics).instant == 48_000


def test_the_wall_clock_bounds_a_broker_that_is_ahead():
    assert LIVE.read(0, 100_000, [known(appended=200_000)]).instant == 98_000


def test_a_topic_of_which_nothing_is_known_gives_no_progress():
    assert LIVE.read(7, 100_000, [known(proven=99_000), known()]).instant == 7


def test_a_process_that_was_paused_wakes_up_without_progress():
    before = LIVE.read(0, 100_000, [known(proven=99_900, caught_up=True)]).instant
    assert LIVE.read(before, 900_000, [known(proven=99_900, caught_up=True)]).instant == before


@given(
    st.integers(0, 10**6),
    st.lists(
        st.builds(known, st.none() | st.integers(0, 10**6), st.none() | st.integers(0, 10**6)),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 10**6),
)
def test_the_live_clock_never_goes_back_and_never_passes_now_less_the_grace(
    now: int, topics: list[Completeness], before: int
):
    reading = LIVE.read(before, now, topics)
    assert reading.instant >= before
    assert reading.instant <= max(before, now - LIVE.grace)


def test_a_ts_may_be_ahead_of_the_wall_clock_by_max_future():
    assert LIVE.horizon(1_000) == 301_000


def test_event_time_moves_with_the_slowest_topic_that_has_a_backlog():
    clock = EventClock(until=1_000)
    topics = [known(top=300), known(top=200), known(top=100, caught_up=True)]
    assert clock.read(NEVER, 0, topics) == Reading(200)


def test_event_time_stands_until_a_topic_with_a_backlog_has_brought_a_fact():
    assert EventClock(1_000).read(NEVER, 0, [known(top=NEVER)]) == Reading(NEVER)


def test_event_time_ends_inclusively_once_all_is_caught_up():
    clock = EventClock(until=1_000)
    assert clock.read(500, 0, [known(top=9, caught_up=True)]) == Reading(1_000, inclusive=True)


def test_event_time_never_goes_back_and_never_passes_its_end():
    clock = EventClock(until=1_000)
    assert clock.read(700, 0, [known(top=200)]).instant == 700
    assert clock.read(NEVER, 0, [known(top=2_000)]).instant == 1_000
    assert clock.horizon(0) == 1_000
