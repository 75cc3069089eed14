"""State what a partition asks of what is around it: engine, cache, consumer, listener.

Responsible for these protocols, so that the path can be driven by the real parts, by a simulation
or by counting stand-ins. Must not implement any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from faust.types import TP

    from schemas.changes import Change
    from schemas.errors import Reason
    from schemas.profiles import Profile
    from schemas.vocabulary import Instant
    from segmenters.batch import EventBatch
    from streams.clock import Reading
    from streams.lanes import Cut, Lane, Verdict
    from streams.runs import IntArray
    from streams.topic_lane import Answer


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
    def suppressed(self) -> Mapping[str, int]:
        """Flips that damping has begun to hold back, by system."""

    @property
    def more(self) -> bool:
        """Whether a tick hit its limit and deadlines are left."""

    def build_changes(self, seen_at: Instant) -> Sequence[tuple[bytes, Change]]:
        """Return the changes with their keys, in the order they are to be told."""


class Counting(Protocol):
    """One pass over all customers, in slices."""

    @property
    def day(self) -> int:
        """The local day on which the window of the revenue ends."""

    def step(self) -> bool:
        """Count a slice; return whether there are more."""

    def result(self) -> Mapping[str, Mapping[str, tuple[int, int]]]:
        """Return system → segment → customers and their revenue."""


class PartitionEngine(Protocol):
    """State and judgement of one partition."""

    @property
    def customers(self) -> int:
        """Number of customers held."""

    @property
    def nbytes(self) -> int:
        """Bytes in use by them."""

    def headcount(self, clock: Instant) -> Counting:
        """Begin to count customers by segment."""

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

    def find_rows(self, customers: Sequence[bytes]) -> IntArray:
        """Return the rows of customers, -1 for those unknown."""


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


class Inlet(Protocol):
    """What a partition asks of the consumer."""

    def hold(self, tp: TP) -> None:
        """Pause a topic-partition."""

    def release(self, tp: TP) -> None:
        """Let it go on."""

    def new_epoch(self) -> int:
        """Return a number no seek has had."""

    def idle_answer(self, tp: TP) -> Answer | None:
        """Return the latest answer without records."""

    async def seek_to(self, wanted: Mapping[TP, tuple[int, int]]) -> None:
        """Seek to offsets under epochs."""

    async def log_range(self, tps: Collection[TP]) -> dict[TP, tuple[int, int]]:
        """Return log start and last stable offset."""


class Listener(Protocol):
    """Who hears of a partition's progress."""

    def applied(self, lane: Lane, cut: Cut, judged: Judged, seconds: float) -> None:
        """Hear of facts applied."""

    def ticked(self, partition: int, reading: Reading, judged: Judged) -> None:
        """Hear of deadlines fired."""

    def settled(self, partition: int, instant: Instant) -> None:
        """Hear that everything before the instant is settled and durable."""

    def redelivered(self, records: int) -> None:
        """Hear of records that came again and were dropped."""

    def broken(self, partition: int, topic: str, verdict: Verdict) -> None:
        """Hear of a range that did not chain."""

    def changed_over(self, partition: int, changeover: Changeover, seconds: float) -> None:
        """Hear that all customers are under the rules in force."""

    def failed(self, partition: int, error: Exception) -> None:
        """Hear that the partition cannot go on."""
