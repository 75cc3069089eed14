"""A producer's question for its coordinator survives a connection that breaks under it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from aiokafka.errors import KafkaConnectionError
from aiokafka.producer.sender import Sender

from streams.delivery.metadata import retry_broken_lookups


async def test_a_connection_that_breaks_under_the_question_is_asked_again() -> None:
    answers: list[Any] = [KafkaConnectionError("closed"), 7]

    async def lookup(*_: Any) -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return int(answer)

    async def yes(*_: Any, **__: Any) -> bool:
        return True

    client = SimpleNamespace(coordinator_lookup=lookup, force_metadata_update=yes, ready=yes)
    retry_broken_lookups(client)
    sender: Any = SimpleNamespace(
        client=client, _txn_manager=object(), _coordinators={}, _retry_backoff=0
    )
    assert await Sender._find_coordinator(sender, 1, "counting-0") == 7
