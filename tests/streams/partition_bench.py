"""One owned partition on a simulated log, whose consumer may be told to misbehave."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from faust.types import TP

from schemas.money import Currencies
from segmenters.instants import NEVER
from streams.clock import EventClock
from streams.decode import Decoder
from streams.delivery.scheduler import Chunk
from streams.effects import Durable, Effects, Target
from streams.lanes import Lane, Verdict
from streams.partition import Digests, OwnedPartition, Pace
from streams.topic_lane import Answer, Position
from streams.wall import WallClock
from tests.streams.counting import CountingEngine
from tests.streams.runs import Record

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

A, B = "commerce.purchases.v1", "commerce.engagements.v1"
FIRST = 1_700_000_000_000
UNTIL = FIRST + 10**9


class Log:
    """The inputs of partition 0, and a consumer that may be told to misbehave."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.records = {
            topic: [record(topic, offset) for offset in range(size)]
            for topic, size in sizes.items()
        }
        self.starts = dict.fromkeys(sizes, 0)
        self.at = dict.fromkeys(sizes, 0)
        self.epochs = dict.fromkeys(sizes, 0)
        self.held: set[str] = set()
        self.number = 100
        self.partition: OwnedPartition

    # the inlet

    def hold(self, tp: TP) -> None:
        self.held.add(tp.topic)

    def release(self, tp: TP) -> None:
        self.held.discard(tp.topic)

    def new_epoch(self) -> int:
        self.number += 1
        return self.number

    def idle_answer(self, tp: TP) -> Answer | None:
        end = len(self.records[tp.topic])
        at = self.at[tp.topic]
        return Answer(self.number, at, True, self.epochs[tp.topic]) if at == end else None

    async def seek_to(self, wanted: Mapping[TP, tuple[int, int]]) -> None:
        await asyncio.sleep(0)
        for tp, (offset, epoch) in wanted.items():
            self.at[tp.topic], self.epochs[tp.topic] = offset, epoch

    async def log_range(self, tps: Collection[TP]) -> dict[TP, tuple[int, int]]:
        return {tp: (self.starts[tp.topic], len(self.records[tp.topic])) for tp in tps}

    # what the test does with it

    def fetch(self, topic: str, size: int) -> Chunk | None:
        begin = max(self.at[topic], self.starts[topic])
        end = min(begin + size, len(self.records[topic]))
        if begin >= end:
            return None
        self.at[topic] = end
        caught_up = end == len(self.records[topic])
        epoch = self.epochs[topic]
        answer = Answer(self.number, end, caught_up, epoch)
        return Chunk(TP(topic, 0), self.records[topic][begin:end], begin, end, epoch, answer)


def record(topic: str, offset: int) -> Any:
    """Make the record at an offset."""
    event: dict[str, Any] = {"event_id": f"{topic[9]}{offset}", "customer_id": f"c-{offset % 7}"}
    event["ts"] = FIRST + 1000 * offset
    if topic == A:
        event |= {"type": "order", "order_id": f"o{offset}", "amount": 5, "currency": "GBP"}
    else:
        event["kind"] = "visit"
    return Record(offset, key=event["customer_id"].encode(), value=json.dumps(event).encode())


class Broker:
    """Commits whatever it is given, after a while."""

    def __init__(self) -> None:
        self.slow = 0.0

    async def transact(self, parts: Sequence[Any]) -> list[int]:
        await asyncio.sleep(self.slow)
        return [len(records) for _, _, records in parts]


class Listener:
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.breaks: list[Verdict] = []
        self.failures: list[Exception] = []
        self.again = 0
        self.settled_at: list[int] = []

    def applied(self, *_: Any) -> None:
        pass

    def ticked(self, *_: Any) -> None:
        pass

    def redelivered(self, records: int) -> None:
        self.again += records

    def settled(self, partition: int, instant: int) -> None:
        assert partition == 0
        self.settled_at.append(instant)

    def broken(self, partition: int, topic: str, verdict: Verdict) -> None:
        assert partition == 0
        assert topic in {A, B}
        self.breaks.append(verdict)

    def failed(self, partition: int, error: Exception) -> None:
        assert partition == 0
        self.failures.append(error)


class Bench:
    """A partition on a log."""

    def __init__(
        self, sizes: Mapping[str, int], capacity: int = 200, tick_s: float = 0.005
    ) -> None:
        self.log = Log(sizes)
        self.engine = CountingEngine()
        self.listener = Listener()
        self.broker = Broker()
        self.durable: list[Durable] = []
        lane = Lane({name: Position(0, NEVER) for name in sizes}, dict.fromkeys(sizes, 0), capacity)
        currencies = Currencies("GBP")
        self.partition = OwnedPartition(
            0,
            self.engine,
            lane,
            EventClock(UNTIL),
            {
                A: Decoder("purchase", 1, currencies, ()),
                B: Decoder("engagement", 1, currencies, ()),
            },
            self.log,
            Pace(50, tick_s, 100),
            Digests("r", "l", {A: "id"}),
            self.listener,
            None,
            WallClock(),
        )
        self.partition.start(
            Effects(
                self.engine,
                self.broker,  # type: ignore[arg-type]
                Target(0, "cl", "ch", "dl", 0, "/a"),
                self.partition.describe,
                lambda _: (),
                lambda: 0,
                self._committed,
            )
        )

    def _committed(self, what: Durable) -> None:
        self.durable.append(what)
        self.partition.nudge()

    async def run_until_applied(self, seconds: float = 10.0) -> None:
        sizes = {topic: len(records) for topic, records in self.log.records.items()}
        async with asyncio.timeout(seconds):
            while {n: p.offset for n, p in self.partition.lane.positions().items()} != sizes:
                for topic in (A, B):
                    if topic not in self.log.held:
                        chunk = self.log.fetch(topic, 40)
                        if chunk is not None:
                            self.partition.accept(topic, chunk)
                await asyncio.sleep(0.001)

    def assert_exact(self) -> None:
        expected: dict[bytes, int] = {}
        for records in self.log.records.values():
            for record in records:
                expected[record.key] = expected.get(record.key, 0) + 1
        counts = {key: self.engine.cells[row][0] for key, row in self.engine.rows.items()}
        assert counts == expected
        assert not self.listener.failures
