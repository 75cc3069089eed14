"""Stand for the broker: logs, transactions that fence, read-committed fetches, group offsets.

Responsible for what Kafka promises and no more: a transaction shows whole or not at all, a producer
opened anew fences the one before and has its open transaction aborted, markers take offsets, the
last stable offset stands before the first open transaction. Must not know who asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.streams.runs import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from faust.types import TP


class FencedError(Exception):
    """Another producer has been opened under this one's name."""


@dataclass
class Transaction:
    """Records of several logs that show together."""

    state: str = "open"
    touched: set[TP] = field(default_factory=set)


class Entry(NamedTuple):
    """One offset of a log: a record, or a marker where there is none."""

    record: Record | None
    transaction: Transaction | None


class Page(NamedTuple):
    """What a fetch is answered with."""

    records: list[Record]
    end: int
    stable: int
    high: int


class Broker:
    """All logs and what is known of producers and groups.

    Parameters
    ----------
    clock
        The broker's wall clock, ms.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self.logs: dict[TP, list[Entry]] = {}
        self.epochs: dict[str, int] = {}
        self.open: dict[str, Transaction] = {}
        self.group: dict[TP, int] = {}
        self._closed: dict[TP, int] = {}

    def log(self, tp: TP) -> list[Entry]:
        return self.logs.setdefault(tp, [])

    # ---- writing

    def append(
        self, tp: TP, records: Sequence[Any], transaction: Transaction | None = None
    ) -> tuple[int, int]:
        """Append (key, value, headers); give the last offset and the time of the append."""
        log, now = self.log(tp), self.clock()
        for key, value, headers in records:
            record = Record(len(log), now, 1, key, value, headers)
            log.append(Entry(record, transaction))
        return len(log) - 1, now

    def init(self, name: str) -> int:
        """Open a transactional producer: fence the one before."""
        self.epochs[name] = self.epochs.get(name, 0) + 1
        self.end(name, self.epochs[name], "aborted")
        return self.epochs[name]

    def send(self, name: str, epoch: int, tp: TP, records: Sequence[Any]) -> tuple[int, int]:
        """Append records to the producer's open transaction, beginning one if there is none."""
        self._check(name, epoch)
        transaction = self.open.setdefault(name, Transaction())
        transaction.touched.add(tp)
        return self.append(tp, records, transaction)

    def end(self, name: str, epoch: int, how: str) -> None:
        """Commit or abort what the producer has open."""
        self._check(name, epoch)
        transaction = self.open.pop(name, None)
        if transaction is not None:
            transaction.state = how
            for tp in transaction.touched:
                self.log(tp).append(Entry(None, None))

    def _check(self, name: str, epoch: int) -> None:
        if self.epochs.get(name) != epoch:
            raise FencedError(name)

    # ---- reading

    def stable(self, tp: TP) -> int:
        """Give the last stable offset."""
        log, offset = self.log(tp), self._closed.get(tp, 0)
        while offset < len(log):
            transaction = log[offset].transaction
            if transaction is not None and transaction.state == "open":
                break
            offset += 1
        self._closed[tp] = offset
        return offset

    def fetch(self, tp: TP, begin: int, most: int) -> Page:
        """Read committed records from an offset on."""
        log, stable = self.log(tp), self.stable(tp)
        end = min(begin + most, stable)
        records = [
            entry.record
            for entry in log[begin:end]
            if entry.record is not None
            and (entry.transaction is None or entry.transaction.state == "committed")
        ]
        return Page(records, max(begin, end), stable, len(log))

    def committed(self, tp: TP) -> list[Record]:
        """Read all that a read-committed consumer sees."""
        return self.fetch(tp, 0, len(self.log(tp))).records
