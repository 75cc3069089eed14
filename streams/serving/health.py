"""Say whether the service can answer lookups.

Responsible for what counts: a cache that answers and is filled by this app. Kafka does not count:
lookups go on without it, which is a warning. Must not decide for single requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from schemas.vocabulary import Instant  # noqa: TC001 - msgspec reads the annotations
from streams.serving.problems import Refusal

if TYPE_CHECKING:
    from streams.serving.cache import Cache
    from streams.serving.feed import Feed


class Readiness(Struct, frozen=True):
    """Whether lookups are answered.

    Attributes
    ----------
    reasons
        Why they are not.
    warnings
        What else is wrong: answers are stale, or changes are not followed.
    """

    ready: bool
    as_of: Instant | None
    stale: bool
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


async def readiness(cache: Cache, feed: Feed) -> Readiness:
    """Find out."""
    followed = feed.up and feed.caught_up
    warnings = [] if followed else [f"changes are not followed: {feed.why}"]
    try:
        clocks = await cache.clocks()
    except Refusal as refusal:
        return Readiness(False, None, True, (str(refusal),), tuple(warnings))
    if clocks.epoch is None:
        reason = "nobody fills the cache; does a worker run against it?"
        return Readiness(False, None, True, (reason,), tuple(warnings))
    if clocks.stale:
        warnings.insert(0, "lookups are stale: the worker stands still, lags, or fills the cache")
    return Readiness(True, clocks.as_of, clocks.stale, (), tuple(warnings))
