"""Time the steps of the worker one by one, in this process, without Kafka.

Responsible for the parts the worker is made of, as CPU microseconds per event; ``bench.worker``
times the whole.
"""

from __future__ import annotations

import gc
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import numpy as np
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from bench.pages import Page, pages_of
from bench.stream import START, Stream
from segmenters.batch import EventBatch
from segmenters.engine import Engine
from segmenters.instants import NEVER
from streams import decode
from streams.decode import Decoder
from streams.delivery.faust_app import COLLECT
from streams.effects import changes_out
from streams.inventory import Inventory
from streams.lanes import Lane
from streams.topic_lane import Answer, Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segmenters.rules import Rules

CHUNK = 10_000
FAMILIES = {"purchases": "purchase", "engagements": "engagement"}
BATCH_BYTES = 512 * 1024


class Step(NamedTuple):
    """One step's cost; that of a part is in the step before it."""

    name: str
    micros: float
    note: str
    part: bool = False


class _Meter:
    """Adds up CPU time by step, and counts what was made."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.parts: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self.made: defaultdict[str, int] = defaultdict(int)
        self._under = ""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a block; within another it is a part of that one."""
        under, self._under = self._under, name
        if under:
            self.parts[under][name] = None
        begun = time.process_time()
        try:
            yield
        finally:
            self.spent[name] += time.process_time() - begun
            self._under = under

    def watch(self, owner: Any, function: str, name: str) -> Any:
        """Time a function of an object or a module wherever it is called."""
        inner = getattr(owner, function)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.step(name):
                return inner(*args, **kwargs)

        return patch.object(owner, function, timed)


def run(stream: Stream, rules: Rules, partition: int = 0) -> list[Step]:
    """Push one partition of a stream through the steps and return what each took."""
    _warm(stream, rules, partition)
    engine, meter = Engine(rules), _Meter()
    lane = Lane(dict.fromkeys(FAMILIES, Position(0, NEVER)), dict.fromkeys(FAMILIES, 1), 1 << 40)
    feeder, inventory = Feeder(stream, rules, partition), Inventory()
    logs = {"purchases": stream.purchases, "engagements": stream.engagements}
    size = sum(len(log[partition]) for log in logs.values())
    pages = {
        name: pages_of(log[partition], max(1, CHUNK * len(log[partition]) // size))
        for name, log in logs.items()
    }
    gc.collect()
    gc.freeze()  # the stream itself is not the worker's
    gc.set_threshold(*COLLECT)
    with ExitStack() as watched:
        for one in _watched(engine, feeder, meter):
            watched.enter_context(one)
        total = 0
        for _ in _fetches(pages, lane, meter, feeder):
            while True:
                with meter.step("merge"):
                    cut = lane.cut(CHUNK)
                if cut is None:
                    break
                total += len(cut.run)
                _apply(engine, cut.run.batch(), meter, inventory)
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


def _watched(engine: Engine, feeder: Feeder, meter: _Meter) -> Iterator[Any]:
    """Name the parts of steps that are told by themselves."""
    for decoder in feeder.decoders.values():
        yield meter.watch(decoder, "_facts", "JSON to facts")
        yield meter.watch(decoder, "_route", "keys and partitions")
        yield meter.watch(decoder, "_fill", "kinds and amounts")
    yield meter.watch(decode, "_append_times", "append times")
    yield meter.watch(decode, "_instants", "instants")
    yield meter.watch(decode, "digests_of", "digests of ids")
    yield meter.watch(engine.ledger, "rows_of", "key to row")


def _fetches(
    pages: dict[str, list[Page]], lane: Lane, meter: _Meter, feeder: Feeder
) -> Iterator[None]:
    """Bring both topics to the lane in step, a page at a time."""
    for number in range(max(map(len, pages.values()))):
        for name, log in pages.items():
            if number >= len(log):
                continue
            page = log[number]
            with meter.step("records"):
                records = page.read()
            with meter.step("decode"):
                part = feeder.decoders[name].decode(
                    records, page.begin, page.end, feeder.partition, feeder.until
                )
            del records
            with meter.step("merge"):
                lane.append(name, part)
            lane.answered(name, Answer(START, page.end, number + 1 == len(log), 1))
        yield


def _apply(engine: Engine, batch: EventBatch, meter: _Meter, inventory: Inventory) -> None:
    with meter.step("engine"):
        outcome = engine.apply(batch, NEVER)
    with meter.step("changelog values"):
        values = engine.dump_rows(outcome.dirty)
    with meter.step("inventory"):
        inventory.write(outcome.dirty, values)
    with meter.step("changelog batches"):
        _frame((key, value, []) for key, value in values)
    with meter.step("changes"):
        with meter.step("words"):
            changes = outcome.build_changes(0)
        with meter.step("values and headers"):
            told = changes_out(changes, "/rewake")
        with meter.step("batches"):
            _frame(told)
    with meter.step("profiles"):
        engine.profiles(outcome.profile_rows)
    meter.made["rows"] += len(values)
    meter.made["bytes"] += sum(len(value) for _, value in values)
    meter.made["changes"] += len(changes)
    meter.made["profiles"] += len(outcome.profile_rows)


def _report(engine: Engine, meter: _Meter, total: int) -> list[Step]:
    made = meter.made
    a_change = 1e6 / max(made["changes"], 1)
    a_customer = engine.ledger.nbytes / max(engine.customers, 1)
    notes = {
        "engine": f"{engine.customers} customers, {a_customer:.0f} B a customer and its key",
        "changelog values": f"{made['rows'] / total:.2f} rows/event, "
        f"{made['bytes'] / max(made['rows'], 1):.0f} B a row",
        "profiles": f"{made['profiles'] / total:.3f} profiles/event",
    }
    for name in ("changes", *meter.parts["changes"]):
        notes[name] = f"{meter.spent[name] * a_change:.1f} us a change"
    notes["changes"] = f"{made['changes'] / total:.3f} changes/event, {notes['changes']}"

    def told(name: str, part: bool) -> Step:
        return Step(name, meter.spent[name] / total * 1e6, notes.get(name, ""), part)

    parts = {part for names in meter.parts.values() for part in names}
    found = []
    for name in meter.spent:
        if name not in parts:
            found.append(told(name, False))
            found += [told(part, True) for part in meter.parts[name]]
    return found


def total_of(steps: Iterable[Step]) -> float:
    """Return what all steps take together, in microseconds per event."""
    return sum(step.micros for step in steps if not step.part)


def _warm(stream: Stream, rules: Rules, partition: int) -> None:
    """Compile, or load what was compiled."""
    engine = Engine(rules)
    record = stream.purchases[partition][0]
    one = EventBatch.from_columns([record.key], [START], [0], [100], [1], [1], [False], ["e"])
    _apply(engine, one, _Meter(), Inventory())
    engine.tick(START + 1)
    for name, decoder in Feeder(stream, rules, partition).decoders.items():
        log = stream.purchases if name == "purchases" else stream.engagements
        decoder.decode(pages_of(log[partition][:1], 1)[0].read(), 0, 1, partition, 1 << 60)


def _frame(records: Iterable[tuple[bytes | None, bytes | None, Any]]) -> None:
    batch = DefaultRecordBatchBuilder(2, 0, 1, -1, -1, -1, BATCH_BYTES)
    for n, (key, value, headers) in enumerate(records):
        if batch.append(n, None, key, value, headers) is None:
            batch.build()
            batch = DefaultRecordBatchBuilder(2, 0, 1, -1, -1, -1, BATCH_BYTES)
            batch.append(n, None, key, value, headers)
    batch.build()


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
