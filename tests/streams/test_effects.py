"""Effects: in the order of the calls, one transaction at a time, told once they are durable."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from schemas import dead_letters
from schemas.errors import ProducerFailed, Reason, Rejected
from segmenters.batch import EventBatch
from streams import position
from streams.effects import Durable, Effects, Target
from streams.lanes import Letter
from streams.position import FORMAT, POSITION_KEY, InputPosition, PositionRecord
from streams.transaction_size import TransactionSize
from tests.streams.counting import CountingEngine, Tally
from tests.streams.runs import Record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

TARGET = Target(2, "changelog", "changes", "dead", 0, "/app")


class Ledger:
    """Stands for the broker: takes transactions, one at a time, when it is let."""

    def __init__(self) -> None:
        self.transactions: list[dict[str, list[Any]]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.in_flight = 0
        self.failure: Exception | None = None

    async def transact(self, parts: Sequence[tuple[str, int, Sequence[Any]]]) -> list[int]:
        self.in_flight += 1
        assert self.in_flight == 1, "two transactions at once"
        await self.gate.wait()
        self.in_flight -= 1
        if self.failure is not None:
            raise self.failure
        self.transactions.append({topic: list(records) for topic, _, records in parts})
        return [len(self.transactions) * 10, -1, -1]


class Bench:
    """Effects of one partition around a counting engine."""

    def __init__(self) -> None:
        self.engine = CountingEngine()
        self.ledger = Ledger()
        self.durable: list[Durable] = []
        self.at = 0
        self.effects = Effects(
            self.engine,
            self.ledger,  # type: ignore[arg-type]
            TARGET,
            self.describe,
            self.engine.profiles,
            lambda: 1_700_000_000_000,
            self.durable.append,
        )
        self.task = asyncio.create_task(self.effects.run())

    def describe(self) -> tuple[PositionRecord, int]:
        return PositionRecord(FORMAT, {"t": InputPosition(self.at)}, self.at, "r", "l"), self.at

    def apply(self, *customers: bytes, letters: Sequence[Letter] = ()) -> None:
        size = len(customers)
        zeros = np.zeros(size, np.int64)
        batch = EventBatch.from_columns(
            list(customers), zeros, zeros, zeros, zeros, zeros, np.zeros(size, np.bool_),
            [f"e-{self.at + n}" for n in range(size)],
        )  # fmt: skip
        self.at += size
        self.effects.add(self.engine.apply(batch, 0), letters, size, 1_000)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    made.task.cancel()


async def test_one_transaction_holds_rows_position_changes_and_letters(bench: Bench):
    why = Rejected(Reason.MALFORMED_JSON, "bad")
    bench.apply(*[b"c"] * 4, letters=[Letter("in", Record(7, key=b"k", value=b"{"), why)])
    await bench.effects.drained()
    (transaction,) = bench.ledger.transactions
    (row, last) = transaction["changelog"]
    assert row[0] == b"c"
    assert last[0] == POSITION_KEY
    assert position.read(last[1]).inputs["t"].offset == 4
    ((key, value, headers),) = transaction["changes"]
    assert key == b"c"
    assert msgspec.json.decode(value)["sequence"] == 1
    assert dict(headers)["ce_subject"] == b"c"
    ((key, value, headers),) = transaction["dead"]
    verdict = dead_letters.read_verdict(headers)
    assert (key, value) == (b"k", b"{")
    assert (verdict.origin.topic, verdict.origin.partition, verdict.origin.offset) == ("in", 2, 7)


async def test_neighbours_that_wait_share_a_transaction_and_a_row_is_written_once(bench: Bench):
    bench.ledger.gate.clear()
    bench.apply(b"a")
    await asyncio.sleep(0.01)
    for _ in range(5):
        bench.apply(b"a", b"b")
    bench.ledger.gate.set()
    await bench.effects.drained()
    first, second = bench.ledger.transactions
    assert [key for key, _, _ in first["changelog"]] == [b"a", POSITION_KEY]
    assert [key for key, _, _ in second["changelog"]] == [b"a", b"b", POSITION_KEY]
    assert [what.record.inputs["t"].offset for what in bench.durable] == [1, 11]


async def test_a_transaction_holds_exactly_the_calls_before_it(bench: Bench):
    bench.ledger.gate.clear()
    bench.apply(b"a")
    await asyncio.sleep(0.01)  # its transaction is built and waits for the broker
    bench.apply(b"a")
    bench.ledger.gate.set()
    await bench.effects.drained()
    first = bench.ledger.transactions[0]["changelog"]
    assert first[0][1] != bench.ledger.transactions[1]["changelog"][0][1]
    assert position.read(first[-1][1]).inputs["t"].offset == 1


async def test_nothing_is_durable_before_the_commit(bench: Bench):
    bench.ledger.gate.clear()
    bench.apply(b"a")
    await asyncio.sleep(0.01)
    assert not bench.durable
    assert not bench.effects.idle
    bench.ledger.gate.set()
    await bench.effects.drained()
    assert bench.durable[0].offset == 11
    assert [profile.customer_id for profile in bench.durable[0].profiles] == ["a"]


async def test_a_failed_transaction_makes_nothing_durable_and_ends_the_task(bench: Bench):
    bench.ledger.failure = ProducerFailed("on purpose")
    bench.apply(b"a")
    with pytest.raises(ProducerFailed):
        await bench.task
    assert not bench.durable
    assert not bench.effects.idle


async def test_a_position_that_moved_alone_is_written_when_asked_for(bench: Bench):
    bench.at = 9
    bench.effects.touch()
    await bench.effects.drained()
    (transaction,) = bench.ledger.transactions
    assert [key for key, _, _ in transaction["changelog"]] == [POSITION_KEY]


async def test_there_is_no_room_while_too_many_facts_wait(bench: Bench):
    bench.effects._size.limit = 3
    bench.ledger.gate.clear()
    bench.apply(b"a")
    await asyncio.sleep(0.01)
    bench.apply(b"a", b"b")
    assert bench.effects.has_room
    bench.apply(b"a", b"b")
    assert not bench.effects.has_room
    bench.ledger.gate.set()
    await bench.effects.drained()
    assert bench.effects.has_room


async def test_a_call_without_effects_still_moves_the_position(bench: Bench):
    bench.at = 5
    bench.effects.add(Tally(np.empty(0, np.int64)), (), 3)
    await bench.effects.drained()
    assert bench.durable[0].record.inputs["t"].offset == 5


async def test_letters_take_room_by_number_and_by_size(bench: Bench):
    bench.effects._size.limit = 40_000
    bench.ledger.gate.clear()
    why = Rejected(Reason.OVERSIZED, "large")
    large = Letter("t", Record(0, key=b"k", value=bytes(1024 * 1024)), why)
    bench.apply(letters=[large] * 30)
    assert bench.effects.has_room
    bench.apply(letters=[large] * 10)
    assert not bench.effects.has_room
    bench.ledger.gate.set()
    await bench.effects.drained()
    assert bench.effects.has_room


async def test_changes_take_room_though_no_fact_came(bench: Bench):
    bench.effects._size.limit = 3
    bench.ledger.gate.clear()
    judged: Any = Tally(dirty=np.empty(0, np.int64), told=[(b"c", None)] * 3)
    bench.effects.add(judged)
    assert not bench.effects.has_room
    bench.task.cancel()


async def test_rows_that_changed_without_a_word_take_room_too(bench: Bench):
    bench.effects._size.limit = 3
    bench.ledger.gate.clear()
    for customer in (b"a", b"b", b"c"):
        bench.engine._row(customer)
    bench.effects.add(Tally(np.arange(3)))
    assert not bench.effects.has_room
    bench.task.cancel()


class Throttled(Ledger):
    """Lets so many records through in a second; gives up after its bound, as the producer does."""

    def __init__(self, per_second: float, bound_s: float) -> None:
        super().__init__()
        self.per_second, self.bound_s = per_second, bound_s

    async def transact(self, parts: Sequence[tuple[str, int, Sequence[Any]]]) -> list[int]:
        seconds = sum(len(records) for _, _, records in parts) / self.per_second
        await asyncio.sleep(min(seconds, self.bound_s))
        if seconds > self.bound_s:
            raise ProducerFailed("expected a transaction to be committed, got TimeoutError()")
        return await super().transact(parts)


async def test_transactions_become_as_small_as_the_broker_lets_them_and_grow_again(bench: Bench):
    bench.task.cancel()
    bound_s = 0.8
    throttled = bench.effects._producer = Throttled(2_000, bound_s)  # type: ignore[assignment]
    bench.effects._size = TransactionSize(bound_s)
    bench.task = asyncio.create_task(bench.effects.run())

    async def work(calls: int) -> list[int]:
        sizes = []
        for call in range(calls):
            await bench.effects.room()
            sizes.append(min(10_000, bench.effects.most))
            bench.apply(*[b"c-%d-%d" % (call, number) for number in range(sizes[-1])])
            await bench.effects.drained()
        return sizes

    throttle = await work(8)
    assert throttle[0] == 1_000  # would be 10,000 for ever: 5 s
    assert throttle[-1] <= 500
    throttled.per_second = 10**7
    assert max(await work(8)) == 10_000
    assert not bench.task.done()
    bench.task.cancel()


async def test_behind_a_slow_commit_nothing_more_is_gathered(bench: Bench):
    bench.effects._size = TransactionSize(bound_s=0.4)
    bench.ledger.gate.clear()
    bench.apply(b"a")
    await asyncio.sleep(0.02)
    assert bench.effects.has_room
    await asyncio.sleep(0.15)
    assert not bench.effects.has_room
    bench.ledger.gate.set()
    await bench.effects.drained()
    assert bench.effects.has_room
