"""Two topics of a lane, and what a test brings to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.lanes import Lane, Verdict
from streams.runs import NEVER
from streams.topic_lane import Answer, Position
from tests.streams.runs import run_of

if TYPE_CHECKING:
    from streams.lanes import Cut

A, B = "purchases", "engagements"


def lane_at(a: int = 0, b: int = 0, capacity: int = 100) -> Lane:
    positions = {A: Position(a, NEVER), B: Position(b, NEVER)}
    return Lane(positions, {A: 1, B: 2}, capacity)


def proof(lane: Lane, name: str, end: int, sent: int = 1, *, caught_up: bool = True) -> None:
    lane.answered(name, Answer(sent, end, caught_up, 1 if name == A else 2))


def bring(lane: Lane, name: str, log: dict[int, int], begin: int, end: int) -> Verdict:
    epoch = 1 if name == A else 2
    verdict = lane.judge(name, begin, end, epoch, sum(begin <= o < end for o in log))
    if verdict is Verdict.APPEND:
        lane.append(name, run_of(log, begin, end))
    return verdict


def order(cut: Cut | None) -> list[tuple[str, int]]:
    if cut is None:
        return []
    return [
        ((A, B)[topic], offset)
        for topic, offset in zip(cut.topics.tolist(), cut.run.offsets.tolist(), strict=True)
    ]
