"""Taking partitions over and letting them go, in the one order that is safe."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import IllegalStateError
from faust.types import TP

from schemas.errors import ContinuityBroken, InputTruncated, PartitionsChanged, ProducerFailed
from streams.clock import EventClock
from streams.ownership import Ownership, Plan
from streams.partition import Digests, Pace
from streams.position import FORMAT, InputPosition, PositionRecord
from streams.sinks.no_cache import NoCache
from streams.table import PartitionState
from streams.wall import WallClock
from tests.streams.counting import CountingEngine
from tests.streams.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TOPIC = "t"


class Producer:
    """A producer that remembers what was done with it."""

    made: list[Producer]

    def __init__(
        self, transactional_id: str, connection: Mapping[str, object], wall: WallClock, ms: int
    ) -> None:
        del wall
        assert connection == {"where": "there"}
        assert ms == 60_000
        self.id = transactional_id
        self.opened = self.abandoned = False
        Producer.made.append(self)

    async def open(self) -> None:
        self.opened = True

    async def abandon(self) -> None:
        self.abandoned = True

    async def transact(self, parts: Sequence[Any]) -> list[int]:
        await asyncio.sleep(0)
        return [7 for _ in parts]


class Consumer:
    """What ownership asks of the consumer."""

    def __init__(self) -> None:
        self.seeks: list[Mapping[TP, tuple[int, int]]] = []
        self.counts: dict[str, int] = {TOPIC: 4}
        self.range = (0, 100)
        self.changelog = (0, 0)
        self.acked: dict[TP, int] = {}
        self._epochs = 0

    def topic_partitions(self, topic: str) -> int | None:
        return self.counts.get(topic)

    def new_epoch(self) -> int:
        self._epochs += 1
        return self._epochs

    def idle_answer(self, _: TP) -> None:
        return None

    async def log_range(self, tps: Sequence[TP]) -> dict[TP, tuple[int, int]]:
        return {tp: self.range if tp.topic == TOPIC else self.changelog for tp in tps}

    async def committed(self, _: TP) -> int | None:
        return None

    async def seek_to(self, wanted: Mapping[TP, tuple[int, int]]) -> None:
        self.seeks.append(wanted)

    def durable(self, positions: Mapping[TP, int]) -> None:
        self.acked.update(positions)


class Watcher:
    """Hears of everything and remembers a little."""

    def __init__(self) -> None:
        self.takeovers: list[list[int]] = []
        self.releases: list[tuple[list[int], list[int]]] = []
        self.failures: list[Exception] = []

    def taken(self, states: Mapping[int, PartitionState]) -> None:
        self.takeovers.append(list(states))

    def released(self, kept: Sequence[int], dropped: Sequence[int]) -> None:
        self.releases.append((list(kept), list(dropped)))

    def failed(self, _: int, error: Exception) -> None:
        self.failures.append(error)

    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


class Bench:
    """Ownership around fakes of Faust and Kafka."""

    def __init__(self) -> None:
        self.consumer = Consumer()
        self.watcher = Watcher()
        self.states: dict[int, PartitionState] = {}
        ledger = SimpleNamespace(state_of=self.state_of, drop=self.states.pop)
        self.app = SimpleNamespace(consumer=self.consumer, ledger=ledger, consumer_generation_id=1)
        plan = Plan(
            app="shop",
            partitions=4,
            decoders={TOPIC: None},  # type: ignore[dict-item]
            changelog="cl",
            changes="ch",
            dead_letters="dl",
            dead_partitions=1,
            source="/shop",
            clock=EventClock(10**13),
            pace=Pace(tick_s=0.01),
            digests=Digests("r", "l", {}),
            connection={"where": "there"},
        )
        self.ownership = Ownership(self.app, plan, self.watcher, NoCache(), WallClock())

    def state_of(self, number: int) -> PartitionState:
        return self.states.setdefault(number, PartitionState(CountingEngine()))


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    Producer.made = []
    monkeypatch.setattr("streams.ownership.PartitionProducer", Producer)
    return Bench()


async def test_a_partition_is_sought_to_its_position_record_and_worked(bench: Bench):
    record = PositionRecord(FORMAT, {TOPIC: InputPosition(42)}, 5, "r", "l")
    bench.state_of(1).record = record
    await bench.ownership.open({1}, 1)
    assert [producer.id for producer in Producer.made] == ["shop-1"]
    await bench.ownership.take({1})
    ((tp, (offset, epoch)),) = bench.consumer.seeks[0].items()
    assert (tp, offset) == (TP(TOPIC, 1), 42)
    assert epoch > 0
    assert bench.watcher.takeovers == [[1]]
    await bench.ownership.release(1)
    assert bench.watcher.releases == [([1], [])]
    assert Producer.made[0].abandoned
    assert 1 in bench.states


async def test_a_check_that_fails_starts_nothing(bench: Bench):
    bench.state_of(1).record = PositionRecord(FORMAT, {TOPIC: InputPosition(42)}, 5, "r", "l")
    bench.consumer.range = (50, 100)
    await bench.ownership.open({1}, 1)
    with pytest.raises(InputTruncated):
        await bench.ownership.take({1})
    assert not bench.consumer.seeks
    assert not bench.watcher.takeovers


async def test_a_changelog_that_was_not_read_to_its_end_starts_nothing(bench: Bench):
    bench.consumer.changelog = (0, 7)
    await bench.ownership.open({1}, 1)
    with pytest.raises(ContinuityBroken, match="cl, partition 1: expected offsets 0 to 6"):
        await bench.ownership.take({1})
    assert not bench.watcher.takeovers


async def test_opening_again_abandons_the_producers_of_before(bench: Bench):
    await bench.ownership.open({0, 1}, 1)
    await bench.ownership.open({1}, 1)
    assert [producer.abandoned for producer in Producer.made] == [True, True, False]


async def test_an_outdated_assignment_opens_nothing(bench: Bench):
    await bench.ownership.open({0}, 0)
    assert not Producer.made


async def test_a_revoke_during_the_lookup_ends_the_takeover_quietly(bench: Bench):
    await bench.ownership.open({0}, 1)

    async def looked_up(tps: Sequence[TP]) -> dict[TP, tuple[int, int]]:
        await bench.ownership.release(1)
        return dict.fromkeys(tps, (0, 100))

    bench.consumer.log_range = looked_up  # type: ignore[method-assign]
    await bench.ownership.take({0})
    assert not bench.consumer.seeks
    assert not bench.watcher.takeovers
    assert not bench.ownership.partitions


async def test_a_seek_refused_because_of_a_revoke_is_no_failure(bench: Bench):
    await bench.ownership.open({0}, 1)

    async def refused(_: Any) -> None:
        await bench.ownership.release(1)
        raise IllegalStateError("not assigned")

    bench.consumer.seek_to = refused  # type: ignore[method-assign]
    await bench.ownership.take({0})
    assert not bench.watcher.takeovers


async def test_a_partition_that_does_not_become_quiet_in_time_is_dropped(bench: Bench):
    await bench.ownership.open({0}, 1)
    await bench.ownership.take({0})
    partition = bench.ownership.partitions[0]
    Producer.made[0].transact = lambda _: asyncio.sleep(60)  # type: ignore[method-assign,assignment]
    partition.effects.touch()
    await asyncio.sleep(0.01)
    await bench.ownership.release(0.05)
    assert bench.watcher.releases == [([], [0])]
    assert 0 not in bench.states


async def test_a_release_that_is_cut_short_keeps_nothing(bench: Bench):
    await bench.ownership.open([1], 1)
    await bench.ownership.take([1])

    async def never(_: float) -> bool:
        await asyncio.Event().wait()
        return True

    bench.ownership.partitions[1].quiesce = never  # type: ignore[method-assign]
    letting_go = asyncio.create_task(bench.ownership.release(9))
    await asyncio.sleep(0.01)
    letting_go.cancel()
    await asyncio.wait([letting_go])
    assert bench.states == {}


async def test_what_is_committed_is_acknowledged_to_the_group(bench: Bench):
    await bench.ownership.open({0}, 1)
    await bench.ownership.take({0})
    bench.ownership.partitions[0].effects.touch()
    await bench.ownership.partitions[0].effects.drained()
    assert bench.consumer.acked == {TP(TOPIC, 0): 0}
    assert bench.states[0].offset == 8  # its last record, then the marker
    await bench.ownership.release(1)


@pytest.mark.parametrize("count", [3, 6])
async def test_another_partition_count_while_running_is_an_error(bench: Bench, count: int):
    bench.ownership.check_counts()
    bench.consumer.counts[TOPIC] = count
    with pytest.raises(PartitionsChanged, match=f"expected 4 partitions, now there are {count}"):
        bench.ownership.check_counts()


def test_a_count_that_is_not_known_yet_is_no_error(bench: Bench):
    bench.consumer.counts.clear()
    bench.ownership.check_counts()
    assert bench.consumer.topic_partitions(TOPIC) is None


async def test_a_recovery_that_ends_after_a_revoke_takes_nothing(bench: Bench):
    await bench.ownership.open({0}, 1)
    await bench.ownership.release(1)
    await bench.ownership.take({0})
    assert not bench.watcher.takeovers
    assert not bench.ownership.partitions


async def test_a_recovery_that_ends_while_producers_are_opening_takes_nothing(bench: Bench):
    await bench.ownership.open({0}, 1)
    opening = asyncio.Event()

    class Slow(Producer):
        async def open(self) -> None:
            opening.set()
            await asyncio.sleep(60)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.ownership.PartitionProducer", Slow)
        again = asyncio.create_task(bench.ownership.open({0}, 1))
        await opening.wait()
    await bench.ownership.take({0})
    assert not bench.watcher.takeovers
    again.cancel()


class Opening(Producer):
    """A producer whose opening does not end before it is abandoned."""

    async def open(self) -> None:
        self.opened = True
        await eventually(lambda: self.abandoned)
        raise ProducerFailed("expected to open the producer, got its connections closed")


async def test_letting_go_while_producers_are_opening_is_no_failure(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("streams.ownership.PartitionProducer", Opening)
    opening = asyncio.create_task(bench.ownership.open({0, 1}, 1))
    await eventually(lambda: [producer.opened for producer in Producer.made] == [True, True])
    await bench.ownership.release(1)
    await opening
    await bench.ownership.take({0, 1})
    assert not bench.watcher.takeovers


async def test_a_producer_that_cannot_open_while_it_is_wanted_is_a_failure(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("streams.ownership.PartitionProducer", Opening)
    opening = asyncio.create_task(bench.ownership.open({0}, 1))
    await eventually(lambda: Producer.made)
    Producer.made[0].abandoned = True
    with pytest.raises(ProducerFailed):
        await opening


async def test_nothing_is_opened_for_partitions_let_go_while_the_cache_was_asked(bench: Bench):
    asked = asyncio.Event()

    async def slowly() -> dict[int, int]:
        asked.set()
        await asyncio.sleep(0.01)
        return {}

    bench.ownership._cache.applied = slowly
    opening = asyncio.create_task(bench.ownership.open({0}, 1))
    await asked.wait()
    await bench.ownership.release(1)
    await opening
    assert [producer.opened for producer in Producer.made] == [False]
