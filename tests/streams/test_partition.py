"""One owned partition on a simulated log: whatever the consumer does, each fact counts once."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from faust.types import TP

from schemas.errors import ContinuityBroken, InputReset
from segmenters.instants import NEVER
from streams.lanes import Verdict
from streams.partition import ack_positions
from tests.streams.counting import Tally, make_change
from tests.streams.partition_bench import FIRST, UNTIL, A, B, Bench, record
from tests.streams.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.delivery.scheduler import Chunk


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench({A: 300, B: 700})
    yield made
    await made.partition.quiesce(2)


async def test_all_facts_are_applied_and_their_positions_become_durable(bench: Bench):
    await bench.run_until_applied()
    await bench.partition.effects.drained()
    bench.assert_exact()
    last = bench.durable[-1].record
    assert ack_positions(last, 0) == {TP(A, 0): 300, TP(B, 0): 700}
    assert last.inputs[A].topic_id == "id"
    assert last.inputs[B].running_max == FIRST + 699_000


async def test_chunks_thrown_away_are_fetched_again(bench: Bench):
    chance = random.Random(5)
    fetch = bench.log.fetch

    def lossy(topic: str, size: int) -> Chunk | None:
        chunk = fetch(topic, size)
        return None if chunk is not None and chance.random() < 0.3 else chunk

    bench.log.fetch = lossy  # type: ignore[method-assign]
    heal = asyncio.create_task(bench.run_until_applied(30))
    await heal
    bench.assert_exact()
    assert Verdict.HOLE in bench.listener.breaks


async def test_a_last_chunk_thrown_away_is_noticed_although_nothing_follows(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("streams.partition.MISSING_S", 0.05)
    fetch, lost = bench.log.fetch, []

    def lossy(topic: str, size: int) -> Chunk | None:
        chunk = fetch(topic, size)
        if chunk is not None and chunk.end == 700 and not lost:
            lost.append(chunk)
            return None
        return chunk

    bench.log.fetch = lossy  # type: ignore[method-assign]
    await bench.run_until_applied()
    bench.assert_exact()
    assert lost
    assert bench.partition.lane.holes == 1


async def test_chunks_delivered_again_count_once_and_are_counted(bench: Bench):
    fetch = bench.log.fetch

    def twice(topic: str, size: int) -> Chunk | None:
        chunk = fetch(topic, size)
        if chunk is not None:
            bench.partition.accept(topic, chunk)
        return chunk

    bench.log.fetch = twice  # type: ignore[method-assign]
    await bench.run_until_applied()
    bench.assert_exact()
    assert bench.listener.again >= 900


async def test_chunks_of_before_a_seek_do_not_count(bench: Bench):
    stale = bench.log.fetch(A, 40)
    assert stale is not None
    epoch = bench.log.new_epoch()
    offset = bench.partition.lane.restart(A, epoch)
    await bench.log.seek_to({TP(A, 0): (offset, epoch)})
    bench.partition.accept(A, stale)
    assert bench.partition.lane.fetched(A) == 0
    await bench.run_until_applied()
    bench.partition.accept(A, stale)
    bench.assert_exact()


async def test_a_full_lane_is_held_at_the_consumer_and_released_again():
    bench = Bench({A: 300, B: 700}, capacity=30)
    bench.broker.slow = 0.01
    seen = []
    hold = bench.log.hold
    bench.log.hold = lambda tp: (seen.append(tp), hold(tp))[1]  # type: ignore[method-assign]
    await bench.run_until_applied(30)
    bench.assert_exact()
    assert {tp.topic for tp in seen} == {A, B}
    assert not bench.log.held
    assert await bench.partition.quiesce(2)


async def test_a_hole_the_log_cannot_fill_stops_loudly(bench: Bench):
    bench.log.starts[B] = 100
    task = asyncio.create_task(bench.run_until_applied())
    await eventually(lambda: bench.listener.failures)
    task.cancel()
    (error,) = bench.listener.failures[:1]
    assert isinstance(error, ContinuityBroken)
    assert "starts at 100" in str(error)


async def test_an_input_that_begins_anew_while_it_is_read_stops_loudly(bench: Bench):
    await bench.run_until_applied()
    bench.log.records[B] = bench.log.records[B][:50]
    bench.log.at[B] = 0  # where an offset out of range puts the consumer
    chunk = bench.log.fetch(B, 40)
    assert chunk is not None
    bench.partition.accept(B, chunk)
    await eventually(lambda: bench.listener.failures)
    assert isinstance(bench.listener.failures[0], InputReset)


async def test_an_engine_that_fails_stops_the_partition_and_acknowledges_nothing(bench: Bench):
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    bench.engine.apply = broken  # type: ignore[method-assign]
    chunk = bench.log.fetch(B, 40)
    assert chunk is not None
    bench.partition.accept(B, chunk)
    proof = bench.log.fetch(A, 1_000)
    assert proof is not None
    bench.partition.accept(A, proof)
    await eventually(lambda: bench.listener.failures)
    assert not any(what.record.inputs[B].offset for what in bench.durable)
    assert not await bench.partition.quiesce(1)


async def test_quiescing_waits_for_the_commit_and_makes_no_further_call(bench: Bench):
    bench.broker.slow = 0.05
    chunk, proof = bench.log.fetch(B, 40), bench.log.fetch(A, 300)
    assert chunk is not None
    assert proof is not None
    bench.partition.accept(A, proof)
    bench.partition.accept(B, chunk)
    await eventually(lambda: bench.engine.cells)
    assert await bench.partition.quiesce(5)
    counted = sum(cell[0] for cell in bench.engine.cells)
    applied = sum(at.offset for at in bench.durable[-1].record.inputs.values())
    assert counted == applied
    late = bench.log.fetch(B, 40)
    assert late is not None
    bench.partition.accept(B, late)
    await asyncio.sleep(0.02)
    assert sum(cell[0] for cell in bench.engine.cells) == counted


async def test_quiescing_does_not_wait_longer_than_it_may(bench: Bench):
    bench.broker.slow = 60
    chunk, proof = bench.log.fetch(B, 40), bench.log.fetch(A, 300)
    assert chunk is not None
    assert proof is not None
    bench.partition.accept(A, proof)
    bench.partition.accept(B, chunk)
    await eventually(lambda: not bench.partition.rests)
    assert not await bench.partition.quiesce(0.1)


async def test_the_end_of_time_fires_inclusively_once_and_is_published_after_its_commit(
    bench: Bench,
):
    await bench.run_until_applied()
    await eventually(lambda: UNTIL in bench.listener.settled_at)
    assert bench.engine.ticks[-1] == (UNTIL, True)
    assert bench.durable[-1].settled == UNTIL
    before = len(bench.engine.ticks)
    await asyncio.sleep(0.1)
    assert len(bench.engine.ticks) == before


async def test_a_stored_clock_counts_as_settled_only_after_a_tick():
    made = Bench({A: 0, B: 0})
    made.partition.reading = made.partition.reading._replace(instant=FIRST)
    assert made.partition.describe()[1] == NEVER
    await eventually(lambda: made.listener.settled_at)
    assert made.engine.ticks[0][0] >= FIRST
    await made.partition.quiesce(2)


# settled w ……………………………………|
#   fact ──due──>|            |        told with w only once what came due before w has fired
async def test_a_clock_is_told_only_with_what_old_facts_have_made_due_before_it():
    made = Bench({A: 5, B: 5})
    engine, owing, told = made.engine, [], []
    apply, tick, describe = engine.apply, engine.tick, made.partition.describe

    def applied(run: Any, clock: int) -> Any:
        owing.extend((run.ts + 1).tolist())
        return apply(run, clock)

    def ticked(clock: int, inclusive: bool = False, limit: int = 5_000) -> Any:
        owing[:] = [due for due in owing if due >= clock]
        return tick(clock, inclusive, limit)

    def described() -> Any:
        told.append((describe()[1], min(owing, default=UNTIL)))
        return describe()

    engine.apply, engine.tick = applied, ticked  # type: ignore[method-assign]
    made.partition.effects._describe = described
    await made.run_until_applied()
    await eventually(lambda: UNTIL in made.listener.settled_at)
    for _ in range(5):
        made.log.records[A].append(record(A, len(made.log.records[A])))
        await made.run_until_applied()
        await made.partition.effects.drained()
    assert len([settled for settled, _ in told if settled == UNTIL]) >= 5
    assert [pair for pair in told if pair[0] > pair[1]] == []
    await made.partition.quiesce(2)


async def test_a_tick_of_many_deadlines_is_told_in_transactions_that_stay_short():
    bench = Bench({A: 300, B: 700}, tick_s=0.5)
    bench.broker.slow = 0.02
    slices = [100] * 30

    def long(clock: int, inclusive: bool = False, limit: int = 5_000) -> Tally:
        del clock, inclusive
        if not slices:
            return Tally(np.empty(0, np.int64))
        told = [(b"c-0", make_change("c-0", n + 1, FIRST)) for n in range(slices.pop())]
        assert len(told) <= limit
        return Tally(np.zeros(1, np.int64), told, more=bool(slices))

    bench.engine.tick = long  # type: ignore[method-assign]
    await bench.run_until_applied()
    await eventually(lambda: not slices and bench.partition.effects.idle)
    bench.assert_exact()
    made = [sum(change.cause == "event" for change in what.changes) for what in bench.durable]
    # One slice after another that found room, one by the tick's own interval, and the facts'.
    assert max(made) <= 3 * 100 + 50
    assert sum(made) >= 30 * 100
    assert await bench.partition.quiesce(2)
