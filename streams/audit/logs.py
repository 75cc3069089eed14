"""Read what is committed to topics, from one offset to another.

Responsible for topics, offsets and records as Kafka has them. Must not join a group, must not write
or create anything, and must not know what records mean.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.errors import RewakeError, UsageError
from streams import topics_admin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

    from aiokafka.structs import ConsumerRecord

    from streams.settings import Settings

FETCH_BYTES: Final = 4 * 1024 * 1024
PATIENCE_S: Final = 90.0
"""Without progress for so long, reading gives up: a transaction is aborted after 60 s at most."""
_POLL_MS: Final = 200


class Topology(NamedTuple):
    """What the topics look like.

    Attributes
    ----------
    counts
        Topic → number of partitions.
    ids
        Topic → the broker's id of it.
    """

    counts: Mapping[str, int]
    ids: Mapping[str, str]


def describe(settings: Settings, names: Sequence[str]) -> Topology:
    """Look at topics that have to be there.

    Raises
    ------
    UsageError
        When one is missing.
    RewakeError
        When the cluster does not answer.
    """
    with topics_admin.connect(settings) as admin:
        described = topics_admin.describe(admin, names)
    found = {name: each for name, each in described.items() if not each["error_code"]}
    missing = [name for name in names if name not in found]
    if missing:
        raise UsageError(
            f"expected the topics {', '.join(missing)}, found none of that name; are REWAKE_KAFKA "
            f"and REWAKE_APP ({settings.app}) those of the worker?"
        )
    return Topology(
        {name: len(each["partitions"]) for name, each in found.items()},
        {name: str(each.get("topic_id") or "") for name, each in found.items()},
    )


class Logs:
    """Reads topic-partitions; made by `open_logs`."""

    def __init__(self, committed: AIOKafkaConsumer, written: AIOKafkaConsumer) -> None:
        self._committed = committed
        self._written = written

    async def starts(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the first offsets that are still there."""
        return dict(await self._committed.beginning_offsets(list(tps)))

    async def stable_ends(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the last stable offsets: everything before them is decided."""
        return dict(await self._committed.end_offsets(list(tps)))

    async def written_ends(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the ends of the logs; before them may lie what is not decided yet."""
        return dict(await self._written.end_offsets(list(tps)))

    async def read(
        self,
        ranges: Mapping[TopicPartition, tuple[int, int]],
        progress: Callable[[int, int], None],
    ) -> AsyncIterator[tuple[TopicPartition, list[ConsumerRecord]]]:
        """Read the committed records in ranges of offsets, in offset order per topic-partition.

        Parameters
        ----------
        ranges
            Topic-partition → first offset and the one to stop before.
        progress
            Called with offsets read and offsets in all.

        Raises
        ------
        RewakeError
            When there is no progress for `PATIENCE_S`.
        """
        left = {tp: end for tp, (begin, end) in ranges.items() if begin < end}
        whole = sum(end - ranges[tp][0] for tp, end in left.items())
        if not left:
            return
        consumer = self._committed
        consumer.assign(list(left))
        for tp in left:
            consumer.seek(tp, ranges[tp][0])
        before, moved = -1, time.monotonic()
        while left:
            for tp, records in (await consumer.getmany(timeout_ms=_POLL_MS)).items():
                end = ranges[tp][1]
                yield tp, [record for record in records if record.offset < end]
            missing = 0
            for tp, end in list(left.items()):
                behind = end - await consumer.position(tp)
                if behind <= 0:
                    del left[tp]
                    consumer.pause(tp)
                missing += max(behind, 0)
            progress(whole - missing, whole)
            if missing != before:
                before, moved = missing, time.monotonic()
            elif time.monotonic() - moved > PATIENCE_S:
                where = ", ".join(f"{tp.topic} {tp.partition}" for tp in left)
                raise RewakeError(
                    f"expected to read {where} to its end, nothing came for {PATIENCE_S:.0f} s; is "
                    "a broker down, or a producer's transaction open for ever?"
                )


@asynccontextmanager
async def open_logs(settings: Settings) -> AsyncIterator[Logs]:
    """Connect for as long as the block lasts.

    Raises
    ------
    RewakeError
        When Kafka cannot be reached or refuses.
    """

    def consumer(isolation: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=settings.kafka,
            client_id=f"{settings.app}-audit",
            isolation_level=isolation,
            enable_auto_commit=False,
            # Retention may overtake the reading: then it must not begin anywhere else by itself.
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_BYTES,
            **settings.kafka_security(),
        )

    committed, written = consumer("read_committed"), consumer("read_uncommitted")
    try:
        try:
            await asyncio.gather(committed.start(), written.start())
            yield Logs(committed, written)
        finally:
            await asyncio.gather(committed.stop(), written.stop())
    except KafkaError as error:
        raise RewakeError(
            f"expected Kafka at {settings.kafka} to let its topics be read, got {error!r}; is it "
            "up, and may this user read the inputs, the changes and the changelog?"
        ) from error
