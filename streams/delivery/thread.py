"""Run aiokafka's consumer in its own thread and number every seek.

Responsible for what has to happen inside that thread without an await between: seeking and starting
an epoch. Must not decide where to seek.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from streams.delivery.fetch import Fetched, LeanFetcher
from streams.delivery.metadata import pause_after_failure

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection, Iterable, Mapping

    from aiokafka import AIOKafkaConsumer
    from faust.types import TP

    from streams.topic_lane import Answer

FETCH_WAIT_MS: Final = 250
"""How long the broker keeps a fetch without data: an idle clock is this much behind, at most."""


class EpochThread(AIOKafkaConsumerThread):
    """Faust's consumer thread with read-committed, whole fetch results and epochs."""

    mundane_level = "debug"
    app: Any
    fetcher: LeanFetcher | None = None

    def __post_init__(self) -> None:
        """Start counting epochs."""
        super().__post_init__()
        self._numbers = itertools.count(1)

    async def on_start(self) -> None:
        """Start the consumer and make its fetcher lean before anything is assigned."""
        await super().on_start()
        self.fetcher = LeanFetcher.adopt(self._ensure_consumer()._fetcher, self.app.wall.broker)

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> AIOKafkaConsumer:
        consumer = super()._create_consumer(loop)
        # Both are fixed in Faust's driver; the fetcher reads them when the consumer starts.
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        pause_after_failure(consumer._client)
        return consumer

    # ---- called from the main thread

    def new_epoch(self) -> int:
        """Return a number no seek has had."""
        return next(self._numbers)

    def epoch(self, tp: TP) -> int:
        """Return the epoch under which a topic-partition is fetched now."""
        return 0 if self.fetcher is None else self.fetcher.epochs.get(tp, 0)

    def idle_answer(self, tp: TP) -> Answer | None:
        """Return the latest answer without records."""
        return None if self.fetcher is None else self.fetcher.idle.get(tp)

    def invalidate(self, tps: Iterable[TP]) -> None:
        """Let nothing count that was or will be fetched before the next seek."""
        if self.fetcher is not None:
            for tp in tps:
                self.fetcher.epochs[tp] = self.new_epoch()
                self.fetcher.idle.pop(tp, None)

    def wake(self) -> None:
        """Let a waiting `take` look again at what is wanted."""
        if self.fetcher is not None:
            self.thread_loop.call_soon_threadsafe(self.fetcher.wake)

    async def seek_in_epochs(self, wanted: Mapping[TP, tuple[int, int]]) -> None:
        """Seek topic-partitions to offsets under given epochs.

        Raises
        ------
        IllegalStateError
            When one is not assigned any more.
        """
        await self.call_thread(self._seek_in_epochs, wanted)

    async def take(
        self,
        wanted: Callable[[], Collection[TP]],
        timeout: float,  # noqa: ASYNC109
    ) -> list[Fetched]:
        """Return fetched results of what is wanted; see `LeanFetcher.take`."""
        if self.fetcher is None:
            return []
        result: list[Fetched] = await self.call_thread(self.fetcher.take, wanted, timeout)
        return result

    async def committed(self, tp: TP) -> int | None:
        """Return the group's committed offset; None without one."""
        offset: int | None = await self.call_thread(self._ensure_consumer().committed, tp)
        return offset

    async def log_range(self, tps: Collection[TP]) -> dict[TP, tuple[int, int]]:
        """Return log start and last stable offset of topic-partitions, asked from the broker."""
        consumer = self._ensure_consumer()
        starts = await self.call_thread(consumer.beginning_offsets, tps)
        ends = await self.call_thread(consumer.end_offsets, tps)
        return {tp: (starts[tp], ends[tp]) for tp in tps}

    # ---- inside the thread

    async def _seek_in_epochs(self, wanted: Mapping[TP, tuple[int, int]]) -> None:
        fetcher = self.fetcher
        if fetcher is not None:
            for tp, (offset, epoch) in wanted.items():
                fetcher.seek_in_epoch(tp, offset, epoch)

    async def _seek_wait(self, _: AIOKafkaConsumer, partitions: Mapping[TP, int]) -> None:
        """Seek changelogs for Faust's recovery, each into an epoch of its own.

        Faust waits here until the positions are known; a seek to an offset knows it at once.
        """
        await self._seek_in_epochs({tp: (at, self.new_epoch()) for tp, at in partitions.items()})

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: records are taken by `take` only, or a fetch would bypass the epochs."""
        raise NotImplementedError
