"""Bring the topics of one partition into one order, and let nothing be lost or applied twice.

Responsible for continuity (every range of the log exactly once, in order), for the merge of the
topics' heads, for the bounded buffer, and for knowing how complete the partition is. Pure logic: no
sockets, no clock, no await; times are arguments, so a simulation can drive it. Must not decode, and
must not know the engine.

::

    purchases    [ 3 5 4 | 9 ]──┐        keys: running maximum of ts
                                ├─ merge by (key, topic rank, offset) ─→ Cut
    engagements  [ 4 4 | 8 12 ]─┘

A topic that may still hold earlier records (it *has a backlog*) keeps the others back; one that is
proven to be at the end of its log does not, unless the proof is older, by more than the grace, than
what it would let pass.
"""

from __future__ import annotations

from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from streams.runs import IntArray, Run, join
from streams.topic_lane import Position, TopicLane

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.errors import Rejected
    from schemas.vocabulary import Instant
    from streams.runs import Raw
    from streams.topic_lane import Answer

CAPACITY: Final = 20_000
"""Records one topic may have waiting before its partition is paused at the consumer."""


class Verdict(Enum):
    """What a lane says to a range of the log that was brought to it."""

    APPEND = "append"
    REDELIVERED = "redelivered"
    HOLE = "hole"
    STALE = "stale"


class Completeness(NamedTuple):
    """What the clock may know about one topic.

    Attributes
    ----------
    caught_up
        Everything the log held when last asked has been applied.
    proven
        Wall clock up to which that is proven (when the proving fetch was sent); None: never.
    appended
        Append time of the last applied record; None where nothing was applied or not stamped.
    running_max
        Largest ts applied; `NEVER` before the first.
    """

    caught_up: bool
    proven: Instant | None
    appended: Instant | None
    running_max: Instant


class Letter(NamedTuple):
    """A rejected record whose turn has come."""

    topic: str
    record: Raw
    why: Rejected


class Cut(NamedTuple):
    """What is to be applied next.

    Attributes
    ----------
    run
        The good records in merged order; its offsets are those of different topics.
    topics
        Topic index of each record of ``run``.
    letters
        Placeholders passed by this cut.
    """

    run: Run
    topics: IntArray
    letters: list[Letter]


class Lane:
    """The topics of one partition on their way to its engine.

    Parameters
    ----------
    positions
        Topic → where to go on, in rank order: purchases, engagements, others.
    epochs
        Topic → epoch under which its fetches are accepted.
    capacity
        Records one topic may have waiting.
    grace
        Milliseconds by which facts of two topics may overtake one another on their way.

    Attributes
    ----------
    redelivered : int
        Records that came again and were dropped.
    holes : int
        Ranges that began above the lane's position.

    Examples
    --------
    >>> lane = Lane({"purchases": Position(7, 0)}, {"purchases": 1})
    >>> lane.judge("purchases", 7, 9, 1), lane.judge("purchases", 8, 9, 1)
    (<Verdict.APPEND: 'append'>, <Verdict.HOLE: 'hole'>)
    """

    def __init__(
        self,
        positions: Mapping[str, Position],
        epochs: Mapping[str, int],
        capacity: int = CAPACITY,
        grace: int = 2_000,
    ) -> None:
        self._topics = [
            TopicLane(name, position, epochs[name]) for name, position in positions.items()
        ]
        self._by_name = {topic.name: topic for topic in self._topics}
        self.names = tuple(self._by_name)
        self.capacity = capacity
        self.grace = grace
        self.redelivered = 0
        self.holes = 0

    # ---- continuity

    def judge(self, name: str, begin: int, end: int, epoch: int, records: int = 0) -> Verdict:
        """Say what is to become of the range ``[begin, end)`` fetched under an epoch.

        Everything below the lane's position was seen before; anything above leaves a hole. A range
        that straddles the position is appended: `append` cuts it.

        Parameters
        ----------
        name
            Topic.
        begin, end
            Fetch positions.
        epoch
            Epoch of the topic-partition when the fetch was sent.
        records
            How many records are in it, to be counted when they are dropped.
        """
        topic = self._by_name[name]
        if epoch != topic.epoch:
            return Verdict.STALE
        if begin > topic.fetched:
            self.holes += 1
            return Verdict.HOLE
        if end <= topic.fetched:
            self.redelivered += records
            return Verdict.REDELIVERED
        return Verdict.APPEND

    def append(self, name: str, run: Run) -> None:
        """Take a run that `judge` let through; a part seen before is cut off and counted."""
        topic = self._by_name[name]
        if run.begin < topic.fetched:
            rest = run.since(topic.fetched)
            self.redelivered += len(run) - len(rest)
            run = rest
        topic.fetched = run.end
        if len(run):
            topic.tail_max = run.rank_keys(topic.tail_max)
            topic.runs.append(run)
            topic.waiting += len(run)
        elif topic.runs:
            topic.runs[-1].end = run.end
        else:
            topic.applied = run.end
            topic.prove()

    def restart(self, name: str, epoch: int) -> int:
        """Begin a new epoch of a topic and return the position to seek to.

        What is buffered stays: it is continuous. Until a fetch sent after the seek is answered the
        topic counts as having a backlog.
        """
        topic = self._by_name[name]
        topic.epoch = epoch
        topic.answer = None
        return topic.fetched

    def answered(self, name: str, answer: Answer) -> None:
        """Take note of an answered fetch, delivered with its last range or, if empty, alone."""
        topic = self._by_name[name]
        if answer.epoch != topic.epoch:
            return
        if topic.answer is not None and answer.number < topic.answer.number:
            return
        topic.answer = answer
        if not answer.caught_up:
            return
        if topic.pending and topic.pending[-1].end == answer.end:
            topic.pending.pop()
        topic.pending.append(answer)
        topic.prove()

    def missing(self, name: str) -> bool:
        """Say whether a fetch was answered behind the lane's position (its range is on its way)."""
        topic = self._by_name[name]
        return topic.answer is not None and topic.answer.end > topic.fetched

    def held_by_transaction(self, since: Instant) -> str | None:
        """Name a topic whose open transaction holds the merge: read to its last stable offset.

        Parameters
        ----------
        since
            Wall clock before which an answer says nothing any more.
        """
        for topic in self._topics:
            answer = topic.answer
            if answer is None or answer.caught_up or answer.sent < since:
                continue
            if answer.end == topic.fetched and not topic.waiting:
                return topic.name
        return None

    # ---- room

    def is_full(self, name: str) -> bool:
        """Say whether a topic is to be paused."""
        return self._by_name[name].waiting >= self.capacity

    def has_room(self, name: str) -> bool:
        """Say whether a paused topic may go on."""
        return self._by_name[name].waiting <= self.capacity // 2

    @property
    def waiting(self) -> int:
        """Number of records of all topics that were fetched and not yet cut."""
        return sum(topic.waiting for topic in self._topics)

    # ---- merge

    def cut(self, limit: int) -> Cut | None:
        """Take the next records in merged order, at most ``limit``; None when none may go."""
        counts = [self._passing(rank, limit) for rank in range(len(self._topics))]
        ready = [index for index, count in enumerate(counts) if count]
        if not ready:
            return None
        if len(ready) == 1:
            index = ready[0]
            run = self._topics[index].take(counts[index])
            return self._finish(run, np.full(len(run), index, np.int64))
        return self._merge(ready, counts, limit)

    def _passing(self, rank: int, limit: int) -> int:
        """Count the records of a topic that need not wait for any other."""
        topic = self._topics[rank]
        count = min(topic.waiting, limit)
        for place, other in enumerate(self._topics):
            if place != rank and count:
                count = topic.passing(other, rank < place, self.grace, count)
        return count

    def _merge(self, ready: Sequence[int], counts: Sequence[int], limit: int) -> Cut:
        keys = [self._topics[index].peek(counts[index]) for index in ready]
        blocks = sorted(range(len(ready)), key=lambda block: int(keys[block][0]))
        apart = all(
            (int(keys[one][-1]), one) < (int(keys[two][0]), two) for one, two in pairwise(blocks)
        )
        if apart:  # one topic's head run lies entirely before the other's: no gather
            parts, owners = [], []
            for block in blocks:
                if limit <= 0:
                    break
                part = self._topics[ready[block]].take(min(counts[ready[block]], limit))
                limit -= len(part)
                parts.append(part)
                owners.append(np.full(len(part), ready[block], np.int64))
            return self._finish(join(parts), np.concatenate(owners))
        # Ranks ascend in the concatenation and a stable sort keeps ties and offsets in order.
        order = np.argsort(np.concatenate(keys), kind="stable")[:limit]
        sizes = np.array([len(part) for part in keys])
        source = np.repeat(np.arange(len(keys)), sizes)[order]
        taken = np.bincount(source, minlength=len(keys))
        parts = [
            self._topics[ready[block]].take(int(count))
            for block, count in enumerate(taken)
            if count
        ]
        unused = np.concatenate(([0], np.cumsum(sizes - taken)[:-1]))
        return self._finish(
            join(parts).select(order - unused[source]), np.asarray(ready, np.int64)[source]
        )

    def _finish(self, run: Run, topics: IntArray) -> Cut:
        if not run.rejections:
            return Cut(run, topics, [])
        letters = [
            Letter(self.names[int(topics[index])], run.records[index], why)
            for index, why in sorted(run.rejections.items())
        ]
        good = np.ones(len(run), np.bool_)
        good[list(run.rejections)] = False
        return Cut(run.without_placeholders(), topics[good], letters)

    # ---- what is known

    def positions(self) -> dict[str, Position]:
        """Return how far each topic has been cut; all of it must be applied in one transaction."""
        return {t.name: Position(t.applied, t.applied_max) for t in self._topics}

    def fetched(self, name: str) -> int:
        """Return the position up to which a topic has been brought to the lane."""
        return self._by_name[name].fetched

    def completeness(self) -> list[Completeness]:
        """Return what the clock may know, topic by topic."""
        return [
            Completeness(
                t.at_log_end and t.applied == t.fetched, t.proven, t.appended, t.applied_max
            )
            for t in self._topics
        ]
