"""Hand chunks from Faust's streams to the owned partitions.

Responsible for one Faust agent per input topic. Must not decode, wait for a lane, or acknowledge.
"""

from __future__ import annotations

import asyncio
from typing import Any


def add_agent(app: Any, topic_name: str) -> None:
    """Add the agent of one input topic to the app.

    The agent never waits for a lane: a full lane pauses its topic-partition at the consumer. An
    exception stops the worker: Faust would acknowledge the event and go on.
    """

    async def deliver(stream: Any) -> None:
        async for event in stream.noack().events():
            if app.failure is not None:
                continue
            try:
                app.ownership.accept(topic_name, event.value)
            except Exception as error:  # noqa: BLE001 - whatever it is: stop, acknowledge nothing
                app.fail(error)
            # A queue that is not empty does not let others run: partitions have work to do, too.
            await asyncio.sleep(0)

    name = f"streams.agents.{topic_name}"
    app.agent(app.topic(topic_name, maxsize=64), name=name)(deliver)
