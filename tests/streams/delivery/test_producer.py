"""The transactional producer on a real broker: opened, and let go while it opens."""

from __future__ import annotations

import asyncio

import pytest

from schemas.errors import ProducerFailed
from streams.delivery.producer import PartitionProducer
from streams.wall import WallClock


def producer_of(kafka: str, name: str) -> PartitionProducer:
    return PartitionProducer(name, {"bootstrap_servers": kafka}, WallClock())


@pytest.mark.parametrize("after_ms", [0, 1, 3, 10, 30, 100])
async def test_a_producer_let_go_while_it_opens_fences_nobody_afterwards(kafka: str, after_ms: int):
    name = f"let-go-{after_ms}"
    gone = producer_of(kafka, name)
    opening = asyncio.create_task(gone.open())
    await asyncio.sleep(after_ms / 1000)
    await gone.abandon()
    try:
        await opening
    except ProducerFailed as error:
        assert "let go meanwhile" in str(error)  # noqa: PT017 - after 100 ms it may have opened
    following = producer_of(kafka, name)
    await following.open()
    await asyncio.sleep(0.3)
    await following.transact([])
    assert gone._producer._sender.sender_task is None or gone._producer._sender.sender_task.done()
    await following.abandon()
