"""Make runs of records without decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from schemas.errors import Reason, Rejected
from streams.runs import Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Record(NamedTuple):
    """A raw record as the client's parser yields it."""

    offset: int
    timestamp: int = 0
    timestamp_type: int = 1
    key: bytes | None = b"c"
    value: bytes | None = b"{}"
    headers: Sequence[tuple[str, bytes | None]] = ()


BAD = Rejected(Reason.MALFORMED_JSON, "bad on purpose")


def run_of(
    log: Mapping[int, int],
    begin: int,
    end: int,
    *,
    bad: frozenset[int] = frozenset(),
    appended: int | None = None,
) -> Run:
    """Make the run of ``[begin, end)`` of a log given as offset → ts."""
    offsets = [offset for offset in sorted(log) if begin <= offset < end]
    size = len(offsets)
    run = Run()
    run.begin, run.end = begin, end
    run.offsets = np.array(offsets, np.int64)
    run.ts = np.array([log[offset] for offset in offsets], np.int64)
    run.keys = run.ts
    run.appended = np.array([appended or 1_000 + offset for offset in offsets], np.int64)
    run.kind = np.zeros(size, np.int8)
    run.amount = run.order = run.event = np.zeros(size, np.int64)
    run.qualifies = np.zeros(size, np.bool_)
    run.profit = np.zeros(size, np.int64)
    run.customers = [b"c"] * size
    run.event_ids = [f"e{offset}" for offset in offsets]
    run.records = [Record(offset) for offset in offsets]
    run.rejections = {index: BAD for index, offset in enumerate(offsets) if offset in bad}
    return run
