"""Run a real worker whose engine counts; started by the tests as a process of its own.

The environment variable FAULT builds a fault into the delivery: what Faust or a rebalance does now
and then by itself is done often and on purpose here.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import TYPE_CHECKING, Any

from schemas.money import Currencies
from streams import logs
from streams.app import FAMILIES, Judging, build
from streams.cluster import inspect
from streams.delivery import consumer
from streams.metrics import Metrics
from streams.ownership import Ownership
from streams.settings import load_settings
from streams.worker import serve
from tests.streams.counting import CountingEngine

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.delivery.faust_app import LaneApp


def throw_chunks_away(_: LaneApp) -> None:
    """Lose every fifth chunk of the inputs between fetch and agent."""
    accept, numbers = Ownership.accept, itertools.count(1)

    def lossy(self: Ownership, topic: str, chunk: Any) -> None:
        if next(numbers) % 5:
            accept(self, topic, chunk)

    Ownership.accept = lossy  # type: ignore[method-assign]


def deliver_chunks_twice(_: LaneApp) -> None:
    """Bring every chunk again, and an old one with it."""
    accept, old = Ownership.accept, {}

    def doubled(self: Ownership, topic: str, chunk: Any) -> None:
        accept(self, topic, chunk)
        accept(self, topic, chunk)
        first = old.setdefault((topic, chunk.partition), chunk)
        accept(self, topic, first)

    Ownership.accept = doubled  # type: ignore[method-assign]


def old_position_after_a_seek(_: LaneApp) -> None:
    """Hold every fourth chunk back until after the next one, across seeks."""
    accept, held, numbers = Ownership.accept, {}, itertools.count(1)

    def late(self: Ownership, topic: str, chunk: Any) -> None:
        before = held.pop((topic, chunk.partition), None)
        if before is None and next(numbers) % 4 == 0:
            held[topic, chunk.partition] = chunk
            return
        accept(self, topic, chunk)
        if before is not None:
            accept(self, topic, before)

    Ownership.accept = late  # type: ignore[method-assign]


def slow_takeover(_: LaneApp) -> None:
    """Let fetches run while the positions are still being looked up."""
    take = Ownership.take

    async def slow(self: Ownership, numbers: Any) -> None:
        await asyncio.sleep(1.5)
        await take(self, numbers)

    Ownership.take = slow  # type: ignore[method-assign]


def rejoin_all_the_time(app: LaneApp) -> None:
    """Ask for a rebalance every two seconds, sometimes two at once."""

    async def rejoin() -> None:
        for number in range(12):
            await asyncio.sleep(2 if number % 3 else 0.1)
            thread = app.consumer._thread
            coordinator = thread._consumer._coordinator
            thread.thread_loop.call_soon_threadsafe(coordinator.request_rejoin)

    app.task(rejoin)


FAULTS: dict[str, Callable[[LaneApp], None]] = {
    fault.__name__.replace("_", " "): fault
    for fault in (
        throw_chunks_away,
        deliver_chunks_twice,
        old_position_after_a_seek,
        slow_takeover,
        rejoin_all_the_time,
    )
}


def main() -> None:
    settings = load_settings(env_file=None)
    logs.set_up(settings.log_level, settings.log_format)
    cluster = inspect(settings, list(FAMILIES))
    judging = Judging(CountingEngine, Currencies("GBP"), {"visit"}, "rules", "layout")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    consumer.POLL_S = 0.05
    app = build(settings, judging, cluster, Metrics())
    if os.environ.get("FAULT"):
        FAULTS[os.environ["FAULT"]](app)
    serve(app, loop)


if __name__ == "__main__":
    main()
