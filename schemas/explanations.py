"""Define the explanation of one customer: why they are here, and what would move them.

Responsible for its fields and its form as JSON. Must not find anything out, and must not put
anything in words: both stand in `segmenters`.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from schemas.changes import Next, Scalar, Words  # noqa: TC001 — msgspec reads the annotations
from schemas.vocabulary import Instant, Minor  # noqa: TC001 — msgspec reads the annotations

Maker: TypeAlias = Literal["time", "order", "engagement", "event"]
"""What made a segment: time alone; an order or an engagement of that very instant; or some event
which is not known any more, or was none of these (a refund, say), or altered rules."""


class Order(Struct, frozen=True, gc=False, tag_field="act", tag="order"):
    """One order now, of at least ``least`` and at most ``most`` (None: no limit)."""

    least: Minor
    most: Minor | None


class Orders(Struct, frozen=True, gc=False, tag_field="act", tag="orders"):
    """Several orders now, each of the amount ``each``; None: of whatever amount."""

    count: int
    each: Minor | None


class Refund(Struct, frozen=True, gc=False, tag_field="act", tag="refund"):
    """Money given back now that names no order; bounds as of an order."""

    least: Minor
    most: Minor | None


class Cancellation(Struct, frozen=True, gc=False, tag_field="act", tag="cancellation"):
    """The order made at ``ordered_at`` cancelled now, or refunded in full."""

    ordered_at: Instant


class Engagements(Struct, frozen=True, gc=False, tag_field="act", tag="engagements"):
    """So many qualifying engagements now."""

    count: int


class Waiting(Struct, frozen=True, gc=False, tag_field="act", tag="waiting"):
    """No fact at all up to and including ``until``."""

    until: Instant


Act: TypeAlias = Order | Orders | Refund | Cancellation | Engagements | Waiting
"""What a customer, or nobody, may do."""


class Way(Struct, frozen=True):
    """One act that leads to a segment, in data and in words."""

    act: Act
    words: Words


class Neighbour(Struct, frozen=True):
    """Another segment, and the acts that lead there; without any: no single act does."""

    segment: str
    labels: Words
    ways: tuple[Way, ...]


class HeldBack(Struct, frozen=True):
    """The segment a customer would be in but for damping.

    Attributes
    ----------
    segment
        What the rule says.
    until
        When it will be told, if it says so then; None: never, re-entry is not allowed.
    """

    segment: str
    until: Instant | None


class Placement(Struct, frozen=True):
    """Where a customer stands in one system, and why.

    Attributes
    ----------
    title, labels
        Names of the system and of the segment.
    since, by
        Since when, and what made it so.
    numbers
        What the rule looks at, as of the explanation: names, and amounts in minor units, as in a
        change's ``features``; None for what never happened.
    because
        These numbers in a sentence.
    next
        What follows if nothing happens; None where nothing does.
    neighbours
        The other segments.
    held_back
        What damping holds back; None where nothing is.
    """

    system: str
    title: Words
    segment: str
    labels: Words
    since: Instant
    by: Maker
    numbers: dict[str, Scalar]
    because: Words
    next: Next | None
    neighbours: tuple[Neighbour, ...]
    held_back: HeldBack | None = None


class Explanation(Struct, frozen=True):
    """Why one customer stands where they stand, in all systems.

    Attributes
    ----------
    as_of
        The instant it is right at; acts are judged as if they happened then.
    currency, decimals
        What amounts are in: minor units of the base currency, with so many decimals.
    timezone
        The business time zone, in which the words name instants.
    rules_version
        The rules that judged.
    systems
        In the order in which they are judged.
    """

    customer_id: str
    as_of: Instant
    currency: str
    decimals: int
    timezone: str
    rules_version: str
    systems: tuple[Placement, ...]


encode: Final = msgspec.json.Encoder().encode
"""Encode an explanation as JSON, UTF-8."""

decode: Final = msgspec.json.Decoder(Explanation).decode
"""Decode the JSON of an explanation; unknown fields pass."""
