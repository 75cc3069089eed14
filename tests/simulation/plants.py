"""Plant a bug of each kind that the simulation has to find.

Responsible for the bugs alone: each is a context in which one line of the delivery path is wrong.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np

from segmenters.instants import FAR, NEVER
from streams.clock import LiveClock
from streams.lanes import Lane, Verdict
from streams.ownership import Ownership
from streams.partition import OwnedPartition, ack_positions
from streams.topic_lane import TopicLane
from streams.wall import WallClock
from tests.simulation import driver
from tests.simulation.broker import Broker
from tests.simulation.network import Producer

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def input_acknowledged_before_the_effects_are_durable() -> Iterator[None]:
    start = Ownership._start

    def hasty(self: Ownership, number: int) -> None:
        start(self, number)
        partition = self.partitions[number]
        add = partition.effects.add

        def add_and_acknowledge(*args: Any, **kwargs: Any) -> None:
            add(*args, **kwargs)
            self._app.consumer.durable(ack_positions(partition.describe()[0], number))

        partition.effects.add = add_and_acknowledge  # type: ignore[method-assign]

    with patch.object(Ownership, "_start", hasty):
        yield


@contextmanager
def effects_torn_apart() -> Iterator[None]:
    transact = Producer.transact

    async def torn(self: Producer, parts: Any) -> list[int]:
        first, *others = parts
        return [*await transact(self, [first]), *await transact(self, others)]

    with patch.object(Producer, "transact", torn):
        yield


@contextmanager
def clock_ignores_a_lagging_topic() -> Iterator[None]:
    read = LiveClock.read
    with patch.object(LiveClock, "read", lambda *args: read(*args[:3], args[3][:1])):
        yield


@contextmanager
def clock_from_stale_knowledge() -> Iterator[None]:
    read = LiveClock.read

    def trusting(self: LiveClock, before: int, now: int, topics: Any) -> Any:
        known = [topic._replace(proven=now) if topic.caught_up else topic for topic in topics]
        return read(self, before, now, known)

    with patch.object(LiveClock, "read", trusting):
        yield


@contextmanager
def clock_from_one_wall_clock_alone() -> Iterator[None]:
    with patch.object(WallClock, "broker", WallClock.worker):
        yield


@contextmanager
def records_of_a_topic_sorted() -> Iterator[None]:
    append = Lane.append

    def sorting(self: Lane, name: str, run: Any) -> None:
        append(self, name, run.select(np.argsort(run.ts, kind="stable")))

    with patch.object(Lane, "append", sorting):
        yield


@contextmanager
def merge_by_a_stale_proof() -> Iterator[None]:
    def any_proof(self: TopicLane, grace: int) -> int | None:
        del grace
        return FAR if self.at_log_end else None

    with patch.object(TopicLane, "seen_until", any_proof):
        yield


@contextmanager
def a_fetched_batch_skipped() -> Iterator[None]:
    judge = Lane.judge

    def easy(self: Lane, *args: Any) -> Verdict:
        verdict = judge(self, *args)
        return Verdict.APPEND if verdict is Verdict.HOLE else verdict

    with patch.object(Lane, "judge", easy):
        yield


@contextmanager
def continuity_off_by_one() -> Iterator[None]:
    judge = Lane.judge

    def off(self: Lane, name: str, begin: int, end: int, epoch: int, records: int = 0) -> Verdict:
        verdict = judge(self, name, begin, end, epoch, records)
        by_one = verdict is Verdict.HOLE and begin == self.fetched(name) + 1
        return Verdict.APPEND if by_one else verdict

    with patch.object(Lane, "judge", off):
        yield


@contextmanager
def redis_ahead_of_the_state() -> Iterator[None]:
    start = Ownership._start

    def hasty(self: Ownership, number: int) -> None:
        start(self, number)
        effects = self.partitions[number].effects
        render = effects._render

        def render_and_show(rows: Any) -> Any:
            profiles = render(rows)
            self._cache.durable(number, profiles, -1, NEVER)
            return profiles

        effects._render = render_and_show

    with patch.object(Ownership, "_start", hasty):
        yield


@contextmanager
def state_kept_although_not_committed() -> Iterator[None]:
    quiesce = OwnedPartition.quiesce

    async def hopeful(self: OwnedPartition, timeout: float) -> bool:  # noqa: ASYNC109
        await quiesce(self, timeout)
        return True

    with patch.object(OwnedPartition, "quiesce", hopeful):
        yield


@contextmanager
def the_previous_owner_not_fenced() -> Iterator[None]:
    def init(self: Broker, name: str) -> int:
        return self.epochs.setdefault(name, 1)

    with patch.object(Broker, "init", init):
        yield


CRASHES = (driver.crash, driver.start)
LOSSES = (driver.lose_chunk, driver.start)
STOPS = (driver.start, driver.pause, driver.resume, driver.lose_answers)

PLANTS = {
    input_acknowledged_before_the_effects_are_durable: CRASHES,
    effects_torn_apart: CRASHES,
    clock_ignores_a_lagging_topic: CRASHES,
    clock_from_stale_knowledge: STOPS,
    clock_from_one_wall_clock_alone: (driver.start, driver.jump),
    records_of_a_topic_sorted: CRASHES,
    merge_by_a_stale_proof: STOPS,
    a_fetched_batch_skipped: LOSSES,
    continuity_off_by_one: LOSSES,
    redis_ahead_of_the_state: CRASHES,
    state_kept_although_not_committed: (driver.start, driver.rebalance, driver.lose_answers),
    the_previous_owner_not_fenced: STOPS,
}
"""Each bug, and the troubles in which it shows soonest."""

FROM_SEED = {merge_by_a_stale_proof: 24}
"""Where a bug that shows rarely was first seen: the shops before that one only take time."""
