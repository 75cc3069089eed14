"""Hold one topic of a partition between fetch and engine.

Responsible for its buffered runs and its positions: fetched, applied, and how far its log is proven
to be applied. Must not know other topics; see `streams.lanes`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from segmenters.instants import NEVER
from streams.runs import IntArray, Run, join

if TYPE_CHECKING:
    from schemas.vocabulary import Instant


class Answer(NamedTuple):
    """A fetch that was answered.

    Attributes
    ----------
    sent
        The broker's clock when it was sent, ms.
    end
        Fetch position after it.
    caught_up
        Whether that position was both the last stable offset and the high watermark.
    epoch
        Epoch of the topic-partition when it was sent.
    number
        Counts the fetches of a process: tells which was sent first also when its clock is set back.
    """

    sent: Instant
    end: int
    caught_up: bool
    epoch: int
    number: int = 0


class Position(NamedTuple):
    """How far a topic has been applied: the next offset and the running maximum of ts before it."""

    offset: int
    running_max: Instant


class TopicLane:
    """One topic of the partition: its buffered runs and its positions."""

    __slots__ = (
        "answer", "appended", "applied", "applied_max", "epoch", "fetched", "name",
        "pending", "proven", "runs", "tail_max", "waiting",
    )  # fmt: skip

    def __init__(self, name: str, position: Position, epoch: int) -> None:
        self.name = name
        self.epoch = epoch
        self.runs: deque[Run] = deque()
        self.waiting = 0
        self.applied = self.fetched = position.offset
        self.applied_max = self.tail_max = position.running_max
        self.appended: Instant | None = None
        self.proven: Instant | None = None
        self.answer: Answer | None = None
        self.pending: deque[Answer] = deque()

    @property
    def at_log_end(self) -> bool:
        """Whether the buffer is proven to reach to the end of the log."""
        return self.answer is not None and self.answer.caught_up and self.answer.end == self.fetched

    def prove(self) -> None:
        """Take the proofs that the applied position has reached."""
        while self.pending and self.pending[0].end <= self.applied:
            sent = self.pending.popleft().sent
            self.proven = sent if self.proven is None else max(self.proven, sent)

    def seen_until(self, grace: int) -> Instant | None:
        """Return the append time up to which other topics need not wait for this one.

        None while it has a backlog. A proof says what the log held when its fetch was sent; a fact
        appended elsewhere long after that may follow one in this topic which nobody has seen yet.
        """
        return self.answer.sent + grace if self.answer is not None and self.at_log_end else None

    def passing(self, other: TopicLane, ranks_first: bool, grace: int, limit: int) -> int:
        """Count the buffered records that need not wait for another topic, at most ``limit``.

        The earliest that the other may still bring ranks at its running maximum.
        """
        side: Literal["left", "right"] = "right" if ranks_first else "left"
        seen = other.seen_until(grace)
        count = 0
        for run in self.runs:
            fits = len(run)
            if seen is None or run.appended[-1] > seen:
                fits = int(np.searchsorted(run.keys, other.tail_max, side=side))
                if seen is not None:
                    fits = max(fits, int(np.searchsorted(run.appended, seen, side="right")))
            count += fits
            if fits < len(run) or count >= limit:
                break
        return min(count, limit)

    def peek(self, count: int) -> IntArray:
        """Return the keys of the first ``count`` records."""
        keys, missing = [], count
        for run in self.runs:
            keys.append(run.keys[:missing])
            missing -= len(keys[-1])
            if missing <= 0:
                break
        return keys[0] if len(keys) == 1 else np.concatenate(keys)

    def take(self, count: int) -> Run:
        """Remove the first ``count`` records and move the applied position past them."""
        parts, missing = [], count
        while missing:
            run = self.runs.popleft()
            if len(run) > missing:
                self.runs.appendleft(run.slice(missing, len(run)))
                run = run.slice(0, missing)
            parts.append(run)
            missing -= len(run)
        taken = join(parts)
        self.waiting -= count
        self.applied = taken.end if self.runs else self.fetched
        self.applied_max = int(taken.keys[-1])
        stamped = int(taken.appended[-1])
        self.appended = None if stamped == NEVER else stamped
        self.prove()
        return taken
