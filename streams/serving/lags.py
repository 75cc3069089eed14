"""Answer how far everything is behind.

Responsible for `GET /v1/lag`: one look at the broker is shared by all who ask within `KEPT_S`, and
deadlines told lately are remembered. The look itself is `streams.lag`'s. Must not judge.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from schemas.lookups import Lag, Lateness, PartitionLag
from streams.serving.cache import wall
from streams.serving.problems import away

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.changes import Change
    from schemas.vocabulary import Instant
    from streams.lag import LagWatch
    from streams.serving.cache import Cache
    from streams.settings import Settings

KEPT_S: Final = 3.0
LATELY_MS: Final = 600_000
_REMEMBERED: Final = 10_000


class Lags:
    """Looks at the broker for whoever asks.

    Parameters
    ----------
    settings
        Which cluster, which group.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._told: deque[tuple[Instant, int]] = deque(maxlen=_REMEMBERED)
        self._watch: LagWatch | None = None
        self._lock = asyncio.Lock()
        self._looked = 0.0
        self._found: tuple[PartitionLag, ...] = ()

    def take(self, change: Change) -> None:
        """Remember how late a deadline was told."""
        if change.cause == "clock":
            self._told.append((change.seen_at, change.seen_at - change.at))

    def lateness(self, now: Instant) -> Lateness:
        """Return how late deadlines were told in the last ten minutes."""
        if self._settings.until is not None:
            return Lateness(None, None, 0)  # in a replay of history every deadline is years late
        late = sorted(ms for seen_at, ms in self._told if now - seen_at < LATELY_MS)
        return Lateness(_share(late, 0.5), _share(late, 0.99), len(late))

    async def lag(self, cache: Cache) -> Lag:
        """Return how far everything is behind.

        Raises
        ------
        Refusal
            When Redis or Kafka do not answer.
        """
        clocks = await cache.clocks()
        async with self._lock:
            if not self._looked or time.monotonic() - self._looked > KEPT_S:
                self._found = await asyncio.to_thread(self._look)
                self._looked = time.monotonic()
        return Lag(
            clocks.as_of,
            clocks.stale,
            self._found,
            {str(partition): clock for partition, clock in clocks.by_partition.items()},
            self.lateness(wall()),
        )

    def _look(self) -> tuple[PartitionLag, ...]:
        # Imported late: a client of Kafka that lookups do not need.
        from schemas.errors import RewakeError  # noqa: PLC0415
        from streams.lag import LagWatch  # noqa: PLC0415

        if self._watch is None:
            self._watch = LagWatch(self._settings)
        try:
            found = self._watch.look()
        except RewakeError as error:
            raise away(str(error)) from error
        return tuple(
            PartitionLag(
                each.topic,
                each.partition,
                each.lag,
                each.seconds,
                each.rate,
                each.status.value,
            )
            for each in found.partitions
        )


def _share(ordered: Sequence[int], share: float) -> int | None:
    """Return the least value that so large a share does not exceed.

    Examples
    --------
    >>> _share([1, 2, 3, 4], 0.5), _share([], 0.5)
    (2, None)
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
