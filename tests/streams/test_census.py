"""The sums by segment: counted when something changed, published where this app fills the cache."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import redis

from schemas.errors import RewakeError
from schemas.profiles import EPOCH_KEY, SUMS_KEY, Epoch, Filler, Sums, read_sums
from schemas.vocabulary import MS_PER_DAY, Kind
from segmenters.batch import EventBatch
from segmenters.engine import Engine
from segmenters.headcount import Headcount
from segmenters.instants import NEVER
from segmenters.rules import loads
from streams.census import Census, SumsStore
from streams.metrics import Metrics
from streams.sinks.redis_store import RedisStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

FILLER = Filler("shop", "Vd9c", 2)
CLOCK = 1_700_000_000_000
RULES = loads("[systems.lifecycle]")


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    client.flushdb()
    client.set(EPOCH_KEY, str(Epoch(FILLER, "5f0a")))
    yield client
    client.flushdb()
    client.close()


class Worker:
    """Partitions with engines of their own, and the census over them."""

    def __init__(self, url: str, filler: Filler = FILLER) -> None:
        self.partitions: dict[int, Any] = {}
        self.versions: dict[int, int] = {}
        self.metrics = Metrics()
        self.counts = 0
        self.store = SumsStore(url, filler)
        self.census = Census(
            lambda: self.partitions, lambda n: self.versions[n], self.metrics, self.store
        )

    def take(self, number: int, customers: int) -> None:
        engine = Engine(RULES)
        begin_count = engine.headcount

        def headcount(clock: int) -> Any:
            count = begin_count(clock)
            step = count.step

            def counted() -> bool:
                self.counts += 1
                return step()

            count.step = counted  # type: ignore[method-assign]
            return count

        engine.headcount = headcount  # type: ignore[method-assign]
        self.versions[number] = 0
        self.partitions[number] = SimpleNamespace(
            engine=engine, waiting=0, reading=SimpleNamespace(instant=CLOCK)
        )
        self.order(number, [b"%d-%d" % (number, n) for n in range(customers)])

    def order(self, number: int, names: list[bytes]) -> None:
        size, first = len(names), self.partitions[number].engine.customers + 1
        ids = list(range(first, first + size))
        self.partitions[number].engine.apply(
            EventBatch.from_columns(
                names, [CLOCK] * size, [int(Kind.ORDER)] * size, [250] * size, ids, ids,
                [False] * size, [str(each) for each in ids],
            )
        )  # fmt: skip
        self.versions[number] += 1

    def shown(self, segment: str) -> float | None:
        labels = {"system": "lifecycle", "segment": segment}
        return self.metrics.registry.get_sample_value("rewake_customers", labels)


@pytest.fixture
async def worker(redis_url: str) -> AsyncIterator[Worker]:
    made = Worker(redis_url)
    yield made
    await made.census.stop()


def published(client: redis.Redis) -> dict[str, Sums]:
    return {partition: read_sums(text) for partition, text in client.hgetall(SUMS_KEY).items()}


async def test_customers_and_revenue_are_published_by_partition_and_shown_as_sums(
    worker: Worker, redis_client: redis.Redis
) -> None:
    worker.take(0, 3)
    worker.take(1, 4)
    assert await worker.census.round() > 0
    found = published(redis_client)
    assert set(found) == {"0", "1"}
    assert found["0"].clock == CLOCK
    assert found["0"].systems["lifecycle"]["new"] == (3, 750)
    assert found["1"].systems["lifecycle"]["new"] == (4, 1_000)
    assert found["1"].systems["lifecycle"]["silent"] == (0, 0)
    assert (worker.shown("new"), worker.shown("silent")) == (7, 0)
    size = worker.metrics.registry.get_sample_value("rewake_ledger_bytes")
    assert size == sum(each.engine.nbytes for each in worker.partitions.values()) > 0


async def test_a_round_costs_what_it_took_of_the_processor_not_what_others_took_meanwhile(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.take(0, 3)
    await worker.census.round()  # what has to be compiled is
    step = Headcount.step

    def interrupted(self: Headcount) -> bool:
        time.sleep(0.3)
        return step(self)

    monkeypatch.setattr(Headcount, "step", interrupted)
    worker.order(0, [b"another"])
    assert 0 < await worker.census.round() < 0.2


async def test_a_partition_is_counted_again_when_it_has_changed_and_its_clock_goes_on_anyway(
    worker: Worker, redis_client: redis.Redis
) -> None:
    worker.take(0, 3)
    await worker.census.round()
    counted = worker.counts
    worker.partitions[0].reading.instant = CLOCK + 1
    assert await worker.census.round() == 0
    assert worker.counts == counted
    assert published(redis_client)["0"].clock == CLOCK + 1
    worker.order(0, [b"another"])
    await worker.census.round()
    assert published(redis_client)["0"].systems["lifecycle"]["new"] == (4, 1_000)
    counted = worker.counts
    worker.partitions[0].reading.instant = CLOCK + MS_PER_DAY  # the window has moved
    await worker.census.round()
    assert worker.counts > counted


async def test_after_a_rebalance_nobody_is_counted_twice(
    worker: Worker, redis_url: str, redis_client: redis.Redis
) -> None:
    worker.take(0, 3)
    worker.take(1, 4)
    await worker.census.round()
    other = Worker(redis_url)
    other.take(1, 5)
    del worker.partitions[1]
    await other.census.round()
    await worker.census.round()
    found = published(redis_client)
    assert found["1"].systems["lifecycle"]["new"] == (5, 1_250)
    assert (worker.shown("new"), other.shown("new")) == (3, 5)
    worker.partitions.clear()
    await worker.census.round()
    assert worker.shown("new") is None
    await other.census.stop()


async def test_a_cache_that_another_app_fills_gets_no_sums(
    redis_url: str, redis_client: redis.Redis
) -> None:
    for filler in (Filler("sho", "Vd9c", 2), Filler("shop", "Vd9d", 2)):
        stranger = Worker(redis_url, filler)
        stranger.take(0, 3)
        await stranger.census.round()
        await stranger.census.stop()
    assert published(redis_client) == {}


async def test_a_cache_that_is_begun_anew_keeps_no_sums_of_before(
    worker: Worker, redis_url: str, redis_client: redis.Redis
) -> None:
    worker.take(0, 3)
    await worker.census.round()
    redis_client.delete(EPOCH_KEY)
    store = RedisStore(redis_url, FILLER)
    await store.join()
    assert published(redis_client) == {}
    await worker.census.round()  # nothing has changed: it is published all the same
    assert published(redis_client)["0"].systems["lifecycle"]["new"] == (3, 750)
    await store.close()


async def test_what_nobody_can_speak_for_yet_is_not_counted(
    worker: Worker, redis_client: redis.Redis
) -> None:
    worker.take(0, 3)
    worker.take(1, 3)
    worker.partitions[0].waiting = 2
    worker.partitions[1].reading.instant = NEVER
    await worker.census.round()
    assert published(redis_client) == {}
    assert worker.shown("new") is None


def test_sums_that_cannot_be_read_say_what_to_do() -> None:
    with pytest.raises(RewakeError, match=r"rw:sums.*delete"):
        read_sums("{}")
