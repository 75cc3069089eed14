"""Feed a history while the worker reads it, so many days of event time a second.

Responsible for what is released when, and for keeping the worker's clock with the facts meanwhile.
A worker in event time takes an input that is read to its end for a history that has ended. So the
inputs are kept from ending: an open transaction lies behind the last record of every partition
until the next records, and the next open transaction behind them, are there. What lies in these
transactions is never committed: no reader of the inputs sees any of it. Must not talk to the
worker.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from aiokafka import AIOKafkaProducer, TopicPartition

from schemas.errors import RewakeError, UsageError
from schemas.vocabulary import MS_PER_DAY
from streams.seeding import producer_for, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.vocabulary import Instant
    from streams.seeding import Message, Seed
    from streams.settings import Settings

EVERY_S: Final = 0.5
"""How often records are released."""
_PATIENCE_S: Final = 60.0
_SPEED: Final = re.compile(r"(\d+(?:\.\d+)?)(m|h|d|w)/s")
_UNITS: Final = {"m": 60_000, "h": 3_600_000, "d": MS_PER_DAY, "w": 7 * MS_PER_DAY}


def read_speed(text: str) -> float:
    """Read a speed: event time in ms for each second.

    Raises
    ------
    UsageError
        When it is none.

    Examples
    --------
    >>> read_speed("30d/s") / MS_PER_DAY, read_speed("1.5h/s")
    (30.0, 5400000.0)
    """
    found = _SPEED.fullmatch(text)
    if found is None or not float(found[1]):
        raise UsageError(
            f"--speed: expected event time in a second, as in 30d/s, 12h/s or 2w/s, got {text!r}"
        )
    return float(found[1]) * _UNITS[found[2]]


def instants_of_release(messages: Sequence[Message], until: Instant) -> list[Instant]:
    """Say for each message when in event time it is released; never before one in front of it.

    A late one comes where it came, one that claims to be beyond the end of the history, too.
    """
    released: list[Instant] = []
    latest = min(messages[0].ts, until) if messages else 0
    for message in messages:
        if message.ts <= until:
            latest = max(latest, message.ts)
        released.append(latest)
    return released


class _Appended(NamedTuple):
    """Ends of what was written to a partition, and how many events lay before each."""

    ends: list[int]
    events: list[int]


class Pace:
    """Feeds from a thread of its own; use it as a context.

    Parameters
    ----------
    settings
        Where Kafka is.
    seed
        The history.
    speed
        Event time in ms for each second.

    Attributes
    ----------
    reached
        The instant up to which the history has been released.
    """

    def __init__(self, settings: Settings, seed: Seed, speed: float) -> None:
        self._settings = settings
        self._messages = seed.messages
        self._until = seed.until
        self._speed = speed
        self._release = instants_of_release(seed.messages, seed.until)
        self._appended: dict[TopicPartition, _Appended] = defaultdict(lambda: _Appended([], []))
        self._held = threading.Event()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="pace", daemon=True)
        self.reached: Instant = self._release[0]

    def __enter__(self) -> Self:
        """Begin; returns as soon as a worker may start."""
        self._thread.start()
        self._held.wait(_PATIENCE_S)
        self.check()
        return self

    def __exit__(self, *_: object) -> None:
        """End feeding, wherever it is."""
        self._stop.set()
        self._thread.join(_PATIENCE_S)

    def check(self) -> None:
        """Raise when feeding has failed.

        Raises
        ------
        RewakeError
            With what Kafka said.
        """
        if self._failure is not None:
            message = f"expected Kafka to take the history bit by bit, got {self._failure!r}"
            raise RewakeError(message) from self._failure

    def events(self, committed: Mapping[TopicPartition, int]) -> int:
        """Say how many events lie before offsets; what keeps the inputs open counts for none."""
        found = 0
        for partition, appended in list(self._appended.items()):
            place = bisect_right(appended.ends, committed.get(partition, 0))
            found += appended.events[place - 1] if place else 0
        return found

    def _run(self) -> None:
        try:
            asyncio.run(self._feed())
        except BaseException as error:  # noqa: BLE001 - `check` raises it where it is seen
            self._failure = error
        finally:
            self._held.set()

    async def _feed(self) -> None:
        """Release the history slice by slice, a hold on the inputs behind each."""
        producer = producer_for(self._settings)
        holds = [_Hold(self._settings, number) for number in range(2)]
        begun = [producer, *[hold.producer for hold in holds]]
        try:
            for each in begun:
                await each.start()
            topics = sorted({self._settings.topic(each.topic) for each in self._messages})
            partitions = [
                TopicPartition(topic, number)
                for topic in topics
                for number in await producer.partitions_for(topic)
            ]
            await holds[0].take(partitions)
            self._held.set()
            done, turn, began = 0, 0, time.monotonic()
            while done < len(self._messages) and not self._stop.is_set():
                await asyncio.sleep(EVERY_S)
                now = self._release[0] + (time.monotonic() - began) * self._speed
                upto = bisect_right(self._release, now)
                await self._append(producer, self._messages[done:upto])
                await holds[1 - turn].take(partitions)
                await holds[turn].let_go()
                self.reached = min(int(now), self._until)
                done, turn = upto, 1 - turn
            await holds[turn].let_go()
        finally:
            for each in begun:
                await each.stop()

    async def _append(self, producer: AIOKafkaProducer, messages: Sequence[Message]) -> None:
        if not messages:
            return
        for partition, written in (await write(self._settings, producer, messages)).items():
            ends, events = self._appended[partition]
            events.append((events[-1] if events else 0) + written.records)
            ends.append(written.end)


class _Hold:
    """A transaction that keeps the ends of partitions open, and is never committed."""

    def __init__(self, settings: Settings, number: int) -> None:
        self.producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka,
            transactional_id=f"{settings.app}-demo-hold-{number}",
            **settings.kafka_security(),
        )

    async def take(self, partitions: Sequence[TopicPartition]) -> None:
        """Open it, with a record at the end of each partition."""
        await self.producer.begin_transaction()
        sent = [
            await self.producer.send(each.topic, b"", partition=each.partition)
            for each in partitions
        ]
        await asyncio.gather(*sent)

    async def let_go(self) -> None:
        """Abort it: what lies behind it can be read."""
        await self.producer.abort_transaction()
