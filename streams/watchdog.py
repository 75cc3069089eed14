"""Watch that the worker goes on, and how far behind it is.

Responsible for lag (asked from the broker, not from Faust), for workers that stop without a word
(coordinator lost, a fetcher that ended) and for the health page's question. Must not heal: it stops
the worker loudly, a restart heals.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP

from schemas.errors import PartitionsChanged, Stalled

if TYPE_CHECKING:
    from collections.abc import Collection

    from streams.metrics import Metrics
    from streams.ownership import Ownership
    from streams.partition import OwnedPartition

_log: Final = structlog.get_logger(__name__)

LOOK_S: Final = 5.0
"""Seconds between two looks at most; a quarter of the time allowed where that is less."""
ASK_S: Final = 20.0
ANSWERED_S: Final = 30.0
"""Seconds for which the answer to a fetch says how its topic stands."""
BEAT_S: Final = 30.0
"""Seconds after which an event loop that does not run counts as ill."""


class Watchdog:
    """Looks every few seconds.

    Parameters
    ----------
    app
        The Faust app.
    ownership
        The owned partitions.
    metrics
        Gets the lag.
    stall_s
        Seconds without progress, although there is input, after which the worker stops.
    """

    def __init__(self, app: Any, ownership: Ownership, metrics: Metrics, stall_s: float) -> None:
        self._app = app
        self._ownership = ownership
        self._metrics = metrics
        self._stall_s = stall_s
        self._look_s = min(LOOK_S, stall_s / 4)
        self._moved: dict[TP, tuple[int, float]] = {}
        self._clear: dict[TP, float] = {}
        self._rebalancing: tuple[int, float] | None = None
        self._beat = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._ended = threading.Event()

    async def start(self) -> None:
        """Begin to watch."""
        self._beat = time.monotonic()
        self._task = asyncio.create_task(self._run())
        threading.Thread(target=self._watch_loop, name="watchdog", daemon=True).start()

    async def stop(self) -> None:
        """Watch no more; the end is bounded by the app."""
        self._ended.set()
        if self._task is not None:
            self._task.cancel()

    def ailing(self) -> str | None:
        """Say what is wrong; None when the worker is well."""
        if self._app.failure is not None:
            return f"stopping: {self._app.failure}"
        quiet = time.monotonic() - self._beat
        return f"the event loop has not run for {quiet:.0f} s" if quiet > BEAT_S else None

    def unready(self) -> str | None:
        """Say why the worker does not work its partitions, though it may be well; None if it does.

        A worker that is given no partitions is as ready as it can be.
        """
        wrong = self.ailing()
        if wrong is not None:
            return wrong
        return "the group rebalances" if self._app.rebalancing else self._ownership.unready()

    def _watch_loop(self) -> None:
        """Leave the process when its event loop does not run any more; in a thread of its own.

        Twice in a row: a process that was stopped and goes on has a loop that is about to run.
        """
        bound, late = max(BEAT_S, self._stall_s), 0
        while not self._ended.wait(self._look_s):
            quiet = time.monotonic() - self._beat
            late = late + 1 if quiet > bound else 0
            if late > 1:
                error = f"expected the event loop to run, it has not for {quiet:.0f} s; restart"
                _log.critical("stopping", code=Stalled.code, error=error)
                os._exit(1)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            self._beat = time.monotonic()
            self._metrics.tasks.set(len(asyncio.all_tasks()))
            try:
                await self._look()
            except (Stalled, PartitionsChanged) as error:
                self._app.fail(error)
                return
            except (KafkaError, TimeoutError, OSError) as error:
                # Nobody can make progress without a broker: the time runs from its return.
                self._moved.clear()
                self._rebalancing = None
                _log.warning("cannot see the inputs' ends", error=repr(error))
            except Exception as error:  # noqa: BLE001 - or nobody would watch any more
                self._app.fail(error)
                return

    async def _look(self) -> None:
        self._ownership.check_counts()
        owned = dict(self._ownership.partitions)
        tps = [TP(name, number) for number, each in owned.items() for name in each.lane.names]
        self._forget(tps)
        if self._app.rebalancing:
            await self._ends([TP(name, 0) for name in self._ownership.inputs])  # is there a broker?
            self._look_at_rebalance()
            return
        self._rebalancing = None
        if not tps:
            return
        ends, now = await self._ends(tps), time.monotonic()
        for tp, (_, end) in ends.items():
            lane = owned[tp.partition].lane
            # Customers who are brought under other rules first are as good as events.
            applied = self._reached(tp, owned[tp.partition]) - owned[tp.partition].waiting
            holder = lane.held_by_transaction(int((time.time() - ANSWERED_S) * 1000))
            if holder is not None and applied < end:
                # Not ours to end, and a restart changes nothing: facts behind it may come first.
                _log.warning(
                    "held by an open transaction", topic=tp.topic, partition=tp.partition, of=holder
                )
                self._moved[tp] = (applied, now)
                continue
            self._look_at_progress(tp, applied, end, now)
        for tp in set(self._moved) - set(tps):
            del self._moved[tp]
        self._publish(ends)

    async def _ends(self, tps: list[TP]) -> dict[TP, tuple[int, int]]:
        async with asyncio.timeout(ASK_S):
            ranges: dict[TP, tuple[int, int]] = await self._app.consumer.log_range(tps)
        return ranges

    def _forget(self, kept: Collection[TP]) -> None:
        """Take lag back that was shown of partitions which others own by now."""
        for tp in set(self._clear).difference(kept):
            del self._clear[tp]
            self._metrics.lag.remove(self._app.conf.id, tp.topic, tp.partition)
            self._metrics.lag_seconds.remove(self._app.conf.id, tp.topic, tp.partition)
            self._metrics.latest.remove(tp.topic, tp.partition)
        if not kept:
            self._publish({})

    def _reached(self, tp: TP, partition: OwnedPartition) -> int:
        """Return how far a topic has come: what is applied counts when it is committed."""
        if partition.rests:
            return partition.lane.positions()[tp.topic].offset
        record = self._app.ledger.state_of(tp.partition).record
        at = None if record is None else record.inputs.get(tp.topic)
        return 0 if at is None else at.offset

    def _look_at_rebalance(self) -> None:
        """Notice a rebalance that does not end; for Faust it lasts until all state is read back."""
        now, restored = time.monotonic(), self._ownership.restored()
        most, since = self._rebalancing or (restored, now)
        if restored > most:  # a large state takes its time; one that is read anew does not count
            most, since = restored, now
        self._rebalancing = (most, since)
        if now - since > 2 * self._stall_s:
            raise Stalled(
                f"expected the rebalance to go on, it has stood still for {now - since:.0f} s; "
                "restart the worker, and look at the broker if it comes again"
            )

    def _look_at_progress(self, tp: TP, applied: int, end: int, now: float) -> None:
        before, since = self._moved.get(tp, (-1, now))
        if applied != before or applied >= end:
            self._moved[tp] = (applied, now)
        elif now - since > self._stall_s:
            raise Stalled(
                f"{tp.topic}, partition {tp.partition}: expected progress, got none for "
                f"{now - since:.0f} s at offset {applied}, the log ends at {end}; restart the "
                "worker, it recovers from the changelog"
            )

    def _publish(self, ends: dict[TP, tuple[int, int]]) -> None:
        metrics, group, now = self._metrics, self._app.conf.id, time.time()
        whole, oldest = 0, 0.0
        for tp, (_, end) in ends.items():
            partition = self._ownership.partitions.get(tp.partition)
            if partition is None:
                continue
            known = dict(zip(partition.lane.names, partition.lane.completeness(), strict=True))
            lag = max(0, end - partition.lane.positions()[tp.topic].offset)
            # What is not applied came behind the last that is, and since all was applied.
            if not lag:
                self._clear[tp] = now
            appended = (known[tp.topic].appended or 0) / 1000
            since = max(appended, self._clear.setdefault(tp, 0.0))
            age = max(0.0, now - since) if lag and since else 0.0
            whole, oldest = whole + lag, max(oldest, age)
            metrics.lag.labels(group, tp.topic, tp.partition).set(lag)
            metrics.lag_seconds.labels(group, tp.topic, tp.partition).set(age)
            metrics.latest.labels(tp.topic, tp.partition).set(end)
        metrics.sum_lag.labels(group).set(whole)
        metrics.max_lag_seconds.labels(group).set(oldest)
