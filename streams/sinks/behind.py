"""Remember what of one partition the cache does not hold, however long Redis is away.

Responsible for a bit per row and for what may be vouched for. Must not render, and must not write.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from segmenters.instants import NEVER
from streams.sinks.redis_store import Mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.profiles import Profile
    from schemas.vocabulary import Instant
    from streams.ports import PartitionEngine
    from streams.runs import BoolArray, IntArray

AGAIN_S: Final = 5.0
"""Seconds after which rows are tried again whose profiles Redis has refused."""


class Rows:
    """A set of row numbers."""

    def __init__(self) -> None:
        self._bits: BoolArray = np.zeros(0, np.bool_)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._bits))

    def add(self, rows: IntArray) -> None:
        """Take rows."""
        if not len(rows):
            return
        size = int(rows.max()) + 1
        if len(self._bits) < size:
            grown = np.zeros(max(size, len(self._bits) * 3 // 2), np.bool_)
            grown[: len(self._bits)] = self._bits
            self._bits = grown
        self._bits[rows] = True

    def take(self, most: int | None = None) -> IntArray:
        """Give rows away, the lowest first."""
        rows = np.flatnonzero(self._bits)[:most]
        self._bits[rows] = False
        return rows


class Behind:
    """What of one partition is not yet on its way to the cache.

    Attributes
    ----------
    partition
        The partition.
    engine
        Its state; None when the partition was let go.
    offset, clock
        What the durable state has reached.
    term
        Grows when what was posted before must not be vouched for any more.
    """

    def __init__(self, partition: int, engine: PartitionEngine) -> None:
        self.partition = partition
        self.engine: PartitionEngine | None = engine
        self.offset: int | None = None
        self.clock: Instant = NEVER
        self.term = 0
        self._waiting = Rows()
        self._refused = Rows()
        self._again_at = 0.0
        self._posted: Mark | None = None

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self._waiting) + len(self._refused)

    def add(self, rows: IntArray) -> None:
        """Take rows whose profiles have to be written."""
        self._waiting.add(rows)

    def add_all(self) -> None:
        """Take all rows: the cache has lost what it had."""
        if self.engine is not None:
            self.add(np.arange(self.engine.customers))
        self.void()

    def refuse(self, customers: Sequence[str]) -> None:
        """Take customers back whose profiles Redis has refused; they are tried again later."""
        self.void()
        if self.engine is not None:
            rows = self.engine.find_rows([each.encode() for each in customers])
            self._refused.add(rows[rows >= 0])
            self._again_at = time.monotonic() + AGAIN_S

    def take(self, most: int) -> IntArray:
        """Give rows away that are to be rendered."""
        if len(self._refused) and time.monotonic() >= self._again_at:
            self._waiting.add(self._refused.take())
        return self._waiting.take(most)

    def void(self) -> None:
        """Let nothing that was posted before be vouched for."""
        self.term += 1
        self._posted = None

    def mark(self) -> Mark:
        """Return what may be vouched for once everything posted is written."""
        if self.count:
            return Mark(None, None)
        return Mark(self.offset, self.clock if self.clock > NEVER else None)

    def post(self, profiles: Sequence[Profile]) -> Post:
        """Make a post of what was rendered, and of what holds once it is written."""
        self._posted = self.mark()
        return Post(self, profiles, self._posted, self.term)

    @property
    def has_news(self) -> bool:
        """Whether a post without profiles would say anything."""
        return self.mark() != self._posted


class Post(NamedTuple):
    """Profiles of one partition, and what holds once they are written.

    Attributes
    ----------
    behind
        Their partition.
    profiles
        In the state that is durable.
    mark
        What may be published then.
    term
        The partition's when they were posted: in another, the mark vouches for nothing.
    """

    behind: Behind
    profiles: Sequence[Profile]
    mark: Mark
    term: int
