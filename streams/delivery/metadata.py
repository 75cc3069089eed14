"""Keep aiokafka's clients from spinning while no broker answers.

Responsible for that one pause. Must not do more.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

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
