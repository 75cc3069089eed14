"""A lane, whatever is delivered how: everything is applied once and in one order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.lanes import Verdict
from streams.runs import NEVER
from streams.topic_lane import Answer
from tests.streams.lane_log import A, B, bring, lane_at, order, proof
from tests.streams.runs import run_of

logs = st.lists(st.integers(0, 30), max_size=25)


def positions_of(ts: list[int], gaps: list[int]) -> tuple[dict[int, int], int]:
    """Lay a log out with gaps (markers) between its records; return it and its end."""
    log, at = {}, 0
    for index, value in enumerate(ts):
        at += gaps[index % len(gaps)] if gaps else 0
        log[at] = value
        at += 1
    return log, at + (gaps[0] if gaps else 0)


def merged(a: dict[int, int], b: dict[int, int]) -> list[tuple[str, int]]:
    """Merge naively by (running maximum, rank, offset)."""
    keyed = []
    for rank, (name, log) in enumerate(((A, a), (B, b))):
        highest = NEVER
        for offset in sorted(log):
            highest = max(highest, log[offset])
            keyed.append((highest, rank, offset, name))
    return [(name, offset) for _, _, offset, name in sorted(keyed)]


class Deliveries:
    """Two logs brought to a lane in pieces, and what comes out of it."""

    def __init__(self, logs: dict[str, dict[int, int]], ends: dict[str, int]) -> None:
        self.lane = lane_at()
        self.logs, self.ends, self.epochs = logs, ends, {A: 1, B: 2}
        self.applied: list[tuple[str, int]] = []
        self.sent = 0

    def bring(self, name: str, shift: int, size: int) -> None:
        """Bring a piece that begins ``shift`` off the lane's position."""
        at = self.lane.fetched(name)
        begin = max(0, at + shift)
        end = min(self.ends[name], begin + size)
        if begin < end:
            verdict = self.lane.judge(name, begin, end, self.epochs[name])
            if verdict is Verdict.APPEND:
                self.lane.append(name, run_of(self.logs[name], begin, end))
            elif verdict is Verdict.HOLE:
                self.epochs[name] += 10
                assert self.lane.restart(name, self.epochs[name]) == at
        if self.lane.fetched(name) == self.ends[name]:
            self.sent += 1
            self.lane.answered(name, Answer(self.sent, self.ends[name], True, self.epochs[name]))

    def cut(self, limit: int) -> None:
        """Apply what may go."""
        self.applied += order(self.lane.cut(limit))

    def finish(self) -> None:
        """Bring and apply the rest."""
        for name in (A, B):
            self.bring(name, 0, 10_000)
        while self.lane.waiting:
            before = len(self.applied)
            self.cut(10_000)
            assert len(self.applied) > before


# A piece begins mostly where the lane is; sometimes before it, sometimes behind a lost one.
pieces = st.lists(
    st.tuples(
        st.sampled_from([A, B]),
        st.sampled_from([0, 0, 0, 0, -3, 2]),
        st.integers(1, 9),
        st.integers(0, 10),
    ),
    max_size=30,
)


@given(logs, logs, st.lists(st.integers(0, 2), max_size=4), pieces)
def test_whatever_is_delivered_how_everything_is_applied_once_and_in_one_order(
    a_ts: list[int], b_ts: list[int], gaps: list[int], pieces: list[tuple[str, int, int, int]]
):
    a, a_end = positions_of(a_ts, gaps)
    b, b_end = positions_of(b_ts, gaps)
    deliveries = Deliveries({A: a, B: b}, {A: a_end, B: b_end})
    for name, shift, size, limit in pieces:
        deliveries.bring(name, shift, size)
        if limit:
            deliveries.cut(limit)
    deliveries.finish()
    assert deliveries.applied == merged(a, b)
    positions = deliveries.lane.positions()
    assert {name: positions[name].offset for name in (A, B)} == {A: a_end, B: b_end}


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_topics_that_do_not_overlap_come_out_one_after_the_other(limit: int):
    lane = lane_at()
    bring(lane, A, {offset: 100 + offset for offset in range(50)}, 0, 50)
    bring(lane, B, dict.fromkeys(range(50), 7), 0, 50)
    proof(lane, A, 50)
    proof(lane, B, 50)
    out: list[tuple[str, int]] = []
    while lane.waiting:
        out += order(lane.cut(limit))
    assert out == [(B, offset) for offset in range(50)] + [(A, offset) for offset in range(50)]


def test_a_proof_lets_pass_only_what_was_appended_within_the_grace_after_it():
    lane = lane_at()
    lane.append(A, run_of({0: 5, 1: 6}, 0, 1, appended=12_000))
    lane.append(A, run_of({0: 5, 1: 6}, 1, 2, appended=12_001))
    proof(lane, A, 2, sent=12_100)
    proof(lane, B, 0, sent=10_000)
    assert order(lane.cut(10)) == [(A, 0)]
    assert lane.cut(10) is None
    proof(lane, B, 0, sent=10_001)
    assert order(lane.cut(10)) == [(A, 1)]


def test_what_ranks_before_all_another_topic_may_bring_needs_no_fresh_proof():
    lane = lane_at()
    bring(lane, B, {0: 9}, 0, 1)
    proof(lane, A, 0, sent=12_100)
    proof(lane, B, 1, sent=1)
    assert order(lane.cut(10)) == [(B, 0)]
    lane.append(A, run_of({0: 9, 1: 10}, 0, 2, appended=12_001))
    assert order(lane.cut(10)) == [(A, 0)]  # at one instant purchases go first
