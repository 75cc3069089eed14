"""Keep the ledgers of the owned partitions as one Faust table.

Responsible for reading them back from the changelog and for dropping them. Must not write the
changelog (`streams.effects` does, in transactions), and must never raise inside Faust's recovery,
which would wait for ever: errors are remembered and stop the worker loudly.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import structlog
from faust.tables.table import Table
from faust.types import TP

from schemas.errors import ChangelogCorrupt, ContinuityBroken, LayoutChanged
from streams import position, succession
from streams.inventory import Inventory
from streams.position import POSITION_KEY
from streams.succession import RULES_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from faust.types import EventT

    from streams.delivery.scheduler import Chunk
    from streams.ports import Changeover, PartitionEngine
    from streams.position import PositionRecord
    from streams.runs import IntArray
    from streams.succession import Succession

_log: Final = structlog.get_logger(__name__)
NO_ROWS: Final = (POSITION_KEY, RULES_KEY)
RECOVERY_BUFFER: Final = 4
"""Chunks Faust gathers before it hands them over; 1 takes another, broken path in Faust."""


class PartitionState:
    """What is known of one partition: its engine and how far its changelog is contained in it.

    Parameters
    ----------
    engine
        Takes the rows.
    succession
        Sees to rows that other rules have written; None for an engine without rules.

    Attributes
    ----------
    engine
        The rows.
    record
        The latest position record; None before the first.
    offset
        Last changelog offset whose record is contained; None when nothing was read or written.
    read
        Next changelog offset expected from recovery; None before its first chunk.
    inventory
        What the changelog holds of the rows.
    restored, restored_bytes
        Rows taken back and their values' bytes, for the log.
    """

    __slots__ = (
        "_all_uncached", "_begun", "_cached", "_hidden", "_succession", "_uncached", "_unwound",
        "engine", "inventory", "offset", "read", "record", "restored", "restored_bytes",
    )  # fmt: skip

    def __init__(self, engine: PartitionEngine, succession: Succession | None = None) -> None:
        self.engine = engine
        self._succession = succession
        self.record: PositionRecord | None = None
        self.offset: int | None = None
        self.read: int | None = None
        self.inventory = Inventory()
        self.restored = 0
        self.restored_bytes = 0
        self._unwound = False
        self._begun: int | None = None
        self._hidden = False
        self._cached = -1
        self._all_uncached = True
        self._uncached: set[bytes] = set()

    def cached_up_to(self, offset: int) -> None:
        """Take note of the changelog offset the cache has reached, before recovery reads on."""
        self._cached = offset
        self._all_uncached = offset < (0 if self.offset is None else self.offset)
        self._uncached.clear()

    def uncached(self) -> IntArray:
        """Return the rows the cache may not hold; those of other rules come when they are moved."""
        rows = np.arange(self.engine.customers)
        if not self._all_uncached:
            rows = self.engine.find_rows(list(self._uncached))
        return rows if self.changeover is None else np.setdiff1d(rows, self.changeover.rows())

    def load(self, chunk: Chunk) -> None:
        """Take a chunk of the changelog.

        Raises
        ------
        ContinuityBroken
            When changelog offsets are missing in front of it.
        ChangelogCorrupt, LayoutChanged
            When it holds what no worker has written, or not one with these rules.
        """
        if self.read is not None and chunk.begin > self.read:
            raise ContinuityBroken(
                f"{chunk.topic}, partition {chunk.partition}: expected offset {self.read} next, "
                f"got {chunk.begin}; restart the worker, it reads the changelog anew"
            )
        records = chunk.records
        if self.read is not None and chunk.begin < self.read:
            records = [record for record in records if record.offset >= (self.read or 0)]
        try:
            self._load([record.key for record in records], [record.value for record in records])
        except (ChangelogCorrupt, LayoutChanged) as error:
            where = f"{chunk.topic}, partition {chunk.partition}, offsets {chunk.begin}"
            raise type(error)(f"{where} to {chunk.end - 1}: {error}") from error
        if not self._all_uncached and chunk.end > self._cached:
            fresh = (r.key for r in records if r.offset > self._cached and r.key not in NO_ROWS)
            self._uncached.update(key for key in fresh if key is not None)
        if self.offset is None:
            self._begun = chunk.begin
        self.read = max(chunk.end, self.read or 0)
        self.offset = self.read - 1
        if chunk.answer is not None:
            self._hidden = not chunk.answer.caught_up

    def _load(self, keys: list[bytes | None], values: list[bytes | None]) -> None:
        rows: dict[bytes, bytes] = {}
        for key, value in zip(keys, values, strict=True):
            if key == POSITION_KEY and value is not None:
                self.record = position.read(value)
            elif key == RULES_KEY and value is not None and self._succession is not None:
                self._succession.known = succession.read(value)
            elif key is None or value is None:
                self._refuse(key)
            else:
                rows[key] = value
        if rows:
            self.engine.load_rows(list(rows), list(rows.values()))
            self.inventory.write(self.engine.find_rows(list(rows)), list(rows.items()))
            self.restored += len(rows)
            self.restored_bytes += sum(map(len, rows.values()))
            self._unwound = True

    def wind(self, where: str = "") -> None:
        """Derive the deadlines of what was taken back; ``where`` names it in errors.

        Raises
        ------
        DeliveryError
            When rows were written under rules from which these cannot take over.
        """
        changing = self._succession is not None and self._succession.begin(self.record, where)
        if self._unwound and not changing:
            self.engine.wind()
        self._unwound = False

    @property
    def changeover(self) -> Changeover | None:
        """The customers who are still under other rules."""
        return None if self._succession is None else self._succession.changeover

    def beside(self) -> list[tuple[bytes, bytes]]:
        """Return what has to stand beside the rows in the changelog, where it has changed."""
        return [] if self._succession is None else self._succession.due()

    def verify(self, where: str, start: int, end: int) -> None:
        """Check, once all is read, that it is all, and what was written.

        Parameters
        ----------
        where
            Names the changelog partition.
        start, end
            Its log start and its last stable offset.

        Raises
        ------
        ContinuityBroken
            When a part was not read: thrown away on its way, or hidden by an open transaction (our
            own were ended before recovery began).
        ChangelogCorrupt
            When rows are missing, or not those the position record vouches for.
        """
        begun = start if self._begun is None else self._begun
        upto = start if self.offset is None else self.offset + 1
        if begun > start or upto < end:
            raise ContinuityBroken(
                f"{where}: expected offsets {start} to {end - 1} to be read back, got {begun} to "
                f"{upto - 1}; restart the worker, it reads the changelog anew"
            )
        if self._hidden:
            raise ContinuityBroken(
                f"{where}: expected to read the changelog to its end, an open transaction of "
                "somebody else hides the end; nothing else may write to this topic: end that "
                "producer, and restart the worker when the broker has aborted its transaction"
            )
        if self.record is not None:
            position.verify(self.record, self.inventory, where)

    def _refuse(self, key: bytes | None) -> None:
        what = "a record without a key" if key is None else "a tombstone"
        raise ChangelogCorrupt(
            f"expected rows and positions in the changelog, got {what}; nothing else may write to "
            "this topic: restore it from a backup"
        )


class LedgerTable(Table[bytes, bytes]):
    """The ledgers as a Faust table; Faust's own store stays empty.

    Parameters
    ----------
    app
        The Faust app; see `streams.app`.
    new_engine
        Makes the empty engine of a partition.
    new_succession
        Makes what sees to rows of other rules; by default such rows are not looked for.
    """

    _new_succession: Callable[[Any], Succession] | None = None

    app: Any
    mundane_level = "debug"

    def __init__(
        self,
        app: Any,
        *,
        new_engine: Callable[[], PartitionEngine],
        new_succession: Callable[[Any], Succession] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(app, recovery_buffer_size=RECOVERY_BUFFER, **kwargs)
        self.states: dict[int, PartitionState] = {}
        self._new_engine = new_engine
        self._new_succession = new_succession
        self._begun = time.monotonic()

    def state_of(self, partition: int) -> PartitionState:
        """Return the state of a partition, an empty one for a new partition."""
        found = self.states.get(partition)
        if found is None:
            engine, make = self._new_engine(), self._new_succession
            succession = None if make is None else make(engine)
            found = self.states[partition] = PartitionState(engine, succession)
        return found

    def drop(self, partition: int) -> None:
        """Forget a partition, and let Faust's recovery forget it, too.

        Recovery keeps the offset it had reached otherwise, and reads nothing the next time.
        """
        self.states.pop(partition, None)
        self.app.tables.recovery.revoke(TP(self.changelog_topic_name, partition))

    # ---- what Faust calls

    def persisted_offset(self, tp: TP) -> int | None:
        """Return the changelog offset from which recovery goes on; None: from the start."""
        found = self.states.get(tp.partition)
        return None if found is None else found.offset

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]]) -> None:
        """Take chunks read by recovery; never raises.

        Faust also hands over, at the next rebalance, what it had buffered at the last one. By then
        the partition may be somebody else's, or is read anew: such a chunk's epoch has passed.
        """
        for event in batch:
            chunk = cast("Chunk", event.value)
            state = self.states.get(chunk.partition)
            if self.app.failure is not None:
                return
            if state is None or chunk.epoch != self.app.consumer.epoch(event.message.tp):
                continue
            try:
                state.load(chunk)
            except Exception as error:  # noqa: BLE001 - raised here, it would hang the recovery
                self.app.fail(error)

    async def on_rebalance(
        self,
        assigned: set[TP],
        revoked: set[TP],
        newly_assigned: set[TP],
        generation_id: int = 0,
    ) -> None:
        """Fence the previous owners before recovery reads the changelog."""
        del assigned, revoked, newly_assigned
        name = self.changelog_topic_name
        actives = {tp.partition for tp in self.app.assignor.assigned_actives() if tp.topic == name}
        for partition in list(self.states):
            if partition not in actives:
                self.drop(partition)
            else:  # kept: read on behind what it contains
                self.states[partition].read = self.states[partition].offset
        for partition in actives:
            # Where nothing was taken from what an interrupted recovery has seen, it would go on
            # behind that; what was taken says `persisted_offset`.
            self.app.tables.recovery.revoke(TP(name, partition))
        await self.app.ownership.open(actives, generation_id)
        self._begun = time.monotonic()

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Take over the recovered partitions; errors are not raised, Faust would not look."""
        del standby_tps
        states = [self.state_of(tp.partition) for tp in active_tps]
        _log.info(
            "recovered",
            partitions=len(states),
            rows=sum(state.restored for state in states),
            bytes=sum(state.restored_bytes for state in states),
            seconds=round(time.monotonic() - self._begun, 3),
        )
        if self.app.failure is None:
            try:
                await self.app.ownership.take({tp.partition for tp in active_tps})
            except Exception as error:  # noqa: BLE001
                self.app.fail(error)
