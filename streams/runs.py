"""Hold decoded records as columns: one run is a range of one topic-partition's log.

Responsible for slicing and joining columns without touching single records. Must not decide what is
applied when (see `streams.lanes`) and must not decode (see `streams.decode`).
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from segmenters.batch import EventBatch
from segmenters.instants import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schemas.errors import Rejected
    from schemas.vocabulary import Instant

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

LOG_APPEND_TIME: Final = 1
"""Timestamp type of what the broker has stamped itself."""


class Raw(Protocol):
    """A Kafka record as the client's C parser yields it."""

    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def timestamp_type(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...  # noqa: D102


_ARRAYS: Final = (
    "offsets",
    "appended",
    "ts",
    "keys",
    "kind",
    "amount",
    "order",
    "event",
    "qualifies",
    "profit",
)
_LISTS: Final = ("customers", "event_ids", "records")


class Run:
    """Decoded records of the range ``[begin, end)``, in offset order.

    Every array and list has one entry per record; ``end`` may lie behind the last record where the
    log holds offsets without one (transaction markers, aborted or compacted records).

    Attributes
    ----------
    begin, end : int
        Fetch positions this run covers.
    offsets, appended, ts, keys, amount, order, event, profit : ndarray of int64
        Offset; broker's append time (ms, `NEVER` where the topic does not stamp it); the fact's
        instant; running maximum of ts over the topic (set by the lane); minor units; 64-bit digests
        of order id and event id; an order's profit where it is asked for, minor units.
    kind : ndarray of int8
        `schemas.vocabulary.Kind`.
    qualifies : ndarray of bool
        Whether an engagement counts as one.
    customers : list of bytes
        Record keys.
    event_ids : list of str
        Event ids.
    records : list
        The raw records, for dead letters.
    rejections : dict
        Index → why: the placeholders. Their other columns say nothing.
    """

    __slots__ = ("begin", "end", "rejections", *_ARRAYS, *_LISTS)

    begin: int
    end: int
    offsets: IntArray
    appended: IntArray
    ts: IntArray
    keys: IntArray
    kind: npt.NDArray[np.int8]
    amount: IntArray
    order: IntArray
    event: IntArray
    qualifies: BoolArray
    profit: IntArray
    customers: list[bytes]
    event_ids: list[str]
    records: list[Raw]
    rejections: dict[int, Rejected]

    def __len__(self) -> int:
        return len(self.records)

    def batch(self) -> EventBatch:
        """Return the columns an engine takes; there must be no placeholders among them."""
        return EventBatch(
            self.customers,
            self.ts,
            self.kind,
            self.amount,
            self.order,
            self.event,
            self.qualifies,
            self.event_ids,
            self.profit,
        )

    def slice(self, first: int, last: int) -> Run:
        """Return the records ``first … last - 1`` with the range of offsets they cover."""
        part = Run()
        for name in _ARRAYS + _LISTS:
            setattr(part, name, getattr(self, name)[first:last])
        part.begin = self.begin if first == 0 else int(self.offsets[first - 1]) + 1
        part.end = self.end if last >= len(self) else int(self.offsets[last - 1]) + 1
        part.rejections = {
            index - first: why for index, why in self.rejections.items() if first <= index < last
        }
        return part

    def since(self, position: int) -> Run:
        """Return what lies at or behind a position: the rest of a run partly seen before."""
        part = self.slice(int(np.searchsorted(self.offsets, position)), len(self))
        part.begin = position
        return part

    def rank_keys(self, before: Instant) -> Instant:
        """Set ``keys`` to the running maximum of ts, carried on from the run before.

        A placeholder's key is the running maximum so far: it moves nothing.

        Returns
        -------
        int
            The running maximum after this run.
        """
        ts = self.ts
        if self.rejections:
            ts = ts.copy()
            ts[list(self.rejections)] = NEVER
        keys = np.maximum.accumulate(ts)
        np.maximum(keys, before, out=keys)
        self.keys = keys
        return int(keys[-1])

    def select(self, order: IntArray) -> Run:
        """Return the records at these indices, in this order (a gather, not a slice)."""
        part = Run()
        for name in _ARRAYS:
            setattr(part, name, getattr(self, name)[order])
        picked = order.tolist()
        for name in _LISTS:
            column = getattr(self, name)
            setattr(part, name, [column[index] for index in picked])
        part.begin, part.end = self.begin, self.end
        part.rejections = (
            {at: self.rejections[old] for at, old in enumerate(picked) if old in self.rejections}
            if self.rejections
            else {}
        )
        return part

    def without_placeholders(self) -> Run:
        """Return the records that can be applied."""
        if not self.rejections:
            return self
        good = np.ones(len(self), np.bool_)
        good[list(self.rejections)] = False
        bare = self.select(np.flatnonzero(good))
        bare.rejections = {}
        return bare


def join(runs: Sequence[Run]) -> Run:
    """Put runs behind one another.

    Parameters
    ----------
    runs
        At least one. ``begin`` and ``end`` of the result are the first one's begin and the last
        one's end, which means something only when all are of one topic-partition.
    """
    if len(runs) == 1:
        return runs[0]
    whole = Run()
    for name in _ARRAYS:
        setattr(whole, name, np.concatenate([getattr(run, name) for run in runs]))
    for name in _LISTS:
        setattr(whole, name, list(chain.from_iterable(getattr(run, name) for run in runs)))
    whole.begin, whole.end = runs[0].begin, runs[-1].end
    whole.rejections = dict(_shifted(runs))
    return whole


def _shifted(runs: Iterable[Run]) -> Iterable[tuple[int, Rejected]]:
    start = 0
    for run in runs:
        for index, why in run.rejections.items():
            yield start + index, why
        start += len(run)
