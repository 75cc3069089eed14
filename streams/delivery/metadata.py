"""Keep aiokafka's clients calm and alive while no broker answers.

Responsible for a pause where they would spin, for a second try where they would give up, and for a
connection they would leave open. Must not do more.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aiokafka.errors import KafkaConnectionError, NodeNotReadyError

if TYPE_CHECKING:
    from aiokafka.client import AIOKafkaClient

PAUSE_S: Final = 0.5


def pause_after_failure(client: AIOKafkaClient) -> None:
    """Let a client wait after a metadata update that failed.

    After a clean stop of a broker the partitions have no leader; sender and fetcher then ask for
    metadata again and again without a pause (100 % CPU, thousands of log lines a second).
    """
    update = client._metadata_update

    async def update_or_pause(cluster: Any, topics: Any) -> bool:
        updated: bool = await update(cluster, topics)
        if not updated:
            await asyncio.sleep(PAUSE_S)
        return updated

    client._metadata_update = update_or_pause


def retry_broken_lookups(client: AIOKafkaClient) -> None:
    """Have a producer look for its coordinator again when the connection breaks under the question.

    Its sender tries again as long as it cannot connect; a connection that breaks just then ends it,
    and with it the worker, at one restart of a broker in a few. Transactions have a bound anyway.
    """
    lookup = client.coordinator_lookup

    async def lookup_or_again(kind: Any, key: Any) -> Any:
        try:
            return await lookup(kind, key)
        except KafkaConnectionError as error:
            raise NodeNotReadyError(str(error)) from error

    client.coordinator_lookup = lookup_or_again


def close_what_bootstrap_opened(client: AIOKafkaClient) -> None:
    """Let a client that is cancelled while it asks its first question know the connection it has.

    aiokafka closes that connection after every failure but this one; nobody could close it later.
    """
    bootstrap = client.bootstrap

    async def bootstrap_to_the_end() -> None:
        asking = asyncio.create_task(bootstrap())
        try:
            await asyncio.shield(asking)
        except asyncio.CancelledError:
            await asyncio.wait([asking], timeout=PAUSE_S)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            raise

    client.bootstrap = bootstrap_to_the_end
