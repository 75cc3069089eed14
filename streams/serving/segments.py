"""Answer how large segments are, and who is in them.

Responsible for `GET /v1/segments` and the pages of a segment's customers. Must not read the cache
itself.
"""

from __future__ import annotations

import base64
import binascii
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from schemas.lookups import Member, Members, Size, Sizes
from schemas.money import exponent
from schemas.vocabulary import Instant
from streams.serving.problems import Refusal

if TYPE_CHECKING:
    from schemas.lookups import SystemOfSegments
    from streams.serving.cache import Cache, Counts
    from streams.serving.labels import Labels


async def sizes(cache: Cache, labels: Labels) -> Sizes:
    """Return the sizes of all segments of the rules in force."""
    known = labels.systems
    asked = [(each.system, one.segment) for each in known.systems for one in each.segments]
    counts = await cache.counts(asked)
    return Sizes(
        counts.clocks.as_of,
        counts.clocks.stale,
        known.base_currency,
        {
            each.system: _of_system(each, counts, exponent(known.base_currency))
            for each in known.systems
        },
    )


def _of_system(system: SystemOfSegments, counts: Counts, decimals: int) -> tuple[Size, ...]:
    customers = {
        each.segment: counts.customers[system.system, each.segment] for each in system.segments
    }
    whole = sum(customers.values())
    revenue = _revenue(system, counts)
    return tuple(
        Size(
            each.segment,
            each.labels,
            customers[each.segment],
            round(customers[each.segment] / whole, 6) if whole else None,
            None if revenue is None else in_major(revenue[each.segment], decimals),
        )
        for each in system.segments
    )


def _revenue(system: SystemOfSegments, counts: Counts) -> dict[str, int] | None:
    """Add the partitions' sums up; None unless each has them for this system."""
    parts = [each.systems.get(system.system) for each in counts.sums]
    known = [each for each in parts if each is not None]
    if not parts or len(known) < len(parts):
        return None
    return {
        each.segment: sum(part[each.segment][1] for part in known if each.segment in part)
        for each in system.segments
    }


def in_major(minor: int, decimals: int) -> str:
    """Write minor units of a currency in its major ones.

    Examples
    --------
    >>> in_major(123_450, 2), in_major(-5, 2), in_major(500, 0)
    ('1234.50', '-0.05', '500')
    """
    return f"{Decimal(minor).scaleb(-decimals):f}"


async def members(
    cache: Cache, labels: Labels, system: str, segment: str, limit: int, cursor: str | None
) -> Members:
    """Return a page of a segment's customers.

    Raises
    ------
    Refusal
        When the rules have no such segment, or the cursor is none.
    """
    if not labels.knows(system, segment):
        known = ", ".join(labels.segments(system)) or ", ".join(labels.keys)
        raise Refusal(HTTPStatus.NOT_FOUND, f"expected one of {known}")
    page = await cache.page(system, segment, limit, None if cursor is None else _read(cursor))
    last = page.members[-1] if len(page.members) == limit else None
    return Members(
        page.clocks.as_of,
        page.clocks.stale,
        tuple(Member(customer_id, since) for customer_id, since in page.members),
        None if last is None else write_cursor(last[1], last[0]),
    )


def write_cursor(since: Instant, customer_id: str) -> str:
    """Write where a page ended; the next begins behind it, whoever has left meanwhile."""
    written = msgspec.json.encode((since, customer_id))
    return base64.urlsafe_b64encode(written).rstrip(b"=").decode()


def _read(cursor: str) -> tuple[Instant, str]:
    """Read a cursor back.

    Raises
    ------
    Refusal
        When it is none.
    """
    try:
        written = base64.urlsafe_b64decode(cursor.encode("ascii") + b"==")
        return msgspec.json.decode(written, type=tuple[Instant, str])
    except (msgspec.MsgspecError, binascii.Error, UnicodeError) as error:
        detail = "cursor: expected a next_cursor of this segment"
        raise Refusal(HTTPStatus.BAD_REQUEST, detail) from error
