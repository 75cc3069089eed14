"""Fetch results: whole, read-committed, with exact positions, stamped by when they were sent."""

from __future__ import annotations

import asyncio
import gc
import itertools
import struct
import time
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment, SubscriptionState
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from streams.delivery.fetch import GATHER_S, PLENTY, Fetched, LeanFetcher, read_result

if TYPE_CHECKING:
    from collections.abc import Iterable

TP = TopicPartition("t", 0)
COMMIT, ABORT = 1, 0
_CONTROL = 0x20


def batch(
    base: int, values: Iterable[bytes], producer: int = -1, *, transactional: bool = False
) -> bytearray:
    """Encode a record batch as a broker stores it."""
    builder = DefaultRecordBatchBuilder(2, 0, int(transactional), producer, 0, 0, 1 << 20)
    for index, value in enumerate(values):
        builder.append(index, 1_000, b"k", value, [])
    return _at(builder.build(), base)


def marker(base: int, producer: int, what: int) -> bytearray:
    """Encode the marker that ends a transaction."""
    builder = DefaultRecordBatchBuilder(2, 0, 1, producer, 0, 0, 1 << 20)
    builder.append(0, 1_000, struct.pack(">hh", 0, what), struct.pack(">hi", 0, 0), [])
    return _at(builder.build(), base, _CONTROL)


def _at(built: bytearray, base: int, attributes: int = 0) -> bytearray:
    struct.pack_into(">q", built, 0, base)
    (had,) = struct.unpack_from(">h", built, 21)
    struct.pack_into(">h", built, 21, had | attributes)
    from aiokafka.record.util import calc_crc32c_py as crc

    struct.pack_into(">I", built, 17, crc(bytes(built[21:])))
    return built


def result(
    parts: Iterable[bytearray],
    position: int,
    aborted: list[tuple[int, int]] | None = None,
    high: int = 10**6,
    stable: int | None = None,
) -> FetchResult:
    """Make the result of a fetch from ``position``."""
    assignment = Assignment([TP])
    assignment.state_value(TP).seek(position)
    records = MemoryRecords(b"".join(parts))
    parsed = PartitionRecords(TP, records, aborted, position, None, None, True, READ_COMMITTED)
    made = FetchResult(TP, assignment=assignment, partition_records=parsed, backoff=0)
    made.answer = (77, 3, 5, high if stable is None else stable, high)
    return made


def taken(made: FetchResult) -> Fetched:
    fetched = read_result(made)
    assert fetched is not None
    return fetched


def shown(fetched: Fetched) -> list[tuple[int, bytes | None]]:
    return [(record.offset, record.value) for record in fetched.records]


async def test_a_result_is_taken_whole_and_says_what_it_covers():
    made = result([batch(5, [b"a", b"b"]), batch(7, [b"c"])], 5)
    fetched = taken(made)
    assert shown(fetched) == [(5, b"a"), (6, b"b"), (7, b"c")]
    assert (fetched.begin, fetched.end) == (5, 8)
    assert made._assignment.state_value(TP).position == 8


async def test_what_was_taken_is_let_go_without_the_garbage_collector():
    made = result([batch(5, [b"a"])], 5)
    answer = weakref.ref(made._partition_records)
    gc.disable()
    try:
        taken(made)
        assert answer() is None
    finally:
        gc.enable()


async def test_records_below_the_position_in_the_middle_of_a_batch_are_left_out():
    fetched = taken(result([batch(5, [b"a", b"b", b"c"])], 6))
    assert shown(fetched) == [(6, b"b"), (7, b"c")]
    assert (fetched.begin, fetched.end) == (6, 8)


async def test_a_trailing_marker_carries_the_position():
    parts = [batch(5, [b"a"], 9, transactional=True), marker(6, 9, COMMIT)]
    fetched = taken(result(parts, 5))
    assert shown(fetched) == [(5, b"a")]
    assert fetched.end == 7


async def test_markers_alone_are_an_empty_range():
    fetched = taken(result([marker(6, 9, COMMIT), marker(7, 9, ABORT)], 6))
    assert (fetched.records, fetched.begin, fetched.end) == ([], 6, 8)


async def test_aborted_transactions_are_skipped_and_later_ones_of_the_producer_are_not():
    parts = [
        batch(0, [b"lost"], 9, transactional=True),
        batch(1, [b"other"], 8, transactional=True),
        marker(2, 9, ABORT),
        batch(3, [b"kept"], 9, transactional=True),
        marker(4, 8, COMMIT),
        marker(5, 9, COMMIT),
    ]
    fetched = taken(result(parts, 0, aborted=[(9, 0)]))
    assert shown(fetched) == [(1, b"other"), (3, b"kept")]
    assert fetched.end == 6


async def test_a_gap_of_compaction_is_covered_by_the_range():
    fetched = taken(result([batch(5, [b"a"]), batch(9, [b"b"])], 3))
    assert [offset for offset, _ in shown(fetched)] == [5, 9]
    assert (fetched.begin, fetched.end) == (3, 10)


async def test_a_result_whose_position_has_moved_is_nothing():
    made = result([batch(5, [b"a"])], 5)
    made._assignment.state_value(TP).seek(2)
    assert read_result(made) is None


async def test_a_wrong_checksum_is_an_error_not_a_skip():
    broken = batch(5, [b"a"])
    broken[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        read_result(result([broken], 5))


@pytest.mark.parametrize(
    ("high", "stable", "caught_up"), [(7, 7, True), (8, 7, False), (9, 9, False)]
)
async def test_a_result_proves_the_end_only_where_it_is_stable_and_the_high_watermark(
    high: int, stable: int, caught_up: bool
):
    answer = taken(result([batch(5, [b"a", b"b"])], 5, high=high, stable=stable)).answer
    assert (answer.sent, answer.end, answer.epoch) == (77, 7, 3)
    assert answer.caught_up is caught_up


# ---- the fetcher


class Client:
    """A broker that answers when it is told to."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def send(self, node_id: int, request: Any) -> Any:
        assert node_id == 1
        assert request.topics
        return await self.answer


def fetcher_at(position: int) -> tuple[LeanFetcher, Client, Assignment]:
    """Make a lean fetcher without its background task."""
    fetcher: Any = LeanFetcher.__new__(LeanFetcher)
    client = Client()
    fetcher._client, fetcher._client_rack, fetcher._preferred_read_replica = client, None, {}
    fetcher._records, fetcher._fetch_waiters = {}, set()
    fetcher._key_deserializer = fetcher._value_deserializer = None
    fetcher._check_crcs, fetcher._isolation_level, fetcher._prefetch_backoff = True, 1, 0
    fetcher._wait_consume_future = None
    fetcher.epochs, fetcher.idle, fetcher._numbers = {}, {}, itertools.count(1)
    fetcher._sent_at = {}
    fetcher._now = lambda: time.time_ns() // 1_000_000
    fetcher._subscriptions = subscriptions = SubscriptionState()
    subscriptions.assign_from_user([TP])
    assignment = subscriptions.subscription.assignment
    assignment.state_value(TP).seek(position)
    fetcher._closed, fetcher._loop = False, asyncio.get_running_loop()
    return fetcher, client, assignment


def response(data: bytes, high: int, stable: int) -> Any:
    return SimpleNamespace(API_VERSION=4, topics=[("t", [(0, 0, high, stable, [], data)])])


REQUEST = SimpleNamespace(topics=[("t", [(0, 5, 1000)])])


async def ask(fetcher: LeanFetcher, assignment: Assignment) -> asyncio.Task[bool]:
    task = asyncio.create_task(fetcher._proc_fetch_request(assignment, 1, REQUEST))
    await asyncio.sleep(0)
    return task


async def test_an_answer_without_records_is_remembered_with_what_it_proves():
    fetcher, client, assignment = fetcher_at(5)
    task = await ask(fetcher, assignment)
    client.answer.set_result(response(b"", 5, 5))
    await task
    assert fetcher.idle[TP].caught_up
    assert fetcher.idle[TP].end == 5


async def test_an_open_transaction_proves_nothing():
    fetcher, client, assignment = fetcher_at(5)
    task = await ask(fetcher, assignment)
    client.answer.set_result(response(b"", 9, 5))
    await task
    assert not fetcher.idle[TP].caught_up


async def test_a_fetch_sent_before_a_seek_to_the_same_offset_is_thrown_away():
    fetcher, client, assignment = fetcher_at(5)
    task = await ask(fetcher, assignment)
    fetcher.seek_in_epoch(TP, 5, 42)
    client.answer.set_result(response(bytes(batch(5, [b"a"])), 6, 6))
    await task
    assert await fetcher.take(lambda: [TP], 0) == []
    assert assignment.state_value(TP).position == 5
    assert TP not in fetcher.idle


async def test_a_fetch_sent_after_the_seek_carries_its_epoch():
    fetcher, client, assignment = fetcher_at(0)
    fetcher.seek_in_epoch(TP, 5, 42)
    task = await ask(fetcher, assignment)
    client.answer.set_result(response(bytes(batch(5, [b"a"])), 6, 6))
    await task
    (fetched,) = await fetcher.take(lambda: [TP], 0)
    assert fetched.answer.epoch == 42
    assert fetched.answer.caught_up


async def test_what_is_not_wanted_is_kept_for_later():
    fetcher, client, assignment = fetcher_at(5)
    task = await ask(fetcher, assignment)
    client.answer.set_result(response(bytes(batch(5, [b"a"])), 6, 6))
    await task
    assert await fetcher.take(list, 0.01) == []
    assert len(await fetcher.take(lambda: [TP], 0)) == 1


async def test_a_waiting_take_looks_again_when_it_is_woken():
    fetcher, client, assignment = fetcher_at(5)
    wanted: list[TopicPartition] = []
    task = await ask(fetcher, assignment)
    client.answer.set_result(response(bytes(batch(5, [b"a"])), 6, 6))
    await task
    taking = asyncio.create_task(fetcher.take(lambda: wanted, 30))
    await asyncio.sleep(0.01)
    wanted.append(TP)
    fetcher.wake()
    async with asyncio.timeout(1):
        assert len(await taking) == 1


async def test_taking_tells_the_group_that_somebody_reads():
    fetcher, _, _ = fetcher_at(5)
    subscriptions = fetcher._subscriptions
    subscriptions._last_fetch_ended = time.monotonic() - 10_000
    taking = asyncio.create_task(fetcher.take(list, 0.02))
    await asyncio.sleep(0.01)
    assert subscriptions.fetcher_idle_time == 0
    await taking
    assert subscriptions.fetcher_idle_time < 1


async def test_later_fetches_have_greater_numbers():
    fetcher, client, assignment = fetcher_at(5)
    task = await ask(fetcher, assignment)
    client.answer.set_result(response(b"", 5, 5))
    await task
    first = fetcher.idle[TP].number
    await (await ask(fetcher, assignment))
    assert fetcher.idle[TP].number > first


async def test_records_gather_between_two_fetches():
    fetcher, client, assignment = fetcher_at(5)
    client.answer.set_result(response(b"", 5, 5))
    begun = time.monotonic()
    for _ in range(3):
        await (await ask(fetcher, assignment))
    assert time.monotonic() - begun >= 2 * GATHER_S


async def test_a_backlog_is_fetched_without_waiting_for_more():
    fetcher, client, assignment = fetcher_at(5)
    client.answer.set_result(response(b"", 6 + PLENTY, 6 + PLENTY))
    await (await ask(fetcher, assignment))
    assert not fetcher._sent_at


async def test_a_fetch_that_is_cancelled_while_records_gather_ends_quietly_and_asks_nothing():
    fetcher, _, assignment = fetcher_at(5)
    fetcher._sent_at[1] = time.monotonic() + 60
    task = await ask(fetcher, assignment)
    task.cancel()
    assert await task is False
    assert not fetcher.idle
