"""Count facts per customer behind the engine's API: enough to see every loss and every repetition.

Each customer's row holds how many facts were applied, the sum of their amounts and a digest of
their event ids in order; every fourth fact makes a change.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from schemas.changes import Change, Words, change_id
from schemas.profiles import Profile, Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.errors import Reason
    from segmenters.batch import EventBatch
    from streams.runs import IntArray

ROW = struct.Struct("<qqq8s")
EVERY = 4
WORDS = Words("计数", "count")


@dataclass
class Tally:
    """What one call did."""

    dirty: IntArray
    told: list[tuple[bytes, Change]] = field(default_factory=list)
    rejected: list[tuple[int, Reason, str]] = field(default_factory=list)
    duplicates: int = 0
    late: int = 0
    suppressed: dict[str, int] = field(default_factory=dict)
    more: bool = False

    @property
    def profile_rows(self) -> IntArray:
        return self.dirty

    def build_changes(self, seen_at: int) -> Sequence[tuple[bytes, Change]]:
        del seen_at
        return self.told


class CountingEngine:
    """A partition's engine that counts."""

    def __init__(self) -> None:
        self.rows: dict[bytes, int] = {}
        self.keys: list[bytes] = []
        self.cells: list[tuple[int, int, int, bytes]] = []
        self.ticks: list[tuple[int, bool]] = []

    @property
    def customers(self) -> int:
        return len(self.keys)

    def _row(self, key: bytes) -> int:
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = len(self.keys)
            self.keys.append(key)
            self.cells.append((0, 0, 0, bytes(8)))
        return row

    def apply(self, run: EventBatch, clock: int) -> Tally:
        del clock
        tally = Tally(np.empty(0, np.int64))
        dirty = []
        columns = zip(
            run.customers, run.amount.tolist(), run.ts.tolist(), run.event_ids, strict=True
        )
        for key, amount, ts, event_id in columns:
            row = self._row(key)
            count, total, _, chain = self.cells[row]
            chain = blake2b(chain + event_id.encode(), digest_size=8).digest()
            self.cells[row] = (count + 1, total + amount, ts, chain)
            dirty.append(row)
            if (count + 1) % EVERY == 0:
                tally.told.append((key, make_change(key.decode(), (count + 1) // EVERY, ts)))
        tally.dirty = np.unique(np.array(dirty, np.int64))
        return tally

    def tick(self, clock: int, inclusive: bool = False, limit: int = 5_000) -> Tally:
        del limit
        self.ticks.append((clock, inclusive))
        return Tally(np.empty(0, np.int64))

    def dump_rows(self, rows: IntArray) -> list[tuple[bytes, bytes]]:
        return [(self.keys[row], ROW.pack(*self.cells[row])) for row in rows.tolist()]

    def load_rows(self, keys: list[bytes], values: list[bytes]) -> None:
        for key, value in zip(keys, values, strict=True):
            self.cells[self._row(key)] = ROW.unpack(value)

    def find_rows(self, customers: Sequence[bytes]) -> IntArray:
        return np.array([self.rows.get(key, -1) for key in customers], np.int64)

    def wind(self) -> None:
        """Have no deadlines."""

    def profiles(self, rows: IntArray) -> list[Profile]:
        return [
            Profile(
                self.keys[row].decode(),
                {"count": Standing(str(self.cells[row][0]), self.cells[row][2])},
                self.cells[row][0] // EVERY,
                self.cells[row][0],
            )
            for row in rows.tolist()
        ]


def make_change(customer: str, sequence: int, at: int) -> Change:
    """Make the change a customer's fact number ``sequence * EVERY`` tells."""
    to = str(sequence * EVERY)
    return Change(
        change_id(customer, "count", sequence, None, to, at),
        sequence, customer, "count", None, to, at, at, "event", None, None, "-", WORDS,
    )  # fmt: skip
