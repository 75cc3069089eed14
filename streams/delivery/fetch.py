"""Read whole fetch results, and remember when each fetch was sent.

Responsible for turning one answered fetch into one range ``[begin, end)`` with its records (read
committed: control batches and aborted transactions carry the position, not records) and for
noticing answers without records. Must not decide what a range is good for.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, FetchError, FetchResult
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams.topic_lane import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from aiokafka.consumer.fetcher import PartitionRecords

    from schemas.vocabulary import Instant
    from streams.runs import Raw


GATHER_S: Final = 0.05
"""Seconds from one fetch of a broker to the next, at least.

A fetch is answered as soon as there is one record, and each answer costs a round through decoding,
engine and a transaction per partition, whether it brings one record or a hundred.
"""
PLENTY: Final = 2_000
"""Offsets behind the end of a log from which on nothing has to gather any more."""


class Fetched(NamedTuple):
    """One answered fetch of one topic-partition that brought something.

    Attributes
    ----------
    tp
        The topic-partition.
    records
        The records with offsets in ``[begin, end)``; may be empty.
    begin, end
        Fetch position before and after.
    answer
        When it was sent, under which epoch, and whether it reached the end of the log.
    """

    tp: TP
    records: list[Raw]
    begin: int
    end: int
    answer: Answer


class LeanFetcher(Fetcher):  # type: ignore[misc]
    """aiokafka's fetcher, taken whole results from.

    Attributes
    ----------
    epochs : dict
        Topic-partition → number of its latest seek; 0 before the first.
    idle : dict
        Topic-partition → latest answer without records.
    """

    epochs: dict[Any, int]
    idle: dict[Any, Answer]
    _numbers: Iterator[int]
    _sent_at: dict[int, float]
    _now: Callable[[], Instant]

    @classmethod
    def adopt(cls, fetcher: Fetcher, now: Callable[[], Instant]) -> LeanFetcher:
        """Make a fetcher lean in place; ``now`` stamps what it sends.

        aiokafka's consumer builds its fetcher in the middle of `start`, from a name of its module;
        giving the built one another class is the only way that leaves other consumers alone.
        """
        fetcher.__class__ = cls
        fetcher.epochs = {}
        fetcher.idle = {}
        fetcher._sent_at = {}
        fetcher._numbers = itertools.count(1)
        fetcher._now = now
        return fetcher  # type: ignore[no-any-return]

    def seek_in_epoch(self, tp: TP, offset: int, epoch: int) -> None:
        """Seek, and give what is fetched from now on another epoch (no await between)."""
        self.seek_to(tp, offset)
        self.epochs[tp] = epoch
        self.idle.pop(tp, None)

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> bool:
        """Send a fetch; stamp what it brings with the instant before it was sent.

        A fetch sent before a seek to the same offset passes aiokafka's own check of the position:
        its result is thrown away here, while the position still stands before it.
        """
        if not await self._gather(node_id) or not assignment.active:
            return False
        sent, number = self._now(), next(self._numbers)
        asked = [
            (TopicPartition(topic, number), offset)
            for topic, numbers in request.topics
            for number, offset, _ in numbers
        ]
        epochs = {tp: self.epochs.get(tp, 0) for tp, _ in asked}
        for tp, _ in asked:
            # Tells afterwards whether this fetch was answered.
            assignment.state_value(tp).lso = None
        woke: bool = await super()._proc_fetch_request(assignment, node_id, request)
        if not assignment.active:
            return woke
        for tp, offset in asked:
            state = assignment.state_value(tp)
            if state.lso is None:
                continue
            if state.lso - offset > PLENTY:
                self._sent_at.pop(node_id, None)
            if self.epochs.get(tp, 0) != epochs[tp]:
                self._records.pop(tp, None)
                continue
            held = self._records.get(tp)
            if type(held) is FetchResult:
                held.answer = (sent, epochs[tp], number, state.lso, state.highwater)
            elif held is None:
                caught_up = offset == state.lso == state.highwater
                self.idle[tp] = Answer(sent, offset, caught_up, epochs[tp], number)
        return woke

    async def _gather(self, node_id: int) -> bool:
        """Let records gather since the last fetch; False when cancelled meanwhile."""
        wait = self._sent_at.get(node_id, 0.0) + GATHER_S - time.monotonic()
        if wait > 0:
            try:
                await asyncio.sleep(wait)
            except asyncio.CancelledError:
                return False  # as aiokafka's own request does: who cancels it awaits it
        self._sent_at[node_id] = time.monotonic()
        return True

    async def take(
        self,
        wanted: Callable[[], Collection[TP]],
        timeout: float,  # noqa: ASYNC109
    ) -> list[Fetched]:
        """Return the fetched results of wanted topic-partitions, waiting for the first one.

        Parameters
        ----------
        wanted
            Asked anew at each look: what is paused while this waits is not taken.
        timeout
            Seconds to wait at most.

        Raises
        ------
        KafkaError
            What the fetch of a wanted topic-partition ended in.
        """
        # Tells the group's coordinator that somebody reads: without it the group is left after
        # the maximum poll interval.
        with self._subscriptions.fetch_context():
            return await self._take(wanted, time.monotonic() + timeout)

    async def _take(self, wanted: Callable[[], Collection[TP]], deadline: float) -> list[Fetched]:
        while True:
            if self._closed:
                raise ConsumerStoppedError
            if self._subscriptions.reassignment_in_progress:
                await self._subscriptions.wait_for_assignment()
            taken = self._take_now(wanted())
            left = deadline - time.monotonic()
            if taken or left <= 0:
                return taken
            waiter = self._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=left)
            if done:
                waiter.result()
            else:
                waiter.cancel()

    def wake(self) -> None:
        """Let a waiting `take` look again; to be called in the fetcher's loop."""
        for waiter in tuple(self._fetch_waiters):
            self._notify(waiter)

    def _take_now(self, wanted: Collection[TP]) -> list[Fetched]:
        taken: list[Fetched] = []
        for tp in list(self._records):
            if tp not in wanted:
                if not self._subscriptions.is_assigned(tp):
                    del self._records[tp]
                continue
            held = self._records.pop(tp)
            self._notify(self._wait_consume_future)
            if isinstance(held, FetchError):
                if taken:  # deliver what there is; the error is raised by the next call
                    self._records[tp] = held
                    return taken
                held.check_raise()
            result = read_result(held)
            if result is not None:
                taken.append(result)
        return taken


def read_result(result: FetchResult) -> Fetched | None:
    """Read all of a fetch result and move the consumer's position past it.

    Returns
    -------
    Fetched or None
        None when the position has moved since (a seek, a rebalance) or nothing was in it.
    """
    tp = result._topic_partition
    parsed: PartitionRecords = result._partition_records
    if parsed is None or not result.check_assignment(tp):
        return None
    # aiokafka's own way through the records refers back to them, unless it is gone to its end: each
    # answer, often a megabyte, would stay until the garbage collector looks.
    parsed._records_iterator = None
    begin: int = parsed.next_fetch_offset
    records = committed_records(parsed, tp)
    end: int = parsed.next_fetch_offset
    result._update_position()
    result._partition_records = None
    if end == begin:
        return None
    sent, epoch, number, stable, high = result.answer
    answer = Answer(sent, end, end == stable == high, epoch, number)
    return Fetched(TP(tp.topic, tp.partition), records, begin, end, answer)


def committed_records(parsed: PartitionRecords, tp: TopicPartition) -> list[Raw]:
    """Collect the records as the C parser yields them, without a Python frame for each."""
    batches, committed_only = parsed._records, parsed._isolation_level == READ_COMMITTED
    aborted: set[int] = parsed._aborted_producers
    records: list[Raw] = []
    while batches.has_next():
        batch = batches.next_batch()
        if parsed._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(
                f"expected a valid CRC in {tp}, got another; fetched again"
            )
        if committed_only and batch.producer_id is not None:
            parsed._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch:
            if committed_only and parsed._contains_abort_marker(batch):
                aborted.discard(batch.producer_id)
        elif not (committed_only and batch.is_transactional and batch.producer_id in aborted):
            if batch.base_offset >= parsed.next_fetch_offset:
                records.extend(batch)
            else:
                records.extend(r for r in batch if r.offset >= parsed.next_fetch_offset)
        parsed.next_fetch_offset = batch.next_offset
    return records
