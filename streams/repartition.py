"""Move an app's state to topics of another partition count.

Responsible for the one transaction in which everything goes over: the rows, each to the partition
its customer has there; what the inputs hold that was not applied yet; the position records; and the
notes in the old changelog that its state has gone. Must not judge: rows travel as they are written,
so neither rules nor an engine are needed, and nothing is replayed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from kafka.admin import ConfigResource
from msgspec.structs import replace

from schemas import topics
from schemas.errors import ChangelogCorrupt, RewakeError, StateMissing, UsageError
from streams import position, succession
from streams.app import FAMILIES
from streams.bulk import Record, reading, transaction
from streams.delivery.producer import PartitionProducer
from streams.inventory import Inventory
from streams.partitioner import partitions_of
from streams.position import POSITION_KEY, InputPosition, PositionRecord
from streams.succession import RULES_KEY
from streams.topics_admin import connect, create, diff, plan
from streams.wall import WallClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from kafka import KafkaAdminClient

    from streams.bulk import BulkWriter, LogReader
    from streams.settings import Settings
    from streams.succession import RulesRecord

_CREATE_TIME: Final = 0


class Moved(NamedTuple):
    """What was moved.

    Attributes
    ----------
    customers
        Rows.
    unread
        Records of the inputs that had not been applied, and now wait in the new ones.
    before, after
        Partition counts.
    """

    customers: int
    unread: int
    before: int
    after: int


class _Topics(NamedTuple):
    """Partition counts of the old topics, and ids of the new inputs."""

    partitions: int
    inputs: Mapping[str, int]
    ids: Mapping[str, str]


class _State(NamedTuple):
    """One partition of the old changelog."""

    tp: TopicPartition
    record: PositionRecord | None
    inventory: Inventory
    rules: RulesRecord | None = None


async def repartition(
    settings: Settings,
    target: Settings,
    progress: Callable[[int, int], None] = lambda _done, _whole: None,
) -> Moved:
    """Move the state of an app into the topics of another one; create those that are missing.

    Workers of both, and producers, have to be stopped until this has returned. It moves everything
    or nothing, and may be repeated until it has succeeded.

    Parameters
    ----------
    settings
        Of the app as it is.
    target
        Of the app as it will be: its name, topic prefix and partition count.
    progress
        Called with changelog offsets read and offsets in all.

    Raises
    ------
    UsageError
        When the two are not apart, there is nothing to move or the target is in use.
    DeliveryError
        When the state cannot be read back as it was written.
    RewakeError
        When workers still run, or Kafka does not do as asked.
    """
    found = await asyncio.to_thread(_prepare, settings, target)
    connection = {"bootstrap_servers": settings.kafka, **settings.kafka_security()}
    try:
        async with (
            _fenced(settings, connection, found.partitions),
            reading(connection) as reader,
            transaction(f"{target.app}-repartition", connection) as writer,
        ):
            return await _Move(settings, target, found, reader, writer).run(progress)
    except (KafkaError, TimeoutError, OSError) as error:
        message = f"expected Kafka at {settings.kafka} to do what was asked, it said {error!r}"
        raise RewakeError(f"{message}; nothing was moved: repeat it") from error
    finally:
        await asyncio.to_thread(_stamp, target, "LogAppendTime")


def _prepare(settings: Settings, target: Settings) -> _Topics:
    if target.app == settings.app or target.topic_prefix == settings.topic_prefix:
        raise UsageError(
            f"expected another app and another prefix than {settings.app!r} and "
            f"{settings.topic_prefix!r}, got {target.app!r} and {target.topic_prefix!r}"
        )
    changelog = topics.changelog(settings.app)
    inputs = [settings.topic(name) for name in FAMILIES]
    with connect(settings) as admin:
        described = admin.describe_topics([changelog, *inputs])
        counts = {t["name"]: len(t["partitions"]) for t in described if not t["error_code"]}
        missing = {changelog, *inputs} - counts.keys()
        if missing:
            raise UsageError(
                f"expected the topics {', '.join(sorted(missing))}, found none of that name; are "
                "REWAKE_APP and REWAKE_TOPIC_PREFIX those of the app to be moved?"
            )
        _refuse_members(admin, [settings.app, target.app])
        plans = plan(target)
        create(admin, plans)
        for difference in diff(admin, plans):
            if difference.what == "partitions":
                raise UsageError(f"{difference}; delete the topic, or choose another prefix")
        described = admin.describe_topics([target.topic(name) for name in FAMILIES])
    ids = {each["name"]: str(each.get("topic_id") or "") for each in described}
    return _Topics(counts[changelog], {name: counts[name] for name in inputs}, ids)


def _refuse_members(admin: KafkaAdminClient, apps: Sequence[str]) -> None:
    for app, group in admin.describe_groups(list(apps)).items():
        if group["members"]:
            raise RewakeError(
                f"expected no worker of {app} to run, its group has {len(group['members'])} "
                "members; stop them (one that was killed leaves after REWAKE_SESSION_TIMEOUT), "
                "then repeat"
            )


def _stamp(target: Settings, kind: str) -> None:
    """Say whose time the records of the new inputs carry."""
    config = {"message.timestamp.type": kind}
    with connect(target) as admin:
        admin.alter_configs([ConfigResource("TOPIC", target.topic(n), config) for n in FAMILIES])


@asynccontextmanager
async def _fenced(
    settings: Settings, connection: Mapping[str, Any], partitions: int
) -> AsyncIterator[None]:
    """Hold the partitions as their owner does: nobody else can commit to them."""
    producers = [
        PartitionProducer(f"{settings.app}-{number}", connection, WallClock())
        for number in range(partitions)
    ]
    try:
        await asyncio.gather(*[producer.open() for producer in producers])
        yield
    finally:
        await asyncio.gather(*[producer.abandon() for producer in producers])


class _Move:
    """One run."""

    def __init__(
        self,
        settings: Settings,
        target: Settings,
        found: _Topics,
        reader: LogReader,
        writer: BulkWriter,
    ) -> None:
        self._settings, self._target, self._found = settings, target, found
        self._reader, self._writer = reader, writer
        self._changelog = topics.changelog(target.app)
        self._new = [Inventory() for _ in range(target.partitions)]
        self._clocks: dict[int, list[int]] = defaultdict(list)

    async def run(self, progress: Callable[[int, int], None]) -> Moved:
        if await self._holds(self._changelog):
            raise UsageError(
                f"expected {self._changelog} to be empty, it holds the state of an app; choose "
                "another name for the app"
            )
        old = topics.changelog(self._settings.app)
        ranges = await self._reader.ranges(old, self._found.partitions)
        whole = sum(span.end - span.start for span in ranges.values())
        states: list[_State] = []
        for done, (tp, span) in enumerate(ranges.items()):
            progress(whole * done // len(ranges), whole)
            states.append(await self._move_rows(tp, await self._reader.read(tp, *span)))
        progress(whole, whole)
        common = _common(states)
        unread = await self._move_unread([state.record for state in states])
        await self._write_rules(succession.joined(s.rules for s in states if s.rules is not None))
        await self._write_positions(common)
        for state in states:
            note = replace(state.record or common, moved_to=self._target.app)
            await self._write_position(state.tp, note, state.inventory)
        customers = sum(inventory.customers for inventory in self._new)
        return Moved(customers, unread, self._found.partitions, self._target.partitions)

    async def _holds(self, topic: str) -> bool:
        """Say whether a new topic holds committed records."""
        ranges = await self._reader.ranges(topic, self._target.partitions)
        return any([await self._reader.read(tp, *span) for tp, span in ranges.items()])

    # ---- rows

    async def _move_rows(self, tp: TopicPartition, records: Sequence[Any]) -> _State:
        """Write the rows of an old partition to the new ones, if they are as they were written."""
        where = f"{tp.topic}, partition {tp.partition}"
        rows = {each.key: each.value for each in records}
        if None in rows or None in rows.values():
            raise ChangelogCorrupt(
                f"{where}: expected rows and positions, got a record without a key or a value; "
                "nothing else may write to this topic: restore it from a backup"
            )
        written, rules = rows.pop(POSITION_KEY, None), rows.pop(RULES_KEY, None)
        inventory = Inventory()
        inventory.write(np.arange(len(rows)), list(rows.items()))
        if written is None:
            if rows:
                raise StateMissing(f"{where}: expected a position record beside {len(rows)} rows")
            return _State(tp, None, inventory)
        record = position.read(written)
        position.verify(record, inventory, where)
        if record.moved_to:
            raise UsageError(f"{where}: expected state, it was moved to {record.moved_to} before")
        await self._deal(rows, record.clock)
        return _State(tp, record, inventory, None if rules is None else succession.read(rules))

    async def _deal(self, rows: Mapping[bytes, bytes], clock: int) -> None:
        keys = list(rows)
        homes = partitions_of(keys, self._target.partitions)
        for number in np.unique(homes).tolist():
            part = [(keys[at], rows[keys[at]]) for at in np.flatnonzero(homes == number)]
            inventory = self._new[number]
            inventory.write(inventory.customers + np.arange(len(part)), part)
            self._clocks[number].append(clock)
            tp = TopicPartition(self._changelog, number)
            await self._writer.write(tp, [Record(key, value) for key, value in part])

    async def _write_rules(self, record: RulesRecord | None) -> None:
        """Have every new partition know the rules under which its rows were written."""
        for number in range(self._target.partitions) if record is not None else ():
            tp = TopicPartition(self._changelog, number)
            await self._writer.write(tp, [Record(RULES_KEY, succession.write(record))])

    # ---- positions

    async def _write_positions(self, common: PositionRecord) -> None:
        """Have every new partition begin at the log starts, with the clock its customers had."""
        starts: dict[TopicPartition, int] = {}
        for name in self._found.ids:
            ranges = await self._reader.starts(name, self._target.partitions)
            starts.update(ranges)
        known = [clock for clocks in self._clocks.values() for clock in clocks]
        for number, inventory in enumerate(self._new):
            inputs = {
                name: InputPosition(starts[TopicPartition(name, number)], None, topic_id)
                for name, topic_id in self._found.ids.items()
            }
            clock = min(self._clocks[number] or known, default=common.clock)
            moved_from = self._settings.app
            record = replace(common, inputs=inputs, clock=clock, moved_from=moved_from)
            await self._write_position(TopicPartition(self._changelog, number), record, inventory)

    async def _write_position(
        self, tp: TopicPartition, record: PositionRecord, inventory: Inventory
    ) -> None:
        value = position.write(position.seal(record, inventory))
        await self._writer.write(tp, [Record(POSITION_KEY, value)])

    # ---- what was not applied

    async def _move_unread(self, records: Sequence[PositionRecord | None]) -> int:
        """Carry over what was not applied, in the order it was appended."""
        moved = 0
        for name in FAMILIES:
            unread = await self._unread(self._settings.topic(name), records)
            if unread:
                await self._write_unread(self._target.topic(name), unread)
            moved += len(unread)
        return moved

    async def _unread(self, topic: str, records: Sequence[PositionRecord | None]) -> list[Any]:
        """Return records behind the positions; partitions added meanwhile are unread as a whole."""
        found: list[Any] = []
        ranges = await self._reader.ranges(topic, self._found.inputs[topic])
        for tp, span in ranges.items():
            record = records[tp.partition] if tp.partition < len(records) else None
            known = None if record is None else record.inputs.get(topic)
            begin = span.start if known is None else known.offset
            if not span.start <= begin <= span.end:
                raise RewakeError(
                    f"{topic}, partition {tp.partition}: expected the log to hold offset {begin}, "
                    f"it spans {span.start} to {span.end}: start a worker of "
                    f"{self._settings.app}, it says what happened and what to do"
                )
            found += await self._reader.read(tp, begin, span.end)
        # A customer may have gone to another partition meanwhile: append times order all of them,
        # and those of one partition stay as they are.
        return sorted(found, key=lambda each: each.timestamp)

    async def _write_unread(self, topic: str, unread: Sequence[Any]) -> None:
        if await self._holds(topic):
            raise RewakeError(
                f"expected {topic} to be empty while {len(unread):,} records of the old inputs are "
                "unread, producers write to it already; stop them, let the old workers read to "
                "the end, stop those, then repeat"
            )
        # Had they the time of this writing, the clock would run ahead of what is still unread.
        await asyncio.to_thread(_stamp, self._target, "CreateTime")
        piles: dict[int, list[Record]] = defaultdict(list)
        count = self._target.partitions
        homes = partitions_of([each.key or b"" for each in unread], count).tolist()
        for each, home in zip(unread, homes, strict=True):
            number = each.partition % count if each.key is None else home
            piles[number].append(Record(each.key, each.value, each.timestamp, each.headers))
        await self._writer.flush()
        for number, pile in piles.items():
            await self._writer.write(TopicPartition(topic, number), pile)
        if await self._writer.flush() != {_CREATE_TIME}:
            raise RewakeError(
                f"expected {topic} to keep the append times of what is carried over, the broker "
                "wrote its own; nothing was moved: repeat it"
            )


def _common(states: Sequence[_State]) -> PositionRecord:
    """Return what the position records of all partitions have in common."""
    records = [state.record for state in states if state.record is not None]
    if not records:
        raise UsageError(f"expected state under {states[0].tp.topic}, found none to be moved")
    alike = {
        position.write(replace(each, inputs={}, clock=0, customers=None, seal=None))
        for each in records
    }
    if len(alike) > 1:
        raise RewakeError(
            "expected all partitions to have been judged by the same rules, got several; let the "
            "workers start once under the rules in force, stop them, then repeat"
        )
    return position.read(alike.pop())
