"""Gather from Kafka what there is about a sample of customers, exact on a live system.

Responsible for what is read in which order. The changelog first, up to its last stable offset: it
ends with a transaction, so the rows and the position record fit each other, and the record says up
to which offsets the inputs are contained in them. The inputs then, up to there and no further. The
changes and the dead letters up to where their logs ended after that: whatever belongs to the rows
lies before. Must not judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka import TopicPartition

from schemas import topics
from schemas.changes import Change
from schemas.changes import decode as decode_change
from schemas.dead_letters import read_verdict
from schemas.errors import Rejected, StateMissing
from segmenters.instants import FAR
from streams import position
from streams.audit.recount import Arrival
from streams.partitioner import partitions_of
from streams.position import POSITION_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aiokafka.structs import ConsumerRecord

    from schemas.vocabulary import Instant
    from streams.audit.logs import Logs
    from streams.audit.recount import Definition
    from streams.audit.sampling import Sample
    from streams.position import PositionRecord
    from streams.settings import Settings

NO_CUSTOMER: Final = b"\xff"
"""How keys begin that are never valid UTF-8: those of what stands beside the rows."""
_LOG_APPEND_TIME: Final = 1


class Names(NamedTuple):
    """What the topics are called; ``inputs`` in rank order."""

    changelog: str
    inputs: tuple[str, ...]
    changes: str
    dead_letters: str

    @classmethod
    def of(cls, settings: Settings) -> Names:
        """Name the topics of an app."""
        inputs = tuple(map(settings.topic, topics.INPUTS))
        changes, letters = map(settings.topic, (topics.CHANGES, topics.DEAD_LETTERS))
        return cls(topics.changelog(settings.app), inputs, changes, letters)


@dataclass(slots=True)
class Evidence:
    """What there is about one customer.

    Attributes
    ----------
    partition
        The customer's.
    row, offset
        The changelog value and its offset; None where there is none.
    arrivals
        Facts contained in the state, in offset order per topic.
    refused
        Events with a dead letter.
    unreadable
        Events without one that the oracle cannot read all the same.
    told
        Changes, in the order of their log.
    """

    partition: int
    row: bytes | None = None
    offset: int = -1
    arrivals: list[Arrival] = field(default_factory=list)
    refused: int = 0
    unreadable: int = 0
    told: list[Change] = field(default_factory=list)


class Partition(NamedTuple):
    """What is known of one partition.

    Attributes
    ----------
    record
        Its position record.
    since
        Append time from which on all its inputs are still there; 0 where they are from their start,
        FAR where nobody can say.
    changes_whole
        Whether its changes still begin with their first record.
    """

    record: PositionRecord
    since: Instant
    changes_whole: bool

    @property
    def whole(self) -> bool:
        """Whether its inputs are there from their start."""
        return self.since == 0


class Gathered(NamedTuple):
    """All that was read.

    Attributes
    ----------
    customers
        Customer id → evidence.
    partitions
        Those that somebody has worked on.
    letters_whole
        Whether the dead letters still begin with their first.
    records
        How many records were read.
    """

    customers: dict[bytes, Evidence]
    partitions: dict[int, Partition]
    letters_whole: bool
    records: int


class Gathering:
    """Reads; used once.

    Parameters
    ----------
    logs
        The open topics.
    names
        What they are called.
    counts
        Topic → number of partitions.
    sample
        Whom to look at.
    definition
        How events are read.
    bar
        Adds a progress bar.
    """

    def __init__(
        self,
        logs: Logs,
        names: Names,
        counts: Mapping[str, int],
        sample: Sample,
        definition: Definition,
        bar: Callable[[str, str], Callable[[int, int], None]],
    ) -> None:
        self._logs = logs
        self._names = names
        self._counts = counts
        self._sample = sample
        self._definition = definition
        self._bar = bar
        self._customers: dict[bytes, Evidence] = {}
        self._records: dict[int, PositionRecord] = {}
        self._letters: set[tuple[str, int, int]] = set()
        self._events: list[tuple[bytes, TopicPartition, int, int, bytes | None]] = []
        self._begins: dict[TopicPartition, Instant] = {}
        self._read = 0

    async def gather(self, check: Callable[[int, PositionRecord], None]) -> Gathered:
        """Read everything.

        Parameters
        ----------
        check
            Raises when the state of a partition cannot be audited.
        """
        numbers = self._numbers()
        await self._read_state(numbers)
        for number, record in self._records.items():
            check(number, record)
        return await self._read_rest()

    def _numbers(self) -> list[int]:
        """Return the partitions to look at: all, or those of the customers named."""
        count = self._counts[self._names.changelog]
        named = list(self._sample.chosen)
        return sorted(set(partitions_of(named, count).tolist())) if named else list(range(count))

    # ---- the changelog

    async def _read_state(self, numbers: Iterable[int]) -> None:
        tps = [TopicPartition(self._names.changelog, number) for number in numbers]
        starts, ends = await self._logs.starts(tps), await self._logs.stable_ends(tps)
        ranges = {tp: (starts[tp], ends[tp]) for tp in tps}
        progress = self._bar("state", "offsets")
        async for tp, records in self._logs.read(ranges, progress):
            for record in records:
                self._take_state(tp.partition, record)
        without = {e.partition for e in self._customers.values()} - set(self._records)
        if without:
            raise StateMissing(
                f"expected a position record beside the rows of partition {min(without)}, found "
                "none in the changelog; is something else writing to this topic?"
            )

    def _take_state(self, number: int, record: ConsumerRecord[bytes, bytes]) -> None:
        self._read += 1
        key = record.key or b""
        if key == POSITION_KEY:
            self._records[number] = position.read(record.value or b"")
        if key.startswith(NO_CUSTOMER):
            return
        for out in self._sample.offer(key):
            self._customers.pop(out, None)
        if key in self._sample.chosen:
            evidence = self._customers.setdefault(key, Evidence(number))
            evidence.row, evidence.offset = record.value, record.offset

    # ---- everything else

    async def _read_rest(self) -> Gathered:
        inputs = [
            TopicPartition(name, number) for name in self._names.inputs for number in self._records
        ]
        changes = [TopicPartition(self._names.changes, number) for number in self._records]
        letters = [
            TopicPartition(self._names.dead_letters, number)
            for number in range(self._counts[self._names.dead_letters])
        ]
        starts = await self._logs.starts([*inputs, *changes, *letters])
        ends = await self._logs.written_ends([*changes, *letters])
        for tp in inputs:
            at = self._records[tp.partition].inputs.get(tp.topic)
            ends[tp] = starts[tp] if at is None else at.offset
        progress = self._bar("inputs, changes, dead letters", "offsets")
        ranges = {tp: (starts[tp], end) for tp, end in ends.items()}
        takers: dict[str, Any] = {
            self._names.changes: self._take_change,
            self._names.dead_letters: self._take_letter,
        }
        async for tp, records in self._logs.read(ranges, progress):
            take = takers.get(tp.topic, self._take_event)
            self._read += len(records)
            if records and tp not in self._begins:
                stamped = records[0].timestamp_type == _LOG_APPEND_TIME
                self._begins[tp] = records[0].timestamp if stamped else FAR
            for record in records:
                take(tp, record)
        self._sort_events()
        partitions = {}
        for number, record in self._records.items():
            mine = [tp for tp in inputs if tp.partition == number and starts[tp] > 0]
            since = max((self._begins.get(tp, FAR) for tp in mine), default=0)
            changes_whole = starts[TopicPartition(self._names.changes, number)] == 0
            partitions[number] = Partition(record, since, changes_whole)
        whole = not any(starts[tp] for tp in letters)
        return Gathered(self._customers, partitions, whole, self._read)

    def _take_change(self, _: TopicPartition, record: ConsumerRecord[bytes, bytes]) -> None:
        key = record.key or b""
        if self._sample.admits(key):
            self.evidence(key).told.append(decode_change(record.value or b""))

    def _take_letter(self, _: TopicPartition, record: ConsumerRecord[bytes, bytes]) -> None:
        if record.key is None or self._sample.admits(record.key):
            try:
                origin = read_verdict(record.headers).origin
            except Rejected:
                return  # not written by a worker: it refuses nothing
            self._letters.add((origin.topic, origin.partition, origin.offset))

    def _take_event(self, tp: TopicPartition, record: ConsumerRecord[bytes, bytes]) -> None:
        key = record.key
        if key is not None and self._sample.admits(key):
            stamped = record.timestamp_type == _LOG_APPEND_TIME
            appended = record.timestamp if stamped else -1
            self._events.append((key, tp, record.offset, appended, record.value))

    def _sort_events(self) -> None:
        """Make facts of the events that were not refused."""
        self._events.sort(key=lambda event: (event[1].topic, event[2]))
        for key, tp, offset, appended, value in self._events:
            evidence = self.evidence(key)
            if (tp.topic, tp.partition, offset) in self._letters:
                evidence.refused += 1
                continue
            rank = self._names.inputs.index(tp.topic)
            fact = self._definition.read(rank, value)
            if fact is None or fact.customer.encode() != key or evidence.partition != tp.partition:
                evidence.unreadable += 1
            else:
                when = fact.ts if appended < 0 else appended
                evidence.arrivals.append(Arrival(fact, rank, offset, when))

    def evidence(self, key: bytes) -> Evidence:
        """Return the evidence of a customer; one without a row belongs where its key says."""
        found = self._customers.get(key)
        if found is None:
            home = int(partitions_of([key], self._counts[self._names.changelog])[0])
            found = self._customers[key] = Evidence(home)
        return found
