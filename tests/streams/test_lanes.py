"""The lane: nothing lost, nothing twice, one order whatever the deliveries look like."""

from __future__ import annotations

from streams.clock import LiveClock
from streams.lanes import Verdict
from streams.runs import NEVER
from streams.topic_lane import Answer, Position
from tests.streams.lane_log import A, B, bring, lane_at, order, proof
from tests.streams.runs import BAD, run_of

# ---- continuity


def test_a_range_that_begins_at_the_position_is_appended_and_moves_it():
    lane = lane_at(5)
    assert bring(lane, A, {5: 1, 6: 2}, 5, 7) is Verdict.APPEND
    assert lane.fetched(A) == 7


def test_a_range_below_the_position_is_dropped_and_counted():
    lane = lane_at(5)
    log = {offset: offset for offset in range(10)}
    bring(lane, A, log, 5, 8)
    assert bring(lane, A, log, 5, 8) is Verdict.REDELIVERED
    assert bring(lane, A, log, 0, 4) is Verdict.REDELIVERED
    assert lane.redelivered == 3 + 4
    assert lane.fetched(A) == 8


def test_a_range_that_straddles_the_position_is_cut_and_its_first_part_counted():
    lane = lane_at()
    log = {offset: offset for offset in range(10)}
    bring(lane, A, log, 0, 6)
    assert bring(lane, A, log, 4, 10) is Verdict.APPEND
    assert lane.redelivered == 2
    proof(lane, A, 10)
    proof(lane, B, 0)
    assert [offset for _, offset in order(lane.cut(100))] == list(range(10))


def test_a_range_above_the_position_is_a_hole_and_changes_nothing():
    lane = lane_at(5)
    assert bring(lane, A, {7: 1}, 6, 8) is Verdict.HOLE
    assert lane.holes == 1
    assert lane.fetched(A) == 5
    assert lane.waiting == 0


def test_a_range_of_an_older_epoch_is_stale_even_when_it_would_fit():
    lane = lane_at(5)
    assert lane.restart(A, 9) == 5
    assert bring(lane, A, {5: 1}, 5, 6) is Verdict.STALE
    assert lane.judge(A, 5, 6, 9) is Verdict.APPEND


def test_an_empty_range_carries_the_position_past_markers():
    lane = lane_at(5)
    assert bring(lane, A, {}, 5, 7) is Verdict.APPEND
    assert lane.positions()[A] == Position(7, NEVER)
    assert bring(lane, A, {7: 3}, 7, 8) is Verdict.APPEND


def test_an_empty_range_behind_waiting_records_is_passed_with_the_last_of_them():
    lane = lane_at()
    bring(lane, A, {0: 1, 1: 2}, 0, 2)
    bring(lane, A, {}, 2, 4)
    proof(lane, B, 0)
    lane.cut(1)
    assert lane.positions()[A].offset == 1
    lane.cut(1)
    assert lane.positions()[A] == Position(4, 2)


def test_a_restart_keeps_what_is_buffered_and_returns_where_it_ends():
    lane = lane_at()
    bring(lane, A, {0: 1, 1: 2}, 0, 2)
    assert lane.restart(A, 7) == 2
    assert lane.waiting == 2


# ---- merge


def test_the_earlier_key_goes_first_and_purchases_go_first_at_ties():
    #  purchases     1     5   5
    #  engagements     3   5       9
    lane = lane_at()
    bring(lane, A, {0: 1, 1: 5, 2: 5}, 0, 3)
    bring(lane, B, {0: 3, 1: 5, 2: 9}, 0, 3)
    proof(lane, A, 3)
    proof(lane, B, 3)
    assert order(lane.cut(100)) == [(A, 0), (B, 0), (A, 1), (A, 2), (B, 1), (B, 2)]


def test_a_late_record_is_never_moved_before_an_earlier_one_of_its_topic():
    #  purchases  8 2      (2 is late: its key is the running maximum 8)
    #  engagements  5
    lane = lane_at()
    bring(lane, A, {0: 8, 1: 2}, 0, 2)
    bring(lane, B, {0: 5}, 0, 1)
    proof(lane, A, 2)
    proof(lane, B, 1)
    assert order(lane.cut(100)) == [(B, 0), (A, 0), (A, 1)]


def test_a_topic_with_a_backlog_holds_later_facts_of_the_others_back():
    lane = lane_at()
    bring(lane, A, {0: 1, 1: 7}, 0, 2)
    proof(lane, A, 2)
    assert order(lane.cut(100)) == []  # engagements may still bring anything
    bring(lane, B, {0: 4}, 0, 1)
    assert order(lane.cut(100)) == [(A, 0), (B, 0)]
    proof(lane, B, 1)
    assert order(lane.cut(100)) == [(A, 1)]


def test_a_caught_up_topic_holds_nobody():
    lane = lane_at()
    proof(lane, B, 0)
    bring(lane, A, {0: 7}, 0, 1)
    assert order(lane.cut(100)) == [(A, 0)]


def test_after_a_seek_a_topic_counts_as_behind_until_a_fetch_of_the_new_epoch_answers():
    lane = lane_at()
    proof(lane, B, 0)
    lane.restart(B, 9)
    lane.answered(B, Answer(5, 0, True, 2))  # sent before the seek
    bring(lane, A, {0: 7}, 0, 1)
    assert order(lane.cut(100)) == []
    lane.answered(B, Answer(6, 0, True, 9))
    assert order(lane.cut(100)) == [(A, 0)]


def test_an_answer_that_overtook_a_later_one_does_not_count():
    lane = lane_at()
    lane.answered(B, Answer(100, 0, True, 2, number=8))
    lane.answered(B, Answer(900, 0, False, 2, number=7))
    bring(lane, A, {0: 7}, 0, 1)
    assert order(lane.cut(100)) == [(A, 0)]


def test_a_wall_clock_set_back_does_not_stop_answers_from_counting():
    lane = lane_at()
    lane.answered(B, Answer(9_000, 0, False, 2, number=1))
    lane.answered(B, Answer(1_000, 0, True, 2, number=2))
    bring(lane, A, {0: 7}, 0, 1)
    assert order(lane.cut(100)) == [(A, 0)]


def test_an_open_transaction_of_a_producer_holds_the_merge():
    lane = lane_at()
    proof(lane, B, 0)
    proof(lane, B, 0, sent=2, caught_up=False)  # last stable offset below the high watermark
    bring(lane, A, {0: 7}, 0, 1)
    assert order(lane.cut(100)) == []


def test_an_answer_behind_the_lane_does_not_open_it_before_its_range_arrives():
    lane = lane_at()
    proof(lane, B, 1)
    bring(lane, A, {0: 7}, 0, 1)
    assert lane.missing(B)
    assert order(lane.cut(100)) == []
    bring(lane, B, {0: 3}, 0, 1)
    assert not lane.missing(B)
    assert order(lane.cut(100)) == [(B, 0), (A, 0)]


def test_a_bad_record_stays_at_its_place_and_moves_no_running_maximum():
    lane = lane_at()
    lane.append(A, run_of({0: 4, 1: 99, 2: 5}, 0, 3, bad=frozenset({1})))
    proof(lane, A, 3)
    proof(lane, B, 0)
    cut = lane.cut(100)
    assert cut is not None
    assert cut.run.offsets.tolist() == [0, 2]
    assert cut.run.keys.tolist() == [4, 5]
    assert [(letter.topic, letter.record.offset, letter.why) for letter in cut.letters] == [
        (A, 1, BAD)
    ]
    assert lane.positions()[A] == Position(3, 5)


def test_the_dead_letter_of_a_bad_record_is_not_taken_before_its_turn():
    lane = lane_at()
    lane.append(A, run_of({0: 4, 1: 99}, 0, 2, bad=frozenset({1})))
    proof(lane, A, 2)
    proof(lane, B, 0)
    first = lane.cut(1)
    assert first is not None
    assert first.letters == []
    second = lane.cut(1)
    assert second is not None
    assert len(second.run) == 0
    assert len(second.letters) == 1


def test_a_full_topic_says_so_and_has_room_again_at_half():
    lane = lane_at(capacity=4)
    bring(lane, A, dict.fromkeys(range(4), 1), 0, 4)
    proof(lane, B, 0)
    assert lane.is_full(A)
    lane.cut(1)
    assert not lane.has_room(A)
    lane.cut(1)
    assert lane.has_room(A)


# ---- what the clock may know


def test_a_proof_counts_from_when_its_fetch_was_sent_once_all_before_it_is_applied():
    lane = lane_at()
    proof(lane, B, 0)
    bring(lane, A, {0: 1, 1: 2}, 0, 2)
    proof(lane, A, 2, sent=77)
    lane.cut(1)
    assert lane.completeness()[0].proven is None
    lane.cut(1)
    assert lane.completeness()[0].proven == 77
    assert lane.completeness()[0].caught_up


def test_a_proof_sent_before_the_time_was_known_moves_no_clock():
    lane = lane_at()
    proof(lane, A, 0, sent=NEVER)
    proof(lane, B, 0, sent=NEVER)
    live = LiveClock(grace=2_000, max_future=0)
    assert live.read(NEVER, 10_000, lane.completeness()).instant == NEVER


def test_proofs_that_come_faster_than_records_are_applied_still_count():
    lane = lane_at()
    proof(lane, B, 0)
    log = dict.fromkeys(range(4), 1)
    bring(lane, A, log, 0, 2)
    proof(lane, A, 2, sent=10)
    bring(lane, A, log, 2, 4)
    proof(lane, A, 4, sent=20)
    lane.cut(3)
    assert lane.completeness()[0].proven == 10


def test_the_append_time_of_the_last_applied_record_is_known():
    lane = lane_at()
    proof(lane, B, 0)
    bring(lane, A, {0: 1, 1: 2}, 0, 2)
    lane.cut(1)
    assert lane.completeness()[0].appended == 1_000


def test_a_record_without_a_brokers_time_gives_no_append_time():
    lane = lane_at()
    proof(lane, B, 0)
    run = run_of({0: 1}, 0, 1)
    run.appended[:] = NEVER
    lane.append(A, run)
    lane.cut(1)
    assert lane.completeness()[0].appended is None
