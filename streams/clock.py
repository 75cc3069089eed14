"""Say up to which instant a partition's facts are complete.

Responsible for the two rules (live and event mode). Pure logic: what time it is, and what is known
of the topics, are arguments. Must not fire anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from segmenters.instants import NEVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.vocabulary import Instant
    from streams.lanes import Completeness


class Reading(NamedTuple):
    """What a clock says.

    Attributes
    ----------
    instant
        Deadlines before it may fire.
    inclusive
        Whether those at it fire, too (only at the end of a replay).
    """

    instant: Instant
    inclusive: bool = False


class Clock(Protocol):
    """Reads the clock of a partition."""

    def read(self, before: Instant, now: Instant, topics: Sequence[Completeness]) -> Reading:
        """Return the clock; never less than ``before``."""

    def horizon(self, now: Instant) -> Instant:
        """Return the largest ts that is believed."""


class LiveClock:
    """Time moves with the wall clock, held back by what may still be under way.

    Parameters
    ----------
    grace
        Milliseconds that producers and the network may take.
    max_future
        Milliseconds a ts may lie ahead of the wall clock.

    Examples
    --------
    >>> from streams.lanes import Completeness
    >>> known = Completeness(True, 9_000, None, 0)
    >>> LiveClock(grace=2_000, max_future=300_000).read(0, 10_000, [known]).instant
    7000
    """

    def __init__(self, grace: int, max_future: int) -> None:
        self.grace = grace
        self.max_future = max_future

    def read(self, before: Instant, now: Instant, topics: Sequence[Completeness]) -> Reading:
        """Return min(now, per topic: how far its log is known to be applied) less the grace.

        Both witnesses of a topic are lower bounds, so the later one counts: everything appended
        before the proving fetch was sent, or before the last applied record, has been applied. A
        topic without any witness gives no progress.
        """
        instant = now
        for topic in topics:
            known = [time for time in (topic.proven, topic.appended) if time is not None]
            if not known:
                return Reading(before)
            instant = min(instant, *known) if len(known) == 1 else min(instant, max(known))
        return Reading(max(before, instant - self.grace))

    def horizon(self, now: Instant) -> Instant:
        """Return the wall clock plus ``max_future``."""
        return now + self.max_future


class EventClock:
    """Time moves with facts alone, for replays of history through Kafka.

    Parameters
    ----------
    until
        Where time ends once every input is caught up.
    """

    def __init__(self, until: Instant) -> None:
        self.until = until

    def read(self, before: Instant, now: Instant, topics: Sequence[Completeness]) -> Reading:  # noqa: ARG002
        """Return the smallest of the topics' largest applied ts, over those with a backlog."""
        behind = [topic.running_max for topic in topics if not topic.caught_up]
        if not behind:
            return Reading(self.until, inclusive=True)
        reached = min(behind)
        return Reading(before if reached == NEVER else max(before, min(reached, self.until)))

    def horizon(self, now: Instant) -> Instant:  # noqa: ARG002
        """Return the end of time: nothing is believed that lies beyond it."""
        return self.until
