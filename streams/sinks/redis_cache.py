"""Keep the profiles of the owned partitions in Redis, behind the durable state.

Responsible for what is rendered when, for the order profiles → applied offset and clock, for a
cache that was flushed, and for going on while Redis does not answer. Must not render a profile
whose row holds anything uncommitted, and must never stop or slow the engine.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import numpy as np
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from schemas.profiles import (
    APPLIED_KEY,
    CLOCK_KEY,
    EPOCH_KEY,
    MEMBERS_PREFIX,
    customer_key,
    to_hash,
)
from segmenters.instants import NEVER
from streams.sinks import scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.profiles import Profile
    from schemas.vocabulary import Instant
    from streams.ports import PartitionEngine
    from streams.runs import BoolArray, IntArray

_pack: Final = msgspec.msgpack.Encoder().encode
_log: Final = structlog.get_logger(__name__)

RENDERED: Final = 5_000
"""Profiles rendered for one transaction, and written in one pipeline."""
WRITTEN: Final = 100
"""Profiles one call of the script writes: Redis answers nobody else for about a millisecond."""
OUTBOX: Final = 20_000
"""Rendered profiles that may wait for Redis; beyond, only their row numbers are kept."""
POSTS: Final = 1_000
"""Posts that may wait before those of a clock alone are left out; a later one says more."""
ANSWER_S: Final = 5.0
BACKOFF_S: Final = (0.1, 0.5, 2.0, 5.0)


class Post(NamedTuple):
    """Profiles of one partition, and what holds once they are written.

    Attributes
    ----------
    partition
        Their partition.
    profiles
        In the state that is durable.
    offset
        Changelog offset the cache has reached then; None: not yet sure.
    clock
        Clock that may be published then; None: not yet.
    epoch
        Epoch of the cache when they were queued: in another, offset and clock vouch for nothing.
    """

    partition: int
    profiles: Sequence[Profile]
    offset: int | None
    clock: Instant | None
    epoch: str | None


class _Behind:
    """What of one partition is not yet on its way: a bit per row, however long Redis is away."""

    def __init__(self, engine: PartitionEngine) -> None:
        self.engine = engine
        self._rows: BoolArray = np.zeros(0, np.bool_)
        self.offset = -1
        self.clock: Instant = NEVER
        self.posted: tuple[int | None, Instant | None] = (None, None)

    def add(self, rows: IntArray) -> None:
        """Take rows."""
        if not len(rows):
            return
        if len(self._rows) <= int(rows.max()):
            grown = np.zeros(max(self.engine.customers, int(rows.max()) + 1), np.bool_)
            grown[: len(self._rows)] = self._rows
            self._rows = grown
        self._rows[rows] = True

    def take(self, most: int) -> IntArray:
        """Give rows away, the lowest first."""
        rows = np.flatnonzero(self._rows)[:most]
        self._rows[rows] = False
        return rows

    @property
    def count(self) -> int:
        """Number of rows."""
        return int(np.count_nonzero(self._rows))


class ProfileCache:
    """The cache of profiles.

    Parameters
    ----------
    url
        Where Redis is; ``rediss://`` for TLS, with user and password where needed.
    """

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S, decode_responses=True
        )
        self._write = self._redis.register_script(scripts.WRITE_PROFILES)
        self._publish = self._redis.register_script(scripts.PUBLISH)
        self._open_epoch = self._redis.register_script(scripts.OPEN_EPOCH)
        self._partitions: dict[int, _Behind] = {}
        self._outbox: deque[Post] = deque()
        self._waiting = 0
        self._posted = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._epoch: str | None = None
        self._task: asyncio.Task[None] | None = None
        self.errors = 0
        self.on_error: Callable[[], None] = lambda: None

    @property
    def behind(self) -> int:
        """Profiles that Redis does not hold yet."""
        return self._waiting + sum(each.count for each in self._partitions.values())

    # ---- life

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def stop(self, timeout: float = 3.0) -> None:  # noqa: ASYNC109
        """Write what is waiting if Redis answers in time, then close."""
        try:
            async with asyncio.timeout(timeout):
                await self._empty.wait()
        except TimeoutError:
            _log.warning("cache left behind", profiles=self._waiting)
        if self._task is not None:
            self._task.cancel()
        await self._redis.aclose()

    # ---- ownership

    async def applied(self) -> dict[int, int]:
        """Return the changelog offset the cache has reached, by partition; empty when unknown."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._learn_epoch()
                found: dict[Any, Any] = await self._redis.hgetall(APPLIED_KEY)
        except (RedisError, OSError, TimeoutError) as error:
            self._failed(error)
            return {}
        return {int(partition): int(offset) for partition, offset in found.items()}

    def taken(self, partition: int, engine: PartitionEngine, rows: IntArray) -> None:
        """Take a partition over; ``rows`` are those the cache may not hold."""
        self._partitions[partition] = behind = _Behind(engine)
        behind.add(rows)

    def released(self, partition: int) -> None:
        """Let a partition go; whoever takes it rewrites what is above the applied offset."""
        self._partitions.pop(partition, None)

    # ---- behind the state

    def render(self, partition: int, rows: IntArray) -> Sequence[Profile]:
        """Render profiles for the transaction that is being built.

        Called when the engine holds exactly what will be committed; rows beyond what fits are
        remembered by number and rendered with a later one.
        """
        behind = self._partitions.get(partition)
        if behind is None:
            return ()
        behind.add(rows)
        return self._render(behind)

    def _render(self, behind: _Behind) -> Sequence[Profile]:
        if self._waiting >= OUTBOX:
            return ()
        rows = behind.take(RENDERED)
        return behind.engine.profiles(rows) if len(rows) else ()

    def durable(
        self, partition: int, profiles: Sequence[Profile], offset: int, clock: Instant
    ) -> None:
        """Queue what was rendered for a transaction that has been committed."""
        behind = self._partitions.get(partition)
        if behind is not None:
            behind.offset, behind.clock = offset, clock
            self._post(partition, behind, profiles)

    def settled(self, partition: int, clock: Instant) -> None:
        """Publish a clock although nothing changed; all effects of the partition are durable."""
        behind = self._partitions.get(partition)
        if behind is not None:
            behind.clock = clock
            self._post(partition, behind, self._render(behind))

    def _post(self, partition: int, behind: _Behind, profiles: Sequence[Profile]) -> None:
        """Queue profiles; offset and clock go with them only when no row is left behind."""
        sure = behind.count == 0
        offset = behind.offset if sure and behind.offset >= 0 else None
        clock = behind.clock if sure and behind.clock > NEVER else None
        if not profiles and ((offset, clock) == behind.posted or len(self._outbox) >= POSTS):
            return
        behind.posted = (offset, clock)
        self._outbox.append(Post(partition, profiles, offset, clock, self._epoch))
        self._waiting += len(profiles)
        self._empty.clear()
        self._posted.set()

    # ---- writing

    async def _run(self) -> None:
        failures = 0
        while True:
            await self._posted.wait()
            self._posted.clear()
            while self._outbox:
                batch = _batch(self._outbox)
                try:
                    await self._deliver(batch)
                except (RedisError, OSError, TimeoutError) as error:
                    self._failed(error)
                    await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
                    failures += 1
                    continue
                failures = 0
                for _ in batch:
                    self._waiting -= len(self._outbox.popleft().profiles)
            self._empty.set()

    async def _deliver(self, batch: Sequence[Post]) -> None:
        if self._epoch is None:
            await self._learn_epoch()
        latest = {profile.customer_id: profile for post in batch for profile in post.profiles}
        profiles = list(latest.values())
        for first in range(0, len(profiles), WRITTEN):
            some = profiles[first : first + WRITTEN]
            await self._write(
                keys=[customer_key(profile.customer_id) for profile in some],
                args=[MEMBERS_PREFIX, _pack([_parts(profile) for profile in some])],
            )
        for partition, (offset, clock) in _vouched(batch, self._epoch).items():
            current = await self._publish(
                keys=[EPOCH_KEY, CLOCK_KEY, APPLIED_KEY],
                args=[self._epoch or "", partition, _word(clock), _word(offset)],
            )
            if not current:
                await self._learn_epoch()
                return

    async def _learn_epoch(self) -> None:
        """Notice a flushed cache: everything owned has to be written again."""
        offered = secrets.token_hex(8)
        epoch = await self._open_epoch(keys=[EPOCH_KEY, CLOCK_KEY, APPLIED_KEY], args=[offered])
        if epoch == self._epoch:
            return
        new = self._epoch is not None or epoch == offered
        if new:
            _log.warning("cache is new", partitions=sorted(self._partitions))
        for behind in self._partitions.values():
            if new:
                behind.add(np.arange(behind.engine.customers))
            behind.posted = (None, None)  # what was queued before vouches for nothing
        self._epoch = epoch

    def _failed(self, error: Exception) -> None:
        self.errors += 1
        self.on_error()
        if self.errors == 1 or self.errors % 100 == 0:
            _log.warning("cache does not answer", error=repr(error), errors=self.errors)


def _batch(outbox: deque[Post]) -> list[Post]:
    """Return the posts at the head that make one pipeline."""
    batch: list[Post] = []
    size = 0
    for post in outbox:
        if batch and size + len(post.profiles) > RENDERED:
            break
        batch.append(post)
        size += len(post.profiles)
    return batch


def _vouched(
    batch: Sequence[Post], epoch: str | None
) -> dict[int, tuple[int | None, Instant | None]]:
    """Return, by partition, what holds once all profiles of the batch are written."""
    known: dict[int, tuple[int | None, Instant | None]] = {}
    for post in batch:
        if post.epoch != epoch:
            continue
        offset, clock = known.get(post.partition, (None, None))
        known[post.partition] = (_later(offset, post.offset), _later(clock, post.clock))
    return {partition: what for partition, what in known.items() if what != (None, None)}


def _later(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else max(one, other)


def _word(number: int | None) -> str:
    return "" if number is None else str(number)


def _parts(profile: Profile) -> tuple[Any, ...]:
    """Return what the script takes of one profile."""
    systems: list[Any] = []
    for system, standing in profile.systems.items():
        systems += (system, standing.segment, standing.since)
    fields = [part for pair in to_hash(profile).items() for part in pair]
    return (profile.version, profile.customer_id, systems, fields)
