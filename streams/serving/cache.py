"""Read the cache for the lookups service.

Responsible for the connections, for what is asked in one go, and for saying so when Redis does not
answer. Must not decide what an answer means: that is the reader's rule (`streams.reader`).
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from schemas.errors import RewakeError
from schemas.profiles import CLOCK_KEY, EPOCH_KEY, STALE_AFTER_MS, SUMS_KEY, members_key, read_sums
from streams.reader import ask, epoch_of, unanswered, understand
from streams.serving.problems import away
from streams.serving.together import Together

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from schemas.profiles import Epoch, Sums
    from schemas.vocabulary import Instant
    from streams.reader import Answer
    from streams.serving.metrics import ServeMetrics
    from streams.settings import Settings

CONNECTIONS: Final = 16
"""Open to Redis at most; who comes when all are busy waits for one."""
ANSWER_S: Final = 2.0


class Clocks(NamedTuple):
    """The published clocks of all partitions.

    Attributes
    ----------
    epoch
        The present filling of the cache; None while nobody fills it.
    by_partition
        Those that are published.
    as_of
        The least; None unless all are published.
    stale
        Nothing can be vouched for up to now.
    """

    epoch: Epoch | None
    by_partition: Mapping[int, Instant]
    as_of: Instant | None
    stale: bool


class Counts(NamedTuple):
    """Sizes of segments: customers by (system, segment), and each partition's sums."""

    clocks: Clocks
    customers: dict[tuple[str, str], int]
    sums: list[Sums]


class Page(NamedTuple):
    """Some members of a segment: ids, and since when."""

    clocks: Clocks
    members: list[tuple[str, Instant]]


PAGE: Final = """
-- KEYS 1: members of a segment. ARGV 1: how many. ARGV 2 and 3, if there are: since and id of the
-- member behind which they follow, whether it is still there or not.
local function behind(a, b)
  for n = 1, math.min(#a, #b) do
    local x, y = string.byte(a, n), string.byte(b, n)
    if x ~= y then return x > y end
  end
  return #a > #b
end
local first = 0
if ARGV[2] then
  -- Members of one since are in the order of their bytes: the place is found by halving.
  first = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[2])
  local last = redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[2])
  while first < last do
    local middle = math.floor((first + last) / 2)
    if behind(redis.call('ZRANGE', KEYS[1], middle, middle)[1], ARGV[3]) then
      last = middle
    else
      first = middle + 1
    end
  end
end
return redis.call('ZRANGE', KEYS[1], first, first + ARGV[1] - 1, 'WITHSCORES')
"""


def wall() -> Instant:
    """Return the wall clock."""
    return time.time_ns() // 1_000_000


class Cache:
    """The Redis that holds the profiles.

    Parameters
    ----------
    settings
        Where it is, whose it is to be, and which clock runs.
    metrics
        Told of what was found and of what failed.
    """

    def __init__(self, settings: Settings, metrics: ServeMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        pool = BlockingConnectionPool.from_url(
            settings.redis,
            max_connections=CONNECTIONS,
            timeout=ANSWER_S,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=ANSWER_S,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis: Redis = Redis.from_pool(pool)
        self._lookups: Together[Answer] = Together(self._look_up)
        self._page = self._redis.register_script(PAGE)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def look_up(self, customer_ids: Sequence[str]) -> list[Answer]:
        """Look customers up, in the order asked; who asks meanwhile shares the round trip.

        Raises
        ------
        Refusal
            When Redis does not answer, or holds something else.
        """
        with self._asking():
            answers = await self._lookups.find(customer_ids)
        for answer in answers:
            self._metrics.looked_up(answer.profile is not None, answer.stale)
        return answers

    async def _look_up(self, customer_ids: Sequence[str]) -> list[Answer | Exception]:
        async with self._redis.pipeline(transaction=True) as pipeline:
            ask(pipeline, customer_ids)
            replies = await pipeline.execute(raise_on_error=False)
        return understand(self._settings, customer_ids, replies, wall())

    async def clocks(self) -> Clocks:
        """Read up to when the partitions are right."""
        with self._asking():
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.get(EPOCH_KEY)
                pipeline.hgetall(CLOCK_KEY)
                written, clocks = await pipeline.execute()
            return self._clocks(written, clocks)

    async def counts(self, segments: Sequence[tuple[str, str]]) -> Counts:
        """Count the members of segments of systems."""
        with self._asking():
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.get(EPOCH_KEY)
                pipeline.hgetall(CLOCK_KEY)
                pipeline.hgetall(SUMS_KEY)
                for system, segment in segments:
                    pipeline.zcard(members_key(system, segment))
                written, clocks, sums, *sizes = await pipeline.execute()
            found = self._clocks(written, clocks)
            customers = dict(zip(segments, map(int, sizes), strict=True))
            return Counts(found, customers, _sums(found, sums))

    async def page(
        self, system: str, segment: str, limit: int, after: tuple[Instant, str] | None
    ) -> Page:
        """Read members of a segment, by since, then by id, behind one of them or from the first."""
        with self._asking():
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.get(EPOCH_KEY)
                pipeline.hgetall(CLOCK_KEY)
                await self._page(
                    keys=[members_key(system, segment)],
                    args=[limit, *(after or ())],
                    client=pipeline,
                )
                written, clocks, members = await pipeline.execute()
            pairs = zip(members[::2], members[1::2], strict=True)
            found = [(str(customer_id), int(since)) for customer_id, since in pairs]
            return Page(self._clocks(written, clocks), found)

    def _clocks(self, written: str | None, clocks: Mapping[str, str]) -> Clocks:
        epoch = epoch_of(self._settings, written)
        if epoch is None:
            return Clocks(None, {}, None, stale=True)
        count = epoch.filler.partitions
        known = {int(number): int(clock) for number, clock in clocks.items()}
        known = {number: clock for number, clock in sorted(known.items()) if number < count}
        as_of = min(known.values()) if len(known) == count else None
        live = self._settings.until is None
        stale = as_of is None or (live and wall() - as_of > STALE_AFTER_MS)
        return Clocks(epoch, known, as_of, stale)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            self._metrics.cache_errors.labels(type(error).__name__).inc()
            raise away(unanswered(self._settings, error)) from error
        except (RewakeError, ValueError) as error:
            self._metrics.cache_errors.labels(type(error).__name__).inc()
            raise away(str(error)) from error


def _sums(clocks: Clocks, written: Mapping[str, str]) -> list[Sums]:
    """Read the sums of all partitions; none at all unless all are there."""
    partitions = 0 if clocks.epoch is None else clocks.epoch.filler.partitions
    if any(str(number) not in written for number in range(partitions)):
        return []
    return [read_sums(written[str(number)]) for number in range(partitions)]
