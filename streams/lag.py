"""Say how far the group is behind its inputs, as the broker sees it.

Responsible for lag, age and rate of every input topic-partition, for what becomes of them between
two looks (the status), and for who is in the group. It reads only: it joins no group, commits
nothing and needs no worker. Must not print, and must not know what records mean.

A status is the worst that holds, in this order:

======  =============================================================================
REWIND  the committed offset went back since the look before
STOP    something waits, and nobody is there to read it
STALL   the committed offset stands, and what waits next has waited for `STALL_S`
WARN    more waits than at the look before, the oldest of it for `WARN_S`
OK      none of these
======  =============================================================================
"""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError

from schemas import topics
from schemas.vocabulary import Instant  # noqa: TC001 - msgspec reads the annotations
from streams import topics_admin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kafka import KafkaAdminClient

    from streams.settings import Settings

WARN_S: Final = 5.0
STALL_S: Final = 30.0
_AGES_S: Final = 5.0
"""Seconds within which the records are read that tell how long they have waited."""
_COORDINATOR_S: Final = 10.0
_FETCH_BYTES: Final = 16 * 1024
"""One batch of each topic-partition is enough: only its first record counts."""


class Status(StrEnum):
    """How a topic-partition does; the worst last."""

    OK = "OK"
    WARN = "WARN"
    STALL = "STALL"
    STOP = "STOP"
    REWIND = "REWIND"


_WORST: Final = tuple(Status)


class PartitionLag(msgspec.Struct, frozen=True):
    """How far one input topic-partition is behind.

    Attributes
    ----------
    topic, partition
        Which one.
    committed
        The group's offset; None where it has none yet.
    end
        Last stable offset.
    lag
        Offsets between them; from the log's start where nothing is committed.
    seconds
        Age of the oldest record not applied; 0 without lag, None where it cannot be read.
    rate
        Offsets applied per second since the look before; None at the first.
    status
        See the module.
    """

    topic: str
    partition: int
    committed: int | None
    end: int
    lag: int
    seconds: float | None
    rate: float | None
    status: Status


class Member(msgspec.Struct, frozen=True):
    """One worker of the group.

    Attributes
    ----------
    client, host
        As it names itself, and where it calls from.
    partitions
        The partitions of the inputs it owns.
    """

    client: str
    host: str
    partitions: tuple[int, ...]


class Lag(msgspec.Struct, frozen=True):
    """One look at all input topic-partitions.

    Attributes
    ----------
    at
        When it was, by this machine's clock.
    group, state
        Its name, and how it stands in the broker's words: Stable, Empty, PreparingRebalance, …
    members
        The workers in it.
    partitions
        In the order of topics and partitions.
    """

    at: Instant
    group: str
    state: str
    members: tuple[Member, ...]
    partitions: tuple[PartitionLag, ...]

    @property
    def lag(self) -> int:
        """Offsets not applied, of all together."""
        return sum(each.lag for each in self.partitions)

    @property
    def seconds(self) -> float | None:
        """Age of the oldest record not applied; None where one cannot be read."""
        known = [each.seconds for each in self.partitions]
        return None if None in known else max((age for age in known if age is not None), default=0)

    @property
    def rate(self) -> float | None:
        """Offsets applied per second, of all together; None at the first look."""
        known = [each.rate for each in self.partitions if each.rate is not None]
        return sum(known) if known else None

    @property
    def status(self) -> Status:
        """The worst there is."""
        return max((each.status for each in self.partitions), key=_WORST.index, default=Status.OK)


class Mark(NamedTuple):
    """What one look saw of one topic-partition.

    Attributes
    ----------
    committed
        The group's offset; None where it has none.
    start, end
        Log start and last stable offset.
    appended
        When the oldest record not applied was appended, epoch ms; None where none was read.
    """

    committed: int | None
    start: int
    end: int
    appended: Instant | None = None

    @property
    def position(self) -> int:
        """Where reading goes on."""
        return self.start if self.committed is None else self.committed

    @property
    def lag(self) -> int:
        """Offsets not applied."""
        return max(0, self.end - self.position)


class LagWatch:
    """Looks again and again, and remembers the look before; holds no connection in between.

    Parameters
    ----------
    settings
        Where Kafka is, and the name of the app.
    warn_s, stall_s
        Seconds after which what waits is worth a WARN or a STALL.
    """

    def __init__(
        self, settings: Settings, *, warn_s: float = WARN_S, stall_s: float = STALL_S
    ) -> None:
        self._settings = settings
        self._warn_s = warn_s
        self._stall_s = stall_s
        self._before: tuple[float, Mapping[TopicPartition, Mark]] | None = None

    def look(self) -> Lag:
        """Look once; blocks for as long as the broker takes.

        Raises
        ------
        UsageError
            When an input topic is missing.
        RewakeError
            When the cluster does not answer.
        """
        settings = self._settings
        with topics_admin.connect(settings) as admin:
            inputs = [settings.topic(name) for name in topics.INPUTS]
            counts = topics_admin.partition_counts(admin, inputs)
            tps = [TopicPartition(t, p) for t, count in counts.items() for p in range(count)]
            described, offsets = _group(admin, settings.app, tps)
            marks = self._marks(admin, offsets)
        moment, now = time.monotonic(), time.time_ns() // 1_000_000
        members = tuple(_members(described, frozenset(counts)))
        then, before = self._before or (moment, {})
        self._before = moment, marks
        partitions = []
        for tp, mark in marks.items():
            seconds = _age(mark, now)
            past = before.get(tp)
            rate = None
            if past is not None and moment > then:
                rate = (mark.position - past.position) / (moment - then)
            status = judge(past, mark, seconds, bool(members), self._warn_s, self._stall_s)
            partitions.append(
                PartitionLag(
                    tp.topic,
                    tp.partition,
                    mark.committed,
                    mark.end,
                    mark.lag,
                    seconds,
                    rate,
                    status,
                )
            )
        state = str(described["group_state"]) or "Dead"
        return Lag(now, settings.app, state, members, tuple(partitions))

    def _marks(
        self, admin: KafkaAdminClient, committed: Mapping[TopicPartition, int | None]
    ) -> dict[TopicPartition, Mark]:
        # Asked after the group's offsets: an end is never below them.
        starts = admin.list_partition_offsets(dict.fromkeys(committed, OffsetSpec.EARLIEST))
        ends = admin.list_partition_offsets(
            dict.fromkeys(committed, OffsetSpec.LATEST), "read_committed"
        )
        marks = {
            tp: Mark(offset, starts[tp].offset, ends[tp].offset) for tp, offset in committed.items()
        }
        appended = _appended(self._settings, {tp: m.position for tp, m in marks.items() if m.lag})
        return {tp: mark._replace(appended=appended.get(tp)) for tp, mark in marks.items()}


def judge(
    before: Mark | None,
    mark: Mark,
    seconds: float | None,
    attended: bool,
    warn_s: float = WARN_S,
    stall_s: float = STALL_S,
) -> Status:
    """Say how a topic-partition does.

    Parameters
    ----------
    before, mark
        The look before (None at the first) and this one.
    seconds
        Age of the oldest record not applied.
    attended
        Whether anybody is in the group.
    warn_s, stall_s
        See `LagWatch`.

    Examples
    --------
    >>> judge(Mark(10, 0, 40), Mark(10, 0, 50), 31.0, attended=True).value
    'STALL'
    >>> judge(Mark(10, 0, 40), Mark(30, 0, 90), 31.0, attended=True).value
    'WARN'
    """
    if before is not None and mark.position < before.position:
        return Status.REWIND
    if not mark.lag:
        return Status.OK
    if not attended:
        return Status.STOP
    age = 0.0 if seconds is None else seconds
    if before is not None and mark.position == before.position and age >= stall_s:
        return Status.STALL
    growing = before is not None and mark.lag > before.lag
    return Status.WARN if growing and age >= warn_s else Status.OK


def _group(
    admin: KafkaAdminClient, group: str, tps: list[TopicPartition]
) -> tuple[Mapping[str, Any], dict[TopicPartition, int | None]]:
    """Return how the broker describes the group, and its offsets.

    A coordinator that is just being found, as on a cluster that has had no group yet, is given
    `_COORDINATOR_S`.
    """
    deadline = time.monotonic() + _COORDINATOR_S
    while True:
        try:
            described = admin.describe_groups([group])[group]
            found = admin.list_group_offsets({group: tps})[group]
        except KafkaError as error:
            if not error.retriable or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            offsets = {tp: at.offset for tp, at in found.items() if at.offset >= 0}
            return described, {tp: offsets.get(tp) for tp in tps}


def _age(mark: Mark, now: Instant) -> float | None:
    if not mark.lag:
        return 0.0
    return None if mark.appended is None else max(0, now - mark.appended) / 1000


def _appended(
    settings: Settings, waiting: Mapping[TopicPartition, int]
) -> dict[TopicPartition, Instant]:
    """Read when the first records at or behind some offsets were appended."""
    found: dict[TopicPartition, Instant] = {}
    if not waiting:
        return found
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka.split(","),
        client_id=f"{settings.app}-lag",
        isolation_level="read_committed",
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_FETCH_BYTES,
        **settings.kafka_security(),
    )
    try:
        consumer.assign(list(waiting))
        for tp, offset in waiting.items():
            consumer.seek(tp, offset)
        deadline = time.monotonic() + _AGES_S
        while len(found) < len(waiting) and time.monotonic() < deadline:
            for tp, records in consumer.poll(timeout_ms=200).items():
                found.setdefault(tp, records[0].timestamp)
                consumer.pause(tp)
    finally:
        consumer.close()
    return found


def _members(described: Mapping[str, Any], names: frozenset[str]) -> Iterable[Member]:
    for each in described["members"]:
        assignment = each["member_assignment"] or {}
        owned = {
            partition
            for topic in assignment.get("assigned_partitions", ())
            if topic["topic"] in names
            for partition in topic["partitions"]
        }
        yield Member(each["client_id"], each["client_host"].lstrip("/"), tuple(sorted(owned)))
