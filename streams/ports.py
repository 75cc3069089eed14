"""State what the delivery path asks of an engine.

Responsible for the two protocols between streams and segmenters, so that the path can be driven by
the real engine, by a simulation or by a counting stand-in. Must not implement either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.changes import Change
    from schemas.errors import Reason
    from schemas.profiles import Profile
    from schemas.vocabulary import Instant
    from segmenters.batch import EventBatch
    from streams.runs import IntArray


class Judged(Protocol):
    """What a call of the engine did."""

    @property
    def dirty(self) -> IntArray:
        """Rows whose state changed, unique."""

    @property
    def profile_rows(self) -> IntArray:
        """Rows whose cached profile must be rewritten."""

    @property
    def rejected(self) -> Sequence[tuple[int, Reason, str]]:
        """Facts the engine refused: index in the batch, reason, detail."""

    @property
    def duplicates(self) -> int:
        """Facts seen before."""

    @property
    def late(self) -> int:
        """Facts below their customer's settled instant."""

    @property
    def more(self) -> bool:
        """Whether a tick hit its limit and deadlines are left."""

    def build_changes(self, seen_at: Instant) -> Sequence[tuple[bytes, Change]]:
        """Return the changes with their keys, in the order they are to be told."""


class PartitionEngine(Protocol):
    """State and judgement of one partition."""

    @property
    def customers(self) -> int:
        """Number of customers held."""

    def apply(self, batch: EventBatch, clock: Instant) -> Judged:
        """Apply facts in their order."""

    def tick(self, clock: Instant, inclusive: bool = False, limit: int = 5_000) -> Judged:  # noqa: FBT001, FBT002
        """Fire deadlines before the clock (and at it, when inclusive)."""

    def dump_rows(self, rows: IntArray) -> list[tuple[bytes, bytes]]:
        """Return changelog records of rows."""

    def load_rows(self, keys: list[bytes], values: list[bytes]) -> None:
        """Take rows back from the changelog."""

    def wind(self) -> None:
        """Derive all deadlines from the rows; once after the last `load_rows`."""

    def profiles(self, rows: IntArray) -> Sequence[Profile]:
        """Return profiles of rows."""
