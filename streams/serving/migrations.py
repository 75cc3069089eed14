"""Answer who moved from where to where between two instants.

Responsible for `GET /v1/migrations`: which instants are meant, and who stayed. The counting itself
is that of `moves`. Must not read the cache or the topic itself.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.lookups import Migration, Migrations, Move
from schemas.vocabulary import MS_PER_DAY
from streams.serving import moves
from streams.serving.cache import wall
from streams.serving.problems import Refusal, away

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.vocabulary import Instant
    from streams.serving.cache import Cache
    from streams.serving.feed import Feed
    from streams.serving.labels import Labels
    from streams.serving.moves import Moves

SPAN_MS: Final = 30 * MS_PER_DAY
"""Between the instants, where the first is not given."""
LATEST: Final = 253_402_300_799_999
"""The end of year 9999."""


class Asked(NamedTuple):
    """What a migration is asked for; None: as usual."""

    system: str | None
    since: Instant | None
    until: Instant | None


async def migrations(
    asked: Asked, cache: Cache, feed: Feed, held: Moves, labels: Labels
) -> Migrations:
    """Count the moves.

    Raises
    ------
    Refusal
        When the rules have no such system, the instants are in the wrong order, or the changes have
        not been read yet.
    """
    keys = labels.keys
    if asked.system is not None and asked.system not in keys:
        raise Refusal(HTTPStatus.NOT_FOUND, f"system: expected one of {', '.join(keys)}")
    if not feed.caught_up:
        raise away(f"changes have not been read yet: {feed.why}")
    wanted = keys if asked.system is None else [asked.system]
    counts = await cache.counts([(key, one) for key in wanted for one in labels.segments(key)])
    until = asked.until if asked.until is not None else counts.clocks.as_of or wall()
    since = asked.since if asked.since is not None else max(0, until - SPAN_MS)
    if since > until:
        raise Refusal(HTTPStatus.BAD_REQUEST, "since: expected an instant not after until")
    found = {}
    for key in wanted:
        sizes = {one: counts.customers[key, one] for one in labels.segments(key)}
        found[key] = await _of_system(held, key, since, until, sizes)
    return Migrations(
        since,
        until,
        counts.clocks.as_of,
        counts.clocks.stale or not feed.up,
        held.since is None or since >= held.since,
        held.since,
        found,
    )


async def _of_system(
    held: Moves, system: str, since: Instant, until: Instant, sizes: Mapping[str, int]
) -> Migration:
    # Copied here, where changes are taken; counted elsewhere, so that lookups do not wait.
    meant, later = held.cut(system, since, until), held.cut(system, until, LATEST)
    names = held.names()
    moved, moved_later = await asyncio.to_thread(
        lambda: (moves.count(meant, names), moves.count(later, names))
    )
    complete = held.since is None or until >= held.since
    return Migration(
        tuple(Move(each.before, each.after, each.customers) for each in moved),
        stayed(sizes, moved, moved_later) if complete else None,
    )


def stayed(
    sizes: Mapping[str, int], moved: Sequence[moves.Move], later: Sequence[moves.Move]
) -> dict[str, int]:
    """Return how many were in each segment at both instants.

    Parameters
    ----------
    sizes
        The segments now.
    moved
        Net moves between the instants.
    later
        Net moves from the second instant until now.

    Examples
    --------
    >>> moved = [moves.Move("active", "silent", 3), moves.Move(None, "new", 2)]
    >>> later = [moves.Move("silent", "active", 1)]
    >>> stayed({"active": 10, "silent": 7, "new": 2}, moved, later)
    {'active': 9, 'silent': 5, 'new': 0}
    """
    there = Counter(sizes)
    for each in later:
        there[each.after] -= each.customers
        if each.before is not None:
            there[each.before] += each.customers
    for each in moved:
        there[each.after] -= each.customers
    # Cache and topic are read one after the other: what moved in between may be missing in one.
    return {segment: max(0, there[segment]) for segment in sizes}
