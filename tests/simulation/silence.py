"""Judge the simplest thing that has deadlines: a customer is active, and silent after a while.

Responsible for an engine behind the delivery path's port whose whole state is a few numbers, and
for the naive answer to compare it with. A row knows how many facts it holds and a digest of their
ids in order, so that every loss, repetition and swap shows.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import orjson

from schemas.changes import Change, Words, change_id
from schemas.profiles import Profile, Standing
from tests.streams.counting import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segmenters.batch import EventBatch
    from streams.runs import IntArray

PATIENCE_MS = 20_000
"""Silent from exactly so long after the last fact on."""
_WORDS = Words("阶段", "stage")


class Row(NamedTuple):
    """What is known of one customer."""

    segment: str | None = None
    last: int = 0
    facts: int = 0
    chain: str = ""
    sequence: int = 0
    version: int = 0


class Told(NamedTuple):
    """A change, as far as it is compared."""

    customer: str
    sequence: int
    segment: str
    at: int
    cause: str


def linked(chain: str, event_id: str) -> str:
    """Add an event's id to the digest of those before it."""
    return blake2b((chain + event_id).encode(), digest_size=6).hexdigest()


def expected(customer: str, facts: Sequence[tuple[int, str]], clock: int) -> tuple[Row, list[Told]]:
    """Say what becomes of facts in order of time, and of the deadlines before the clock."""
    told: list[Told] = []
    chain = ""
    for index, (ts, event_id) in enumerate(facts):
        before = facts[index - 1][0] if index else None
        if before is None:
            told.append(Told(customer, len(told) + 1, "active", ts, "event"))
        elif ts > before + PATIENCE_MS:
            told.append(Told(customer, len(told) + 1, "silent", before + PATIENCE_MS, "clock"))
            told.append(Told(customer, len(told) + 1, "active", ts, "event"))
        chain = linked(chain, event_id)
    if facts and facts[-1][0] + PATIENCE_MS < clock:
        at = facts[-1][0] + PATIENCE_MS
        told.append(Told(customer, len(told) + 1, "silent", at, "clock"))
    if not facts:
        return Row(), told
    return Row(told[-1].segment, facts[-1][0], len(facts), chain, len(told)), told


class SilenceEngine:
    """A partition's engine."""

    def __init__(self) -> None:
        self.rows: dict[bytes, int] = {}
        self.keys: list[bytes] = []
        self.cells: list[Row] = []

    @property
    def customers(self) -> int:
        return len(self.keys)

    def find_rows(self, customers: Sequence[bytes]) -> IntArray:
        return np.array([self.rows.get(key, -1) for key in customers], np.int64)

    def _row(self, key: bytes) -> int:
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = len(self.keys)
            self.keys.append(key)
            self.cells.append(Row())
        return row

    def apply(self, batch: EventBatch, clock: int) -> Tally:
        del clock
        tally = Tally(np.empty(0, np.int64))
        dirty = set()
        columns = zip(batch.customers, batch.ts.tolist(), batch.event_ids, strict=True)
        for key, ts, event_id in columns:
            row = self._row(key)
            self._settle(row, ts, tally)
            cell = self.cells[row]
            if cell.segment != "active":
                self._tell(row, "active", ts, "event", tally)
                cell = self.cells[row]
            tally.late += ts < cell.last
            self.cells[row] = cell._replace(
                last=max(cell.last, ts),
                facts=cell.facts + 1,
                chain=linked(cell.chain, event_id),
                version=cell.version + 1,
            )
            dirty.add(row)
        tally.dirty = np.array(sorted(dirty), np.int64)
        return tally

    def tick(self, clock: int, inclusive: bool = False, limit: int = 5_000) -> Tally:
        assert not inclusive
        tally = Tally(np.empty(0, np.int64))
        due = [
            row
            for row, cell in enumerate(self.cells)
            if cell.segment == "active" and cell.last + PATIENCE_MS < clock
        ]
        tally.more = len(due) > limit
        for row in due[:limit]:
            self._settle(row, clock, tally)
        tally.dirty = np.array(due[:limit], np.int64)
        return tally

    def _settle(self, row: int, instant: int, tally: Tally) -> None:
        cell = self.cells[row]
        if cell.segment == "active" and cell.last + PATIENCE_MS < instant:
            self._tell(row, "silent", cell.last + PATIENCE_MS, "clock", tally)

    def _tell(self, row: int, to: str, at: int, cause: str, tally: Tally) -> None:
        cell = self.cells[row]
        customer, sequence = self.keys[row].decode(), cell.sequence + 1
        change = Change(
            change_id(customer, "stage", sequence, cell.segment, to, at),
            sequence, customer, "stage", cell.segment, to, at, at, cause, None, None, "-", _WORDS,
        )  # fmt: skip
        tally.told.append((self.keys[row], change))
        self.cells[row] = cell._replace(segment=to, sequence=sequence, version=cell.version + 1)

    def dump_rows(self, rows: IntArray) -> list[tuple[bytes, bytes]]:
        return [(self.keys[row], orjson.dumps(list(self.cells[row]))) for row in rows.tolist()]

    def load_rows(self, keys: list[bytes], values: list[bytes]) -> None:
        for key, value in zip(keys, values, strict=True):
            self.cells[self._row(key)] = Row(*orjson.loads(value))

    def wind(self) -> None:
        """Deadlines are read off the rows."""

    def profiles(self, rows: IntArray) -> list[Profile]:
        return [
            Profile(
                self.keys[row].decode(),
                {"stage": Standing(str(cell.segment), cell.last)},
                cell.sequence,
                cell.version,
            )
            for row in rows.tolist()
            for cell in [self.cells[row]]
        ]
