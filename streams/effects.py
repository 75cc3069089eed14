"""Commit what the engine did, in the order it was called.

Responsible for one partition's effects: gathering them, one transaction at a time, and telling who
waits for durability (acknowledgement, then the cache) afterwards. Must not call the engine's apply
or tick, and must not know Faust.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from schemas import dead_letters
from schemas.changes import cloudevent_headers, encode
from schemas.dead_letters import Origin
from streams import position
from streams.delivery.producer import NO_HEADERS
from streams.inventory import Inventory
from streams.position import POSITION_KEY
from streams.transaction_size import TransactionSize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.changes import Change
    from schemas.profiles import Profile
    from schemas.vocabulary import Instant
    from streams.delivery.producer import Outgoing, PartitionProducer
    from streams.lanes import Letter
    from streams.ports import Judged, PartitionEngine
    from streams.position import PositionRecord
    from streams.runs import IntArray

LETTER_WEIGHT: Final = 1024
"""Bytes of a dead letter that weigh as much as a fact."""

LETTER_BYTES: Final = 2 * 1024 * 1024 - 4096
"""What a dead letter may take of the 2 MiB of its topic: a record and its batch have frames."""


class Target(NamedTuple):
    """Where one partition's effects go."""

    partition: int
    changelog: str
    changes: str
    dead_letters: str
    dead_partition: int
    source: str


class Durable(NamedTuple):
    """What has been committed.

    Attributes
    ----------
    record
        The position record of the transaction.
    offset
        Changelog offset of its marker, behind its last record.
    profiles
        Rendered as they are in it.
    settled
        Instant before which no deadline is left unsettled.
    changes
        The changes told.
    appended
        When the first of the facts was appended to its input; None without facts or a stamp.
    seconds
        What the transaction took.
    """

    record: PositionRecord
    offset: int
    profiles: Sequence[Profile]
    settled: Instant
    changes: Sequence[Change]
    appended: Instant | None
    seconds: float


class _Pending:
    """Effects that wait for the next transaction."""

    __slots__ = ("appended", "changes", "dirty", "letters", "profile_rows", "touched", "weight")

    def __init__(self) -> None:
        self.dirty: list[IntArray] = []
        self.profile_rows: list[IntArray] = []
        self.changes: list[tuple[bytes, Change]] = []
        self.letters: list[Letter] = []
        self.weight = 0
        self.appended: Instant | None = None
        self.touched = False


class Effects:
    """Effects of one partition.

    Parameters
    ----------
    engine
        Dumps the rows; always right after all calls whose effects were added.
    producer
        The partition's transactional producer.
    target
        Topics and partitions to write to.
    describe
        Returns the position record and the settled instant for everything added so far.
    render
        Renders profiles of rows, as they are in the transaction that is being built.
    now
        Wall clock, ms.
    on_durable
        Called after each commit.
    inventory
        What the changelog holds already; by default nothing, as of a new partition.
    beside
        Returns what else has to stand in the changelog beside the rows, where it has changed.
    bound_s
        Seconds after which the producer gives a commit up.
    """

    def __init__(
        self,
        engine: PartitionEngine,
        producer: PartitionProducer,
        target: Target,
        describe: Callable[[], tuple[PositionRecord, Instant]],
        render: Callable[[IntArray], Sequence[Profile]],
        now: Callable[[], Instant],
        on_durable: Callable[[Durable], None],
        inventory: Inventory | None = None,
        beside: Callable[[], Sequence[tuple[bytes, bytes]]] = tuple,
        *,
        bound_s: float = 45.0,
    ) -> None:
        self._engine = engine
        self._producer = producer
        self._target = target
        self._describe = describe
        self._render = render
        self._now = now
        self._on_durable = on_durable
        self._inventory = Inventory() if inventory is None else inventory
        self._beside = beside
        self._size = TransactionSize(bound_s)
        self._begun: float | None = None
        self._pending = _Pending()
        self._added = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._roomy = asyncio.Event()
        self._roomy.set()
        self.transactions = 0

    # ---- adding: no await, right after the engine's call

    def add(
        self,
        judged: Judged,
        letters: Sequence[Letter] = (),
        facts: int = 0,
        appended: Instant | None = None,
    ) -> None:
        """Take the effects of one call of the engine, and when its first fact was appended.

        Neighbours that wait together share the next transaction; a row they both touched is written
        once, as it is then.
        """
        pending = self._pending
        if len(judged.dirty):
            pending.dirty.append(judged.dirty)
        if len(judged.profile_rows):
            pending.profile_rows.append(judged.profile_rows)
        changes = judged.build_changes(self._now())
        pending.changes.extend(changes)
        pending.letters.extend(letters)
        letter_bytes = sum(len(letter.record.value or b"") for letter in letters)
        pending.weight += max(facts, len(judged.dirty)) + len(changes)
        pending.weight += len(letters) + letter_bytes // LETTER_WEIGHT
        if appended is not None and pending.appended is None:
            pending.appended = appended
        self.touch()

    def touch(self) -> None:
        """Have the position record written, whether or not there is more to write."""
        self._pending.touched = True
        if self._pending.weight >= self._size.limit:
            self._roomy.clear()
        self._idle.clear()
        self._added.set()

    @property
    def idle(self) -> bool:
        """Whether everything added is committed."""
        return self._idle.is_set()

    @property
    def untold(self) -> int:
        """Number of changes that wait for the next transaction."""
        return len(self._pending.changes)

    @property
    def has_room(self) -> bool:
        """Whether the engine may be called again."""
        begun = self._begun
        if begun is not None and asyncio.get_running_loop().time() - begun > self._size.slow_s:
            return False
        return self._roomy.is_set()

    @property
    def most(self) -> int:
        """How many facts, or customers, one call of the engine may take on."""
        return self._size.limit

    async def room(self) -> None:
        """Wait until the engine may be called again."""
        await self._roomy.wait()

    async def drained(self) -> None:
        """Wait until everything added is committed."""
        await self._idle.wait()

    # ---- committing: one task, one transaction in flight

    async def run(self) -> None:
        """Commit what was added, for ever.

        Raises
        ------
        ProducerFailed
            When a transaction failed; nothing of it may be acknowledged.
        """
        while True:
            await self._added.wait()
            self._added.clear()
            if self._pending.touched:
                await self._commit()
            if not self._pending.touched:
                self._idle.set()

    async def _commit(self) -> None:
        pending, self._pending = self._pending, _Pending()
        rows = _union(pending.dirty)
        record, settled = self._describe()
        written = self._engine.dump_rows(rows)
        # Ahead of the commit, which if it fails ends the partition: its state is dropped.
        self._inventory.write(rows, written)
        record = position.seal(record, self._inventory)
        changelog = [(key, value, NO_HEADERS) for key, value in (*written, *self._beside())]
        # Last, so that whoever has read the position has read all rows before it.
        changelog.append((POSITION_KEY, position.write(record), NO_HEADERS))
        profiles = self._render(_union(pending.profile_rows))
        target = self._target
        begun = self._begun = asyncio.get_running_loop().time()
        offsets = await self._producer.transact(
            [
                (target.changelog, target.partition, changelog),
                (target.changes, target.partition, changes_out(pending.changes, target.source)),
                (target.dead_letters, target.dead_partition, self._letters(pending.letters)),
            ]
        )
        self._begun = None
        seconds = asyncio.get_running_loop().time() - begun
        self._size.took(seconds, pending.weight)
        self.transactions += 1
        self._roomy.set()
        told = [change for _, change in pending.changes]
        # The commit's marker follows the last record: nobody else may write to this partition.
        offset = offsets[0] + 1
        self._on_durable(
            Durable(record, offset, profiles, settled, told, pending.appended, seconds)
        )

    def _letters(self, letters: Sequence[Letter]) -> list[Outgoing]:
        now = self._now()
        return [_outgoing(letter, self._target.partition, now) for letter in letters]


def changes_out(changes: Sequence[tuple[bytes, Change]], source: str) -> list[Outgoing]:
    """Return changes as records of the changes topic; ``source`` names the app that tells them."""
    return [(key, encode(change), cloudevent_headers(change, source)) for key, change in changes]


def _outgoing(letter: Letter, partition: int, now: Instant) -> Outgoing:
    record = letter.record
    origin = Origin(letter.topic, partition, record.offset)
    headers = [(name, content or b"") for name, content in record.headers]
    limit = LETTER_BYTES - len(record.key or b"")
    dead = dead_letters.encode(record.value, headers, letter.why, origin, now, limit=limit)
    return record.key, dead.value, dead.headers


def _union(rows: list[IntArray]) -> IntArray:
    """Return each row once; a sort is several times faster here than numpy's hashing `unique`."""
    if not rows:
        return np.empty(0, np.int64)
    ordered = np.sort(np.concatenate(rows))
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]
