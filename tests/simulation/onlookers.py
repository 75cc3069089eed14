"""Look at what a worker shows and says, at the moment it does.

Responsible for the cache that must not be ahead of the state, and for hearing of a partition that
failed. What the committed state is, and what must be in it, the shop knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faust.types import TP

from segmenters.instants import NEVER
from tests.simulation.process import CHANGELOG
from tests.simulation.silence import Row

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from schemas.profiles import Profile
    from tests.simulation.process import Process
    from tests.simulation.shop import Shop


class BrokenError(AssertionError):
    """What must hold does not."""


class Cache:
    """Checks what would be shown at the moment it is handed over."""

    behind = 0

    def __init__(self, shop: Shop, process: Process) -> None:
        self._shop, self._process = shop, process
        self._engines: dict[int, Any] = {}

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def applied(self) -> dict[int, int]:
        return {}

    def taken(self, partition: int, engine: Any, rows: Any) -> None:
        del rows
        self._engines[partition] = engine

    def released(self, partition: int) -> None:
        self._engines.pop(partition, None)

    def render(self, partition: int, rows: Any) -> Sequence[Profile]:
        return self._engines[partition].profiles(rows) if partition in self._engines else ()

    def durable(self, partition: int, profiles: Sequence[Profile], offset: int, clock: int) -> None:
        shop = self._shop
        if offset >= shop.broker.stable(TP(CHANGELOG, partition)):
            raise BrokenError(f"offset {offset} shown before it was committed")
        rows = shop.rows(partition)
        for profile in profiles:
            if rows.get(profile.customer_id, Row()).version < profile.version:
                raise BrokenError(f"{profile.customer_id} is shown ahead of the state")
        if clock > NEVER:
            shop.check_clock(partition, clock)

    def settled(self, partition: int, clock: int) -> None:
        # A worker that was stopped may tell an old clock: the keeper of the maximum drops it.
        self._shop.check_clock(partition, clock)


class Listener:
    """Hears what happens; a failed partition stops its process."""

    def __init__(self, shop: Shop, process: Process) -> None:
        self._shop, self._process = shop, process
        self.breaks = 0

    def applied(self, *_: Any) -> None: ...

    def ticked(self, *_: Any) -> None: ...

    def redelivered(self, records: int) -> None: ...

    def broken(self, *_: Any) -> None:
        self.breaks += 1

    def settled(self, partition: int, instant: int) -> None:
        cache = self._process.ownership._cache
        cache.settled(partition, instant)

    def taken(self, states: Mapping[int, Any]) -> None: ...

    def durable(self, partition: int, what: Any, customers: int) -> None: ...

    def released(self, kept: Collection[int], dropped: Collection[int]) -> None: ...

    def failed(self, partition: int, error: Exception) -> None:
        del partition
        self._process.fail(error)
