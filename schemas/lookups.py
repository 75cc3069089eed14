"""Define what the lookups service answers, field by field, and its errors.

Responsible for the JSON of HTTP answers. Instants are epoch milliseconds; ``as_of`` is the
published clock an answer is right at (None: none was published), ``stale`` says that it cannot be
vouched for now. Must not know HTTP, Redis or Kafka.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.changes import Words  # noqa: TC001 — msgspec reads the annotations
from schemas.vocabulary import Instant  # noqa: TC001 — msgspec reads the annotations

BATCH_MOST = 500
"""Customers of one batch."""


class Problem(Struct, frozen=True, omit_defaults=False):
    """Why there is no answer, as RFC 9457 has it (application/problem+json).

    Attributes
    ----------
    title, status
        The status, in words and as a number.
    detail
        What was expected, what came, what to do.
    """

    title: str
    status: int
    detail: str
    type: str = "about:blank"


class UnknownCustomer(Struct, frozen=True):
    """A problem: the cache knows no such customer, as of an instant."""

    title: str
    status: int
    detail: str
    customer_id: str
    as_of: Instant | None
    stale: bool
    type: str = "about:blank"


class Place(Struct, frozen=True, gc=False):
    """The segment a customer has in one system, and since when."""

    segment: str
    since: Instant
    labels: Words


class Coming(Struct, frozen=True, gc=False):
    """The segment that follows at ``valid_until`` if nothing happens."""

    segment: str
    labels: Words


class Customer(Struct, frozen=True):
    """One customer's current segments.

    Attributes
    ----------
    sequence
        Sequence of the last change told; 0 before the first.
    version
        Version of the state this was made from; it grows.
    valid_until
        First instant at which a segment changes if nothing happens; None: none will.
    segments, next
        By system.
    """

    customer_id: str
    as_of: Instant | None
    stale: bool
    sequence: int
    version: int
    valid_until: Instant | None
    segments: dict[str, Place]
    next: dict[str, Coming]


class BatchEntry(Struct, frozen=True):
    """One customer of a batch: the fields of `Customer` where ``found``, and only then."""

    customer_id: str
    found: bool
    as_of: Instant | None
    stale: bool
    sequence: int | UnsetType = UNSET
    version: int | UnsetType = UNSET
    valid_until: Instant | UnsetType | None = UNSET
    segments: dict[str, Place] | UnsetType = UNSET
    next: dict[str, Coming] | UnsetType = UNSET


class Batch(Struct, frozen=True):
    """The customers asked for, in the order asked; a customer asked for twice is there twice."""

    customers: tuple[BatchEntry, ...]


class BatchRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Ask for many customers at once."""

    customer_ids: Annotated[tuple[str, ...], Meta(max_length=BATCH_MOST)]


class Segment(Struct, frozen=True, gc=False):
    """A segment and what people call it."""

    segment: str
    labels: Words


class SystemOfSegments(Struct, frozen=True):
    """A classification and its segments, in their order."""

    system: str
    title: Words
    segments: tuple[Segment, ...]


class Systems(Struct, frozen=True):
    """The rules in force, as far as a reader needs them.

    Attributes
    ----------
    business_timezone
        Where days begin, and in which times are to be shown.
    """

    rules_version: str
    base_currency: str
    business_timezone: str
    systems: tuple[SystemOfSegments, ...]


class Size(Struct, frozen=True, gc=False):
    """How many customers are in a segment.

    Attributes
    ----------
    share
        Of all customers the system knows, 0 … 1; None where it knows none.
    revenue
        What they have spent, in major units of the base currency; None where it is not known.
    """

    segment: str
    labels: Words
    customers: int
    share: float | None
    revenue: str | None


class Sizes(Struct, frozen=True):
    """The sizes of all segments, by system."""

    as_of: Instant | None
    stale: bool
    currency: str
    systems: dict[str, tuple[Size, ...]]


class Member(Struct, frozen=True, gc=False):
    """A customer in a segment, and since when."""

    customer_id: str
    since: Instant


class Members(Struct, frozen=True):
    """A page of a segment's customers, by since, then by id; without ``next_cursor`` the last."""

    as_of: Instant | None
    stale: bool
    customers: tuple[Member, ...]
    next_cursor: str | None


class Move(Struct, frozen=True, gc=False, rename={"from_": "from"}):
    """So many customers were in one segment, and are in another.

    Attributes
    ----------
    from_
        None (``from`` on the wire) where they were not known yet.
    """

    from_: str | None
    to: str
    customers: int


class Migration(Struct, frozen=True):
    """Who moved in one system.

    Attributes
    ----------
    moves
        The largest first.
    stayed
        By segment, how many were there at both instants; None where that is not known.
    """

    moves: tuple[Move, ...]
    stayed: dict[str, int] | None


class Migrations(Struct, frozen=True):
    """The net moves of customers between two instants: who came back made no move.

    Attributes
    ----------
    since, until
        Changes after the first and up to the second count.
    complete
        False where some of them are not held any more.
    held_since
        All changes after this instant are held; None: all that ever were.
    """

    since: Instant
    until: Instant
    as_of: Instant | None
    stale: bool
    complete: bool
    held_since: Instant | None
    systems: dict[str, Migration]


class PartitionLag(Struct, frozen=True, gc=False):
    """How far one input topic-partition is behind.

    Attributes
    ----------
    lag
        Offsets not applied.
    seconds
        Age of the oldest record not applied; 0 without lag, None where it cannot be read.
    rate
        Offsets applied per second since the look before; None at the first.
    status
        OK, WARN, STALL, STOP or REWIND.
    """

    topic: str
    partition: int
    lag: int
    seconds: float | None
    rate: float | None
    status: str


class Lateness(Struct, frozen=True, gc=False):
    """How long after their instants deadlines were told lately; None without any."""

    p50_ms: int | None
    p99_ms: int | None
    count: int


class Lag(Struct, frozen=True):
    """How far everything is behind: by input partition, by published clock, by deadlines told."""

    as_of: Instant | None
    stale: bool
    partitions: tuple[PartitionLag, ...]
    clocks: dict[str, Instant]
    lateness: Lateness
