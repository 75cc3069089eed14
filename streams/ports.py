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

    def tick(self, clock: Instant, inclusive: bool = False, limit: int = 5_000) -> Judged:
        """Fire deadlines before the clock (and at it, when inclusive)."""

    def dump_rows(self, rows: IntArray) -> list[tuple[bytes, bytes]]:
        """Return changelog records of rows."""

    def load_rows(self, keys: list[bytes], values: list[bytes]) -> None:
        """Take rows back from the changelog."""

    def wind(self) -> None:
        """Derive all deadlines from the rows; once after the last `load_rows`."""

    def profiles(self, rows: IntArray) -> Sequence[Profile]:
        """Return profiles of rows."""

    def row_of(self, customer: bytes) -> int:
        """Return the row of a customer, or -1."""


class Changeover(Protocol):
    """Customers of other rules, to be brought under those in force before anything else is done."""

    @property
    def more(self) -> bool:
        """Whether customers are left."""

    @property
    def waiting(self) -> int:
        """How many customers are left."""

    def rows(self) -> IntArray:
        """Return the rows of those left: blank so far."""

    @property
    def before(self) -> Sequence[str]:
        """Versions of the rules under which customers are left."""

    @property
    def moved(self) -> int:
        """Customers brought over so far."""

    @property
    def settled(self) -> int:
        """Changes made by deadlines of before, under the rules of before."""

    @property
    def told(self) -> int:
        """Changes made by the rules."""

    def step(self, limit: int) -> Judged:
        """Bring over some."""


class Cache(Protocol):
    """Where profiles go, behind the durable state."""

    @property
    def behind(self) -> int:
        """Profiles that are not written yet."""

    async def start(self) -> None:
        """Begin to write."""

    async def stop(self) -> None:
        """Write what is waiting, bounded, and close."""

    async def applied(self) -> dict[int, int]:
        """Return the changelog offset the cache has reached, by partition; empty when unknown."""

    def taken(self, partition: int, engine: PartitionEngine, rows: IntArray) -> None:
        """Take a partition over; ``rows`` are those the cache may not hold."""

    def released(self, partition: int) -> None:
        """Let a partition go."""

    def render(self, partition: int, rows: IntArray) -> Sequence[Profile]:
        """Render profiles for the transaction that is being built."""

    def durable(
        self, partition: int, profiles: Sequence[Profile], offset: int, clock: Instant
    ) -> None:
        """Queue what was rendered for a transaction that has been committed."""

    def settled(self, partition: int, clock: Instant) -> None:
        """Publish a clock although nothing changed."""
