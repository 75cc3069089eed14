"""The consumer: Faust's own offsets, buffers and seeks no longer decide anything."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from faust.types import TP
from mode.utils.locks import Event
from mode.utils.queues import FlowControlQueue

from streams.delivery.consumer import LaneConsumer, _NoReadOffset
from streams.delivery.fetch import Fetched
from streams.delivery.flow import KeepingFlow
from streams.delivery.scheduler import ChunkScheduler
from streams.topic_lane import Answer
from tests.streams.runs import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

A, B = TP("a", 0), TP("b", 0)


class Reader:
    """Stands for the consumer's thread."""

    def __init__(self) -> None:
        self.epochs = {A: 1, B: 1}
        self.results: list[Fetched] = []
        self.woken = 0
        self.invalidated: set[TP] = set()

    def epoch(self, tp: TP) -> int:
        return self.epochs[tp]

    def wake(self) -> None:
        self.woken += 1

    def invalidate(self, tps: Collection[TP]) -> None:
        self.invalidated |= set(tps)

    async def take(self, wanted: Callable[[], Collection[TP]], timeout: float) -> list[Fetched]:  # noqa: ASYNC109
        assert timeout <= 0.2
        return [result for result in self.results if result.tp in wanted()]


@pytest.fixture
async def consumer() -> Any:
    made: Any = LaneConsumer.__new__(LaneConsumer)
    made._thread = Reader()
    made._active_partitions = {A, B}
    made._paused_partitions, made._buffered_partitions = set(), set()
    made._held, made._durable = set(), {}
    made.flow_active = True
    made.can_resume_flow, made.suspend_flow = Event(), Event()
    made.scheduler = ChunkScheduler()
    made.app = SimpleNamespace(consumer_generation_id=3)
    made._stopped, made._crashed, made._loop = Event(), Event(), asyncio.get_running_loop()
    return made


def fetched(tp: TP, begin: int, epoch: int = 1) -> Fetched:
    return Fetched(tp, [Record(begin)], begin, begin + 1, Answer(1, begin + 1, True, epoch))


async def delivered(consumer: Any) -> list[tuple[TP, int]]:
    return [(tp, message.value.begin) async for tp, message in consumer.getmany(1.0)]


async def test_chunks_of_an_older_epoch_are_dropped(consumer: Any):
    consumer._thread.results = [fetched(A, 5, epoch=0), fetched(B, 7, epoch=1)]
    assert await delivered(consumer) == [(B, 7)]


async def test_a_seek_between_two_chunks_makes_the_second_stale(consumer: Any):
    consumer._thread.results = [fetched(A, 5), fetched(B, 7)]
    seen = []
    async for tp, _ in consumer.getmany(1.0):
        seen.append(tp)
        consumer._thread.epochs[B] = 9
    assert seen == [A]


async def test_what_was_fetched_for_the_new_assignment_is_delivered_by_a_look_begun_before_it(
    consumer: Any,
):
    take = consumer._thread.take

    async def take_meanwhile(*args: Any) -> Any:
        results = await take(*args)
        consumer.app.consumer_generation_id += 1  # a rebalance, and its seeks, while this waited
        consumer._thread.epochs[A] = 9
        return results

    consumer._thread.take = take_meanwhile
    consumer._thread.results = [fetched(A, 5, epoch=9), fetched(B, 7)]
    assert await delivered(consumer) == [(A, 5), (B, 7)]


@pytest.mark.parametrize("sought", [True, False])
async def test_a_stopped_flow_holds_a_delivery_up_and_epochs_say_what_is_left_of_it(
    consumer: Any, sought: bool
):
    consumer._thread.results = [fetched(A, 5), fetched(B, 7)]
    seen = []

    async def deliver() -> None:
        async for tp, _ in consumer.getmany(1.0):
            seen.append(tp)
            consumer.stop_flow()

    delivering = asyncio.create_task(deliver())
    await asyncio.sleep(0.05)
    assert seen == [A]
    if sought:
        consumer._thread.epochs[B] = 9
    consumer.resume_flow()
    await delivering
    assert seen == ([A] if sought else [A, B])


async def test_what_is_held_is_not_taken_and_a_release_wakes_the_reader(consumer: Any):
    consumer._thread.results = [fetched(A, 5), fetched(B, 7)]
    consumer.hold(A)
    assert await delivered(consumer) == [(B, 7)]
    consumer.release(A)
    consumer.release(A)
    assert consumer._thread.woken == 1
    assert len(await delivered(consumer)) == 2


def test_a_full_queue_does_not_bring_back_a_partition_that_is_paused_for_recovery(consumer: Any):
    consumer._active_partitions = {B}
    consumer._paused_partitions = {A}
    consumer.on_buffer_full(A)
    consumer.on_buffer_drop(A)
    assert consumer.wanted() == {B}


def test_read_offsets_are_never_remembered():
    offsets = _NoReadOffset()
    offsets[A] = 950
    assert offsets[A] is None


async def test_no_seek_goes_to_committed_offsets(consumer: Any):
    consumer._read_offset = {}
    await consumer.perform_seek()  # Faust's would ask the thread for them
    assert consumer._read_offset == {}


def test_group_offsets_are_the_positions_that_are_durable(consumer: Any):
    consumer.durable({A: 7})
    assert list(consumer._filter_tps_with_pending_acks()) == [A]
    assert consumer._new_offset(A) == 7
    assert consumer._new_offset(B) is None


def test_resuming_the_flow_keeps_what_is_queued():
    flow = KeepingFlow()
    queue: FlowControlQueue[int] = FlowControlQueue(5, flow_control=flow, clear_on_resume=True)
    queue.force_put_nowait(1)
    flow.resume()
    assert queue.qsize() == 1
    assert flow.is_active()
