"""Tell of the partitions' progress: log lines, counters and the published clock.

Responsible for turning what happened into what others see. Must not influence what happens, except
that a failed partition stops the worker.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import structlog

from segmenters.instants import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from schemas.changes import Change
    from schemas.vocabulary import Instant
    from streams.clock import Reading
    from streams.effects import Durable
    from streams.lanes import Cut, Lane, Verdict
    from streams.metrics import Metrics
    from streams.ports import Cache, Changeover, Judged
    from streams.table import PartitionState

_log: Final = structlog.get_logger(__name__)


class Reports:
    """Hears of progress; see `streams.ownership.Watcher`.

    Parameters
    ----------
    fail
        Stops the worker.
    cache
        Publishes the clock.
    metrics
        Counts.
    rules
        Digest of the rules in force.
    """

    def __init__(
        self, fail: Callable[[Exception], None], cache: Cache, metrics: Metrics, rules: str
    ) -> None:
        self._fail = fail
        self._cache = cache
        self._metrics = metrics
        self._rules = rules
        self._clocks: dict[int, Instant] = {}
        self._unfinished: set[int] = set()
        self._customers: dict[int, int] = {}
        self.events = 0
        self.transactions = 0

    # ---- coming and going

    def taken(self, states: Mapping[int, PartitionState]) -> None:
        """Say where each partition goes on."""
        for partition, state in states.items():
            inputs = {} if state.record is None else state.record.inputs
            self._metrics.recovered.inc(state.restored)
            self._customers[partition] = state.engine.customers
            for topic in inputs:
                self._metrics.consumed.labels(topic)
            _log.info(
                "partition taken",
                partition=partition,
                customers=state.engine.customers,
                restored=state.restored,
                **{topic: at.offset for topic, at in inputs.items()},
            )
            state.restored = 0
            if state.changeover is not None:
                _log.info(
                    "rules have changed",
                    partition=partition,
                    customers_under=", ".join(state.changeover.before) or "none but these",
                    now=self._rules,
                )

    def changed_over(self, partition: int, changeover: Changeover, seconds: float) -> None:
        """Say what other rules have made of the customers."""
        _log.info(
            "customers are under the new rules",
            partition=partition,
            judged=changeover.moved,
            changes=changeover.told,
            changes_under_the_old=changeover.settled,
            seconds=round(seconds, 3),
        )

    def released(self, kept: Sequence[int], dropped: Sequence[int]) -> None:
        """Say what was let go."""
        _log.info("partitions released", committed=list(kept), dropped=list(dropped))
        for partition in (*kept, *dropped):
            self._clocks.pop(partition, None)
            self._metrics.watermark.remove(partition)
            self._customers.pop(partition, None)
            self._unfinished.discard(partition)
        self._metrics.customers.set(sum(self._customers.values()))
        self._metrics.overdue.set(len(self._unfinished))
        if not self._clocks:
            self._metrics.event_lag.set(0)

    def broken(self, partition: int, topic: str, verdict: Verdict) -> None:
        """Tell that a range did not chain; it is read again."""
        self._metrics.breaks.inc()
        _log.warning("continuity", partition=partition, topic=topic, verdict=verdict.value)

    def redelivered(self, records: int) -> None:
        """Count records that came again."""
        self._metrics.redelivered.inc(records)

    def failed(self, partition: int, error: Exception) -> None:
        """Stop the worker."""
        _log.error("partition failed", partition=partition)
        self._fail(error)

    # ---- work

    def applied(self, lane: Lane, cut: Cut, judged: Judged, seconds: float) -> None:
        """Count facts."""
        metrics, size = self._metrics, len(cut.run)
        self.events += size
        for index, topic in enumerate(lane.names):
            count = int((cut.topics == index).sum())
            if count:
                metrics.consumed.labels(topic).inc(count)
        reasons = Counter(letter.why.reason for letter in cut.letters)
        reasons.update(reason for _, reason, _ in judged.rejected)
        for reason, count in reasons.items():
            metrics.rejected.labels(reason.value).inc(count)
        metrics.duplicate.inc(judged.duplicates)
        metrics.late.inc(judged.late)
        self._count_suppressed(judged)
        metrics.dead_letters.inc(len(cut.letters) + len(judged.rejected))
        metrics.size.observe(size)
        metrics.duration.labels("apply").observe(seconds)

    def ticked(self, partition: int, reading: Reading, judged: Judged) -> None:
        """Take note of the clock, and whether deadlines are left."""
        if judged.more:
            self._unfinished.add(partition)
        else:
            self._unfinished.discard(partition)
            self._clocks[partition] = reading.instant
        self._metrics.overdue.set(len(self._unfinished))
        self._count_suppressed(judged)
        if reading.instant > NEVER:
            self._metrics.watermark.labels(partition).set(reading.instant / 1000)
            known = [clock for clock in self._clocks.values() if clock > NEVER]
            if known:
                self._metrics.event_lag.set(time.time() - min(known) / 1000)

    def _count_suppressed(self, judged: Judged) -> None:
        for system, flips in judged.suppressed.items():
            self._metrics.suppressed.labels(system).inc(flips)

    def settled(self, partition: int, instant: Instant) -> None:
        """Publish the clock."""
        self._cache.settled(partition, instant)
        self._metrics.cache_behind.set(self._cache.behind)

    def durable(self, partition: int, what: Durable, customers: int) -> None:
        """Count what was told."""
        self.transactions += 1
        self._customers[partition] = customers
        self._metrics.customers.set(sum(self._customers.values()))
        self._metrics.duration.labels("commit").observe(what.seconds)
        if what.changes:
            self._told(what.changes, what.appended, time.time_ns() // 1_000_000)

    def _told(self, changes: Sequence[Change], appended: Instant | None, now: Instant) -> None:
        """Count changes by kind, not one by one: a labelled counter costs as much as a change."""
        kinds = Counter((each.system, each.from_, each.to, each.cause) for each in changes)
        for (system, previous, current, cause), count in kinds.items():
            self._metrics.changes.labels(system, previous or "none", current, cause).inc(count)
        if appended is not None:
            self._metrics.latency.observe(max(0, now - appended) / 1000)
        oldest = min((each.at for each in changes if each.cause == "clock"), default=None)
        if oldest is not None:
            self._metrics.lateness.observe(max(0, now - oldest) / 1000)
