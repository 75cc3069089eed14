"""Hear what the worker tells, as others would: changes, dead letters, clocks, how far it has read.

Responsible for reading Kafka (read committed) and Redis without disturbing either. Must not count
what it hears (`tally` does), and must not talk to the worker.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from schemas.changes import decode
from schemas.dead_letters import read_verdict
from schemas.errors import RewakeError
from schemas.profiles import CLOCK_KEY
from schemas.topics import CHANGES, DEAD_LETTERS, INPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.vocabulary import Instant
    from streams.demo.pace import Pace
    from streams.demo.tally import Tally
    from streams.settings import Settings

POLL_MS: Final = 100
_RECORDS: Final = 5_000
_ASK_EVERY_S: Final = 0.25


class Reached(NamedTuple):
    """How far the worker has come.

    Attributes
    ----------
    events
        Events read, by the group's committed offsets.
    clock
        The least clock of all partitions; None until each has published one.
    """

    events: int
    clock: Instant | None


class Feed:
    """Reads along; use it as an asynchronous context.

    Parameters
    ----------
    settings
        Where Kafka and Redis are, and how many partitions the topics have.
    tally
        Takes what is heard.
    pace
        What feeds the history meanwhile, where it is fed: it knows which offsets are events.
    """

    def __init__(self, settings: Settings, tally: Tally, pace: Pace | None = None) -> None:
        connection = {"bootstrap_servers": settings.kafka, **settings.kafka_security()}
        self._settings = settings
        self._tally = tally
        self._pace = pace
        self._consumer = AIOKafkaConsumer(
            **connection, isolation_level="read_committed", auto_offset_reset="earliest"
        )
        self._admin = AIOKafkaAdminClient(**connection)
        self._redis = Redis.from_url(settings.redis, decode_responses=True, socket_timeout=5)
        self._asked = 0.0
        self.reached = Reached(0, None)

    async def __aenter__(self) -> Self:
        await self._admin.start()
        await self._consumer.start()
        numbers = range(self._settings.partitions)
        self._consumer.assign(
            [
                TopicPartition(topic, number)
                for topic in map(self._settings.topic, (CHANGES, DEAD_LETTERS))
                for number in numbers
            ]
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._admin.close()
        await self._redis.aclose()

    async def listen(self) -> None:
        """Take what has come since the last call; waits a moment where nothing has."""
        try:
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=_RECORDS)
            for partition, records in fetched.items():
                self._take(partition.topic, records)
            if time.monotonic() - self._asked > _ASK_EVERY_S:
                self._asked = time.monotonic()
                self.reached = Reached(await self._events(), await self._clock())
        except (KafkaError, RedisError, OSError) as error:
            message = f"expected Kafka and Redis to answer while the worker runs, got {error!r}"
            raise RewakeError(message) from error

    async def catch_up(self) -> None:
        """Take everything that is committed by now, dead letters included."""
        partitions = self._consumer.assignment()
        ends = await self._consumer.end_offsets(partitions)
        for partition in partitions:
            while await self._consumer.position(partition) < ends[partition]:
                await self.listen()

    def _take(self, topic: str, records: Sequence[Any]) -> None:
        if topic == self._settings.topic(CHANGES):
            for record in records:
                self._tally.hear(decode(record.value))
        else:
            for record in records:
                self._tally.hear_rejection(read_verdict(record.headers).reason)

    async def _events(self) -> int:
        try:
            committed = await self._admin.list_consumer_group_offsets(self._settings.app)
        except GroupCoordinatorNotAvailableError:
            return 0  # the first group of a new broker: nobody has committed anything
        if self._pace is not None:
            return self._pace.events({place: at.offset for place, at in committed.items()})
        inputs = set(map(self._settings.topic, INPUTS))
        return sum(
            max(0, at.offset) for partition, at in committed.items() if partition.topic in inputs
        )

    async def _clock(self) -> Instant | None:
        clocks = await self._redis.hgetall(CLOCK_KEY)
        if len(clocks) < self._settings.partitions:
            return None
        return min(map(int, clocks.values()))
