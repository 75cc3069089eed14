"""The transactional producer on a real broker: opened, and let go while it opens."""

from __future__ import annotations

import asyncio
from typing import Any

import aiokafka.client
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


async def test_a_producer_let_go_at_its_first_question_leaves_no_connection(
    kafka: str, monkeypatch: pytest.MonkeyPatch
):
    connections: list[Any] = []
    connected = asyncio.Event()
    connect = aiokafka.client.create_conn

    async def and_tell(*address: Any, **how: Any) -> Any:
        connections.append(await connect(*address, **how))
        connected.set()
        return connections[-1]

    monkeypatch.setattr(aiokafka.client, "create_conn", and_tell)
    gone = producer_of(kafka, "let-go-at-once")
    opening = asyncio.create_task(gone.open())
    await connected.wait()  # the question after the connection is on its way by now
    await gone.abandon()
    with pytest.raises(ProducerFailed, match="let go meanwhile"):
        await opening
    assert connections
    assert not any(connection.connected() for connection in connections)
