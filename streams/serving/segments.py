"""Answer how large segments are, and who is in them.

Responsible for `GET /v1/segments` and the pages of a segment's customers. Must not read the cache
itself.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from schemas.lookups import Size, Sizes
from schemas.money import exponent

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
