"""Tell of the partitions' progress: logs, counters and the cache's queue.

Responsible for turning what happened into what others see. Must not influence what happens, except
that a failed partition stops the worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from schemas.vocabulary import Instant
    from streams.clock import Reading
    from streams.effects import Durable
    from streams.lanes import Cut, Verdict
    from streams.ports import Cache, Judged
    from streams.table import PartitionState

_log: Final = structlog.get_logger(__name__)


class Reports:
    """Hears of progress; see `streams.partition.Listener`.

    Parameters
    ----------
    fail
        Stops the worker.
    cache
        Publishes the clock.
    """

    def __init__(self, fail: Callable[[Exception], None], cache: Cache) -> None:
        self._fail = fail
        self._cache = cache
        self.events = 0
        self.transactions = 0

    def taken(self, states: Mapping[int, PartitionState]) -> None:
        """Say where each partition goes on."""
        for partition, state in states.items():
            inputs = {} if state.record is None else state.record.inputs
            _log.info(
                "partition taken",
                partition=partition,
                customers=state.engine.customers,
                restored=state.restored,
                **{topic: at.offset for topic, at in inputs.items()},
            )
            state.restored = 0

    def released(self, kept: Sequence[int], dropped: Sequence[int]) -> None:
        """Say what was let go."""
        _log.info("partitions released", committed=list(kept), dropped=list(dropped))

    def applied(self, partition: int, cut: Cut, judged: Judged, seconds: float) -> None:
        """Count facts."""
        del partition, judged, seconds
        self.events += len(cut.run)

    def ticked(self, partition: int, reading: Reading, judged: Judged) -> None:
        """Count deadlines."""

    def settled(self, partition: int, instant: Instant) -> None:
        """Publish the clock."""
        self._cache.settled(partition, instant)

    def durable(self, partition: int, what: Durable) -> None:
        """Count transactions."""
        del partition, what
        self.transactions += 1

    def broken(self, partition: int, topic: str, verdict: Verdict) -> None:
        """Tell that a range did not chain; it is read again."""
        _log.warning("continuity", partition=partition, topic=topic, verdict=verdict.value)

    def failed(self, partition: int, error: Exception) -> None:
        """Stop the worker."""
        _log.error("partition failed", partition=partition)
        self._fail(error)
