"""Count the customers of the owned partitions by segment, now and then, and tell it.

Responsible for when a partition is counted, for the metrics that come of it and for the key
`schemas.profiles.SUMS_KEY`. The pass itself is the engine's; here it is cut into turns of the event
loop, so that neither events nor heartbeats wait for a million rows. Must not stop a worker,
whatever Redis does.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from schemas.profiles import EPOCH_KEY, SUMS_KEY, Sums, write_sums
from segmenters.instants import NEVER
from streams.sinks import scripts
from streams.sinks.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.profiles import Filler
    from streams.metrics import Metrics
    from streams.partition import OwnedPartition

EVERY_S: Final = 5.0
"""Seconds between two rounds at least."""
SHARE: Final = 50
"""A round comes no sooner than after so many times what the one before took of the processor."""
TURN_S: Final = 0.002
"""Seconds of the event loop that one turn of counting takes."""
_REST_S: Final = 4 * TURN_S
ANSWER_S: Final = 5.0


class SumsStore:
    """The key in Redis.

    Parameters
    ----------
    url
        Where Redis is.
    filler
        Who fills the cache: where another does, nothing is written.
    """

    def __init__(self, url: str, filler: Filler) -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._filler = filler
        self._publish = self._redis.register_script(scripts.PUBLISH_SUMS)

    async def publish(self, sums: Mapping[int, Sums]) -> None:
        """Write the sums of partitions."""
        words: list[Any] = [str(self._filler)]
        for partition, each in sums.items():
            words += (partition, write_sums(each))
        await self._publish(keys=[EPOCH_KEY, SUMS_KEY], args=words)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


class Census:
    """Counts, round after round.

    Parameters
    ----------
    owned
        The partitions owned at present, by number.
    version
        Returns, by a partition's number, what differs once its committed rows do.
    metrics
        Shows what was counted.
    store
        Where it is published; None without a cache.
    """

    def __init__(
        self,
        owned: Callable[[], Mapping[int, OwnedPartition]],
        version: Callable[[int], int],
        metrics: Metrics,
        store: SumsStore | None,
    ) -> None:
        self._owned = owned
        self._version = version
        self._metrics = metrics
        self._store = store
        self._counted: dict[int, tuple[tuple[OwnedPartition, int, int], Sums]] = {}
        self._trouble = Trouble("sums cannot be told")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to count."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Count no more; what was published stays, for whoever takes the partitions."""
        if self._task is not None:
            self._task.cancel()
        if self._store is not None:
            await self._store.close()

    async def _run(self) -> None:
        while True:
            spent = 0.0
            try:
                spent = await self.round()
            except Exception as error:  # noqa: BLE001 - whatever it is: say so, try again
                self._trouble.note(error)
            else:
                self._trouble.over()
            await asyncio.sleep(max(EVERY_S, SHARE * spent))

    async def round(self) -> float:
        """Count what has changed, and tell all; return the seconds of the processor it took."""
        spent = 0.0
        for number, partition in list(self._owned().items()):
            spent += await self._count(number, partition)
        owned = self._owned()
        self._counted = {
            number: (of, sums) for number, (of, sums) in self._counted.items()
            if owned.get(number) is of[0]
        }  # fmt: skip
        self._show(owned)
        if self._store is not None and self._counted:
            await self._store.publish({number: each for number, (_, each) in self._counted.items()})
        return spent

    async def _count(self, number: int, partition: OwnedPartition) -> float:
        clock = partition.reading.instant
        if clock == NEVER or partition.waiting:
            return 0.0
        headcount = partition.engine.headcount(clock)
        # What is counted beyond the committed rows makes another version when it is committed.
        of = (partition, self._version(number), headcount.day)
        before = self._counted.get(number)
        if before is not None and before[0] == of:
            self._counted[number] = (of, Sums(clock, before[1].systems))
            return 0.0
        spent, more = 0.0, True
        while more:
            if self._owned().get(number) is not partition:
                return spent
            begun, used = time.perf_counter(), time.thread_time()
            while more and time.perf_counter() - begun < TURN_S:
                more = headcount.step()
            # Of the processor: what others had of it meanwhile is no reason to come less often.
            spent += time.thread_time() - used
            await asyncio.sleep(_REST_S if more else 0)
        systems = {system: dict(each) for system, each in headcount.result().items()}
        self._counted[number] = (of, Sums(clock, systems))
        return spent

    def _show(self, owned: Mapping[int, OwnedPartition]) -> None:
        totals: dict[tuple[str, str], int] = {}
        for _, sums in self._counted.values():
            for system, segments in sums.systems.items():
                for segment, (customers, _) in segments.items():
                    totals[system, segment] = totals.get((system, segment), 0) + customers
        if not totals:
            self._metrics.standing.clear()
        for labels, customers in totals.items():
            self._metrics.standing.labels(*labels).set(customers)
        self._metrics.ledger_bytes.set(sum(each.engine.nbytes for each in owned.values()))
