"""Decide where a webhook begins, before it joins its group.

Responsible for the first committed offset of each partition. From then on an offset the topic no
longer holds is an error and never a jump: a change that was deleted unread was not delivered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiokafka import TopicPartition

    from streams.settings import Settings


async def begin(
    settings: Settings, group: str, tps: Collection[TopicPartition], *, earliest: bool
) -> dict[int, int]:
    """Commit where to begin for partitions that have no offset yet; return where each ends now.

    A group that is new begins at the end, or at the beginning where asked to; a partition that is
    new to the group at its beginning.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        group_id=group,
        enable_auto_commit=False,
        isolation_level="read_committed",
        **settings.kafka_security(),
    )
    try:
        await consumer.start()
        consumer.assign(tps)
        known = [tp for tp in tps if await consumer.committed(tp) is not None]
        new = [tp for tp in tps if tp not in known]
        ends = await consumer.end_offsets(tps)
        if new:
            first = earliest or bool(known)
            at = await consumer.beginning_offsets(new) if first else ends
            await consumer.commit({tp: at[tp] for tp in new})
        return {tp.partition: end for tp, end in ends.items()}
    finally:
        await consumer.stop()
