"""Deliver chunks to Faust's agents, and never by Faust's own idea of offsets.

Responsible for which topic-partitions are fetched, for dropping what a seek made stale, for the
group's committed offsets (positions already durable elsewhere) and for invalidating everything at a
rebalance. Must not decode, and must not decide positions: lanes do.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

from faust.transport.drivers.aiokafka import Consumer

from streams.delivery.thread import EpochThread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping

    from faust.types import TP, ConsumerMessage

    from streams.delivery.scheduler import Chunk
    from streams.topic_lane import Answer

POLL_S = 0.2
"""Seconds one look for fetched results may last."""
COMMIT_S = 2.0
"""Seconds the commit of the group's offsets may take at a revoke."""


class _NoReadOffset(defaultdict[Any, None]):
    """Faust's read offsets, switched off.

    Faust sets them after awaiting the agent's queue: a chunk taken before a seek and blocked there
    puts the old offset back, and what is read again after the seek is dropped without a word.
    """

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def __getitem__(self, _: Any) -> None:
        return None


class LaneConsumer(Consumer):
    """Faust's consumer for chunks."""

    app: Any
    scheduler: Any
    mundane_level = "debug"

    _thread: EpochThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = cast("Any", _NoReadOffset())
        self._held: set[TP] = set()
        self._durable: dict[TP, int] = {}

    def _new_consumer_thread(self) -> EpochThread:
        return EpochThread(self, loop=self.loop, beacon=self.beacon)

    # ---- what is fetched

    def hold(self, tp: TP) -> None:
        """Pause a topic-partition whose lane is full; others go on."""
        self._held.add(tp)

    def release(self, tp: TP) -> None:
        """Let a held topic-partition go on."""
        if tp in self._held:
            self._held.discard(tp)
            self._thread.wake()

    def wanted(self) -> frozenset[TP]:
        """Return the topic-partitions to be delivered now; called in the consumer's thread."""
        return frozenset(self._active_partitions - self._held)

    def on_buffer_full(self, tp: TP) -> None:
        """Do nothing: lanes say what is full.

        Faust would take the partition out of the active set here, and `on_buffer_drop` would put it
        back even while it is paused for recovery.
        """

    def on_buffer_drop(self, tp: TP) -> None:
        """Do nothing; see `on_buffer_full`."""

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109
        """Yield chunks in turn; those of an older epoch are dropped, never acknowledged.

        Nothing but its epoch makes a chunk stale. A look that has begun before a rebalance may
        bring what was fetched after the seeks of the new assignment: dropped, nobody would fetch it
        again, and a recovery would wait for it for ever.
        """
        await self._flowing()
        fetched = await self._thread.take(self.wanted, min(timeout, POLL_S))
        chunk: Chunk
        for tp, chunk in self.scheduler.iterate(fetched):
            await self._flowing()  # Faust drops what is yielded while its flow is stopped
            if self.should_stop:
                return
            if chunk.epoch == self._thread.epoch(tp):
                yield tp, self._to_message(tp, chunk)

    async def _flowing(self) -> None:
        """Wait while a rebalance holds the flow."""
        while not self.flow_active and not self.should_stop:
            await self.wait(cast("Any", self.can_resume_flow))

    async def perform_seek(self) -> None:
        """Do nothing: positions come from the position records, never from group offsets."""

    # ---- epochs

    async def seek_to(self, wanted: Mapping[TP, tuple[int, int]]) -> None:
        """Seek topic-partitions to offsets under epochs from `new_epoch`."""
        await self._thread.seek_in_epochs(wanted)

    def new_epoch(self) -> int:
        """Return a number no seek has had."""
        return self._thread.new_epoch()

    def epoch(self, tp: TP) -> int:
        """Return the epoch under which a topic-partition is fetched now."""
        return self._thread.epoch(tp)

    def idle_answer(self, tp: TP) -> Answer | None:
        """Return the latest answered fetch that brought no records."""
        return self._thread.idle_answer(tp)

    async def log_range(self, tps: Collection[TP]) -> dict[TP, tuple[int, int]]:
        """Return log start and last stable offset of topic-partitions."""
        return await self._thread.log_range(tps)

    async def committed(self, tp: TP) -> int | None:
        """Return the group's committed offset; None without one."""
        return await self._thread.committed(tp)

    # ---- the group's committed offsets

    def durable(self, positions: Mapping[TP, int]) -> None:
        """Take note of positions whose effects are committed; the group's offsets follow."""
        self._durable.update(positions)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in list(self._durable) if topics is None or tp in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self._durable.get(tp)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: gaps are part of the ranges."""

    # ---- rebalance

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Stop the flow, let what is under way commit, forget the rest; then as Faust does."""
        self._thread.invalidate(set(revoked) | set(self.assignment()))
        if not self.app.should_stop:
            self.stop_flow()
            self.app.flow_control.suspend()
            self.app.flow_control.clear()
            await self.app.before_revoke()
            await self._commit_bounded()
        self._forget(revoked)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Let nothing fetched before the seek to the position records count."""
        self._thread.invalidate(assigned)
        self._forget(assigned)
        await super().on_partitions_assigned(assigned, generation_id)

    async def _commit_bounded(self) -> None:
        """Commit what is durable; the broker may be away, and the position records rule anyway."""
        try:
            async with asyncio.timeout(COMMIT_S):
                await self.maybe_wait_for_commit_to_finish()  # `commit` does nothing beside another
                await self.commit()
        except TimeoutError:
            self.log.warning("group offsets were not committed within %s s", COMMIT_S)

    def _forget(self, tps: Iterable[TP]) -> None:
        self._held.clear()
        for tp in tps:
            self._durable.pop(tp, None)
