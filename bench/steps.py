"""Time the steps of the worker one by one, in this process, without Kafka: CPU microseconds per event.

Responsible for the parts the worker is made of; ``bench.worker`` times the whole.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from bench.stream import START, Record, Stream
from schemas.changes import cloudevent_headers, encode
from segmenters.batch import EventBatch
from segmenters.engine import Engine
from segmenters.rules import Rules
from streams.decode import Decoder
from streams.lanes import Answer, Lane, Position
from streams.runs import NEVER

CHUNK = 10_000


class Step(NamedTuple):
    """One step's cost."""

    name: str
    micros: float
    note: str


class _Raw(NamedTuple):
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes
    value: bytes
    headers: tuple[()] = ()


class _Meter:
    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def __call__(self, name: str, work: Callable[[], Any]) -> Any:
        begun = time.process_time()
        result = work()
        self.spent[name] = self.spent.get(name, 0.0) + time.process_time() - begun
        return result


def run(stream: Stream, rules: Rules, partition: int = 0) -> list[Step]:
    """Push one partition of a stream through the steps and return what each took."""
    _warm(stream, rules, partition)
    gc.collect()
    gc.freeze()  # the stream itself is not the worker's
    meter = _Meter()
    engine = Engine(rules)
    partitions = len(stream.purchases)
    names = {"purchases": "purchase", "engagements": "engagement"}
    logs = {"purchases": _raws(stream.purchases[partition]), "engagements": _raws(stream.engagements[partition])}
    decoders = {
        name: Decoder(family, partitions, rules.currencies, rules.qualifying) for name, family in names.items()
    }
    lane = Lane({name: Position(0, NEVER) for name in names}, {name: 1 for name in names}, capacity=1 << 40)
    total = sum(map(len, logs.values()))
    at = {name: 0 for name in names}
    changes = rows = told = shown = 0
    share = {name: max(1, CHUNK * len(log) // total) for name, log in logs.items()}
    while any(at[name] < len(log) for name, log in logs.items()):
        for name, log in logs.items():
            begin, end = at[name], min(at[name] + share[name], len(log))
            if begin < end:
                records = log[begin:end]
                decoder = decoders[name]
                part = meter("decode", lambda: decoder.decode(records, begin, end, partition, 1 << 60))  # noqa: B023
                meter("merge", lambda: lane.append(name, part))  # noqa: B023
                at[name] = end
            lane.answered(name, Answer(START, end, end == len(log), 1))
        while (cut := meter("merge", lambda: lane.cut(CHUNK))) is not None:
            r = cut.run
            batch = EventBatch(r.customers, r.ts, r.kind, r.amount, r.order, r.event, r.qualifies, r.event_ids)
            outcome = meter("engine", lambda: engine.apply(batch, NEVER))  # noqa: B023
            values = meter("changelog values", lambda: engine.dump_rows(outcome.dirty))  # noqa: B023
            meter("changelog batches", lambda: _frame(values))  # noqa: B023
            built = meter("changes", lambda: [(k, encode(c), cloudevent_headers(c, "/rewake")) for k, c in outcome.build_changes(0)])  # noqa: B023, E501
            meter("profiles", lambda: engine.profiles(outcome.profile_rows))  # noqa: B023
            changes += len(built)
            rows += len(values)
            shown += len(outcome.profile_rows)
            told += sum(len(value) for _, value in values)
    notes = {
        "changelog values": f"{rows / total:.2f} rows/event, {told / max(rows, 1):.0f} B a row",
        "changes": f"{changes / total:.3f} changes/event, {meter.spent['changes'] / max(changes, 1) * 1e6:.1f} us a change",
        "profiles": f"{shown / total:.3f} profiles/event",
        "engine": f"{engine.customers} customers, {engine.ledger.nbytes / engine.customers:.0f} B a customer + key",
    }
    return [Step(name, spent / total * 1e6, notes.get(name, "")) for name, spent in meter.spent.items()]


def _raws(log: list[Record]) -> list[_Raw]:
    return [_Raw(k, START, 1, record.key, record.value) for k, record in enumerate(log)]


def _warm(stream: Stream, rules: Rules, partition: int) -> None:
    """Compile, or load what was compiled."""
    engine = Engine(rules)
    record = stream.purchases[partition][0]
    one = EventBatch.from_columns([record.key], [START], [0], [100], [1], [1], [False], ["e"])
    outcome = engine.apply(one)
    outcome.build_changes(0)
    engine.dump_rows(outcome.dirty)
    engine.profiles(outcome.profile_rows)
    engine.tick(START + 1)


def _frame(values: list[tuple[bytes, bytes]]) -> None:
    batch = DefaultRecordBatchBuilder(2, 0, 1, -1, -1, -1, 512 * 1024)
    for n, (key, value) in enumerate(values):
        if batch.append(n, None, key, value, []) is None:
            batch.build()
            batch = DefaultRecordBatchBuilder(2, 0, 1, -1, -1, -1, 512 * 1024)


def idle_tick(rules: Rules, customers: int = 1_000_000) -> Step:
    """Time a tick over many customers of whom none is due, in microseconds."""
    engine = Engine(rules)
    engine.ledger.rows_of([b"c-%d" % k for k in range(customers)])
    engine.tick(START)
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        engine.tick(START)
        took.append(time.perf_counter() - begun)
    return Step("idle tick", float(np.median(took)) * 1e6, f"{customers} customers, none due; per tick")
