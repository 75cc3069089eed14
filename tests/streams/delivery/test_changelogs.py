"""The recovery sees no chunk that a rebalance has made stale: it would count it as read."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.delivery.changelogs import ChangelogTables
from streams.delivery.flow import KeepingFlow

A = TP("changelog", 0)


def event(epoch: int) -> Any:
    return SimpleNamespace(value=SimpleNamespace(epoch=epoch), message=SimpleNamespace(tp=A))


async def test_chunks_of_an_older_epoch_never_reach_the_recovery():
    epochs = {A: 1}
    flow = KeepingFlow()
    flow.resume()
    tables: Any = ChangelogTables.__new__(ChangelogTables)
    tables._changelog_queue = None
    tables.app = SimpleNamespace(
        conf=SimpleNamespace(stream_buffer_maxsize=10),
        flow_control=flow,
        consumer=SimpleNamespace(epoch=epochs.__getitem__),
    )
    queue = tables.changelog_queue
    assert queue is tables.changelog_queue
    stale, current = event(1), event(2)
    await queue.put(stale)
    epochs[A] = 2
    await queue.put(current)
    assert await queue.get() is current
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.01)
