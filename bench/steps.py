"""Time the steps of the worker one by one, in this process, without Kafka.

Responsible for the parts the worker is made of, as CPU microseconds per event; ``bench.worker``
times the whole.
"""

from __future__ import annotations

import gc
import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from bench.stream import START, Record, Stream
from schemas.changes import cloudevent_headers, encode
from segmenters.batch import EventBatch
from segmenters.engine import Engine
from segmenters.instants import NEVER
from streams.decode import Decoder
from streams.delivery.faust_app import COLLECT
from streams.lanes import Lane
from streams.topic_lane import Answer, Position

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmenters.rules import Rules

CHUNK = 10_000
FAMILIES = {"purchases": "purchase", "engagements": "engagement"}


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
    """Adds up CPU time by step, and counts what was made."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.made: defaultdict[str, int] = defaultdict(int)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        begun = time.process_time()
        yield
        self.spent[name] += time.process_time() - begun


def run(stream: Stream, rules: Rules, partition: int = 0) -> list[Step]:
    """Push one partition of a stream through the steps and return what each took."""
    _warm(stream, rules, partition)
    engine, meter = Engine(rules), _Meter()
    lane = Lane(dict.fromkeys(FAMILIES, Position(0, NEVER)), dict.fromkeys(FAMILIES, 1), 1 << 40)
    total = 0
    log = {
        "purchases": _raws(stream.purchases[partition]),
        "engagements": _raws(stream.engagements[partition]),
    }
    gc.collect()
    gc.freeze()  # the stream itself is not the worker's
    gc.set_threshold(*COLLECT)
    for _ in _fetches(log, lane, meter, Feeder(stream, rules, partition)):
        while True:
            with meter.step("merge"):
                cut = lane.cut(CHUNK)
            if cut is None:
                break
            r = cut.run
            total += len(r)
            _apply(engine, r.batch(), meter)
    return _report(engine, meter, total)


class Feeder:
    """Makes the decoders of a partition."""

    def __init__(self, stream: Stream, rules: Rules, partition: int) -> None:
        self.partition = partition
        self.until = stream.until
        self.decoders = {
            name: Decoder(family, len(stream.purchases), rules.currencies, rules.qualifying)
            for name, family in FAMILIES.items()
        }


def _fetches(
    log: dict[str, list[_Raw]], lane: Lane, meter: _Meter, feeder: Feeder
) -> Iterator[None]:
    """Bring both topics to the lane in step, a chunk at a time."""
    total = sum(map(len, log.values()))
    share = {name: max(1, CHUNK * len(records) // total) for name, records in log.items()}
    at = dict.fromkeys(log, 0)
    while any(at[name] < len(records) for name, records in log.items()):
        for name, records in log.items():
            begin, end = at[name], min(at[name] + share[name], len(records))
            if begin < end:
                with meter.step("decode"):
                    part = feeder.decoders[name].decode(
                        records[begin:end], begin, end, feeder.partition, feeder.until
                    )
                with meter.step("merge"):
                    lane.append(name, part)
            at[name] = end
            lane.answered(name, Answer(START, end, end == len(records), 1))
        yield


def _apply(engine: Engine, batch: EventBatch, meter: _Meter) -> None:
    with meter.step("engine"):
        outcome = engine.apply(batch, NEVER)
    with meter.step("changelog values"):
        values = engine.dump_rows(outcome.dirty)
    with meter.step("changelog batches"):
        _frame(values)
    with meter.step("changes"):
        changes = outcome.build_changes(0)
        for _, change in changes:
            encode(change)
            cloudevent_headers(change, "/rewake")
    with meter.step("profiles"):
        engine.profiles(outcome.profile_rows)
    meter.made["rows"] += len(values)
    meter.made["bytes"] += sum(len(value) for _, value in values)
    meter.made["changes"] += len(changes)
    meter.made["profiles"] += len(outcome.profile_rows)


def _report(engine: Engine, meter: _Meter, total: int) -> list[Step]:
    made = meter.made
    a_change = meter.spent["changes"] / max(made["changes"], 1) * 1e6
    a_customer = engine.ledger.nbytes / max(engine.customers, 1)
    notes = {
        "engine": f"{engine.customers} customers, {a_customer:.0f} B a customer and its key",
        "changelog values": f"{made['rows'] / total:.2f} rows/event, "
        f"{made['bytes'] / max(made['rows'], 1):.0f} B a row",
        "changes": f"{made['changes'] / total:.3f} changes/event, {a_change:.1f} us a change",
        "profiles": f"{made['profiles'] / total:.3f} profiles/event",
    }
    spent = meter.spent.items()
    return [Step(name, seconds / total * 1e6, notes.get(name, "")) for name, seconds in spent]


def _raws(log: list[Record]) -> list[_Raw]:
    return [_Raw(k, START, 1, record.key, record.value) for k, record in enumerate(log)]


def _warm(stream: Stream, rules: Rules, partition: int) -> None:
    """Compile, or load what was compiled."""
    engine = Engine(rules)
    record = stream.purchases[partition][0]
    one = EventBatch.from_columns([record.key], [START], [0], [100], [1], [1], [False], ["e"])
    _apply(engine, one, _Meter())
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
    return Step("idle tick", float(np.median(took)) * 1e6, f"{customers} customers, none due")
