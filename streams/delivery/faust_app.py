"""Be the Faust app: Faust's services with this package's transport, and a loud, bounded end.

Responsible for which parts Faust builds, for stopping on a fatal error and for stopping in time.
Must not know events, engines or topics.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

import faust
import structlog

from streams.delivery.changelogs import ChangelogTables
from streams.delivery.flow import KeepingFlow
from streams.delivery.scheduler import ChunkScheduler
from streams.delivery.topic import ChunkTopic
from streams.delivery.transport import LaneTransport
from streams.wall import WallClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_log: Final = structlog.get_logger(__name__)

REVOKE_SHARE: Final = 0.6
"""Part of the rebalance timeout that commits may take at a revoke; the rest is for the others."""

COLLECT: Final = (200_000, 20, 50)
"""Thresholds of the garbage collector: net allocations, then young and middle collections."""
COLLECT_S: Final = 60.0
"""Seconds between two looks at everything: a cycle is few objects, but may hold a megabyte."""


class Releasable(Protocol):
    """What is released at a revoke and at the end."""

    async def release(self, timeout: float) -> None:  # noqa: ASYNC109
        """Let all partitions go within the timeout."""


class LaneApp(faust.App):
    """Faust's app on the lanes' transport.

    Attributes
    ----------
    failure : Exception or None
        The first fatal error; nothing is acknowledged after it.
    wall : WallClock
        What time it is.
    ownership, ledger, watchdog
        Set by `streams.app`, which wires them.
    at_start, at_end
        Awaited before Faust's services start and after the partitions were let go.
    """

    mundane_level = "debug"
    ownership: Any
    ledger: Any
    watchdog: Any

    def __init__(self, *args: Any, shutdown_s: float = 25.0, **kwargs: Any) -> None:
        kwargs.update(
            Topic=ChunkTopic, ConsumerScheduler=ChunkScheduler, TableManager=ChangelogTables
        )
        super().__init__(*args, **kwargs)
        self.failure: Exception | None = None
        self.wall = WallClock()
        self._shutdown_s = shutdown_s
        self._ending: threading.Timer | None = None
        self._crashing: asyncio.Task[None] | None = None
        self._collecting: asyncio.Task[None] | None = None
        self.at_start: list[Callable[[], Awaitable[None]]] = []
        self.at_end: list[Callable[[], Awaitable[None]]] = []

    async def on_start(self) -> None:
        """Let the garbage collector look rarely, then start as Faust does.

        Every record is an object it tracks and frees without its help; with Python's thresholds it
        takes a third of the worker's time to find nothing.
        """
        gc.freeze()
        gc.set_threshold(*COLLECT)
        self._collecting = asyncio.create_task(_collect())
        for begin in self.at_start:
            await begin()
        await super().on_start()

    # ---- what Faust builds

    def _new_transport(self) -> LaneTransport:
        return LaneTransport(self.conf.broker_consumer, self)

    @cached_property
    def flow_control(self) -> KeepingFlow:
        """Flow control that keeps what is queued."""
        return KeepingFlow(loop=self.loop)

    def _create_directories(self) -> None:
        """Make none: nothing is kept on disk."""

    # ---- rebalance

    async def before_revoke(self) -> None:
        """Let partitions go, bounded by the time the group gives."""
        await self.ownership.release(self.conf.broker_rebalance_timeout * REVOKE_SHARE)

    # ---- the end

    def fail(self, error: Exception) -> None:
        """Stop the worker loudly because of a fatal error; the first one counts."""
        if self.failure is not None:
            return
        self.failure = error
        code = getattr(error, "code", type(error).__name__)
        _log.critical("stopping", code=code, error=str(error), exc_info=error)
        self.end_in_time()
        self._crashing = asyncio.ensure_future(self.crash(error))

    def end_in_time(self) -> None:
        """See to it that the process is gone after the shutdown timeout, whatever hangs.

        With the broker away Faust's and aiokafka's own stops may never return. What is not
        committed is aborted by the next owner, so leaving at once is safe.
        """
        if self._ending is None:
            self._ending = threading.Timer(self._shutdown_s, _leave, [self.failure is not None])
            self._ending.daemon = True
            self._ending.start()

    async def on_stop(self) -> None:
        """Commit what is under way, then stop as Faust does."""
        self.end_in_time()
        await self.ownership.release(self._shutdown_s / 3)
        for end in self.at_end:
            await end()
        if self._collecting is not None:
            self._collecting.cancel()
        await super().on_stop()


async def _collect() -> None:
    while True:
        await asyncio.sleep(COLLECT_S)
        gc.collect()


def _leave(failed: bool) -> None:
    _log.warning("stopping took too long: leaving; what is uncommitted will be aborted")
    os._exit(1 if failed else 0)
