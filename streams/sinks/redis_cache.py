"""Keep the profiles of the owned partitions in Redis, behind the durable state.

Responsible for what is rendered when, for the order profiles → applied offset and clock, and for
going on whatever Redis does: away, slow, flushed, gone back, full, or refusing single keys. Must
not render a profile whose row holds anything uncommitted, and must never stop or slow the engine.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog
from redis.exceptions import RedisError

from streams.sinks.behind import Behind
from streams.sinks.redis_store import ANSWER_S, CacheLost, Mark, RedisStore, Refusal
from streams.sinks.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from schemas.profiles import Filler, Profile
    from schemas.vocabulary import Instant
    from streams.ports import PartitionEngine
    from streams.runs import IntArray
    from streams.sinks.behind import Post

_log: Final = structlog.get_logger(__name__)

RENDERED: Final = 5_000
"""Profiles rendered for one transaction, and delivered together."""
WRITTEN: Final = 100
"""Profiles one call of the script writes: Redis answers nobody else for about a millisecond."""
OUTBOX: Final = 20_000
"""Rendered profiles that may wait for Redis; beyond, only their row numbers are kept."""
POSTS: Final = 1_000
"""Posts that may wait before those of a clock alone are left out; a later one says more."""
BACKOFF_S: Final = (0.1, 0.5, 2.0, 5.0)


class ProfileCache:
    """The cache of profiles.

    Parameters
    ----------
    url
        Where Redis is; ``rediss://`` for TLS, with user and password where needed.
    filler
        Whose profiles they are.
    on_error
        Called for each failed call, and for each profile that was refused.
    """

    def __init__(
        self, url: str, filler: Filler, on_error: Callable[[], None] = lambda: None
    ) -> None:
        self._store = RedisStore(url, filler)
        self._on_error = on_error
        self._partitions: dict[int, Behind] = {}
        self._outbox: deque[Post] = deque()
        self._waiting = 0
        self._posted = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._losses = self._losses_when_asked = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._trouble = Trouble("cache cannot be written")
        self._refusals = Trouble("cache refuses profiles")

    @property
    def behind(self) -> int:
        """Profiles that Redis does not hold yet."""
        return self._waiting + sum(each.count for each in self._partitions.values())

    # ---- life

    async def start(self) -> None:
        """Begin to write."""
        self._tasks.append(asyncio.create_task(self._run()))

    async def stop(self, timeout: float = 3.0) -> None:  # noqa: ASYNC109
        """Write what is waiting if Redis answers in time, then close."""
        try:
            async with asyncio.timeout(timeout):
                await self._empty.wait()
        except TimeoutError:
            _log.warning("cache left behind", profiles=self._waiting)
        for task in self._tasks:
            task.cancel()
        await self._store.close()

    # ---- ownership

    async def applied(self) -> dict[int, int]:
        """Return the changelog offset the cache has reached, by partition; empty when unknown."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._join()
                self._losses_when_asked = self._losses
                return await self._store.applied()
        except Exception as error:  # noqa: BLE001 - nothing about the cache stops a takeover
            self._failed(error)
            return {}

    def taken(self, partition: int, engine: PartitionEngine, rows: IntArray) -> None:
        """Take a partition over; ``rows`` are those the cache may not hold."""
        self._partitions[partition] = behind = Behind(partition, engine)
        behind.add(rows)
        if self._losses != self._losses_when_asked:
            behind.add_all()  # lost since it was asked how far it is

    def released(self, partition: int) -> None:
        """Let a partition go; whoever takes it rewrites what is above the applied offset."""
        behind = self._partitions.pop(partition, None)
        if behind is not None:
            behind.engine = None  # its posts may wait for long, its rows need not

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

    def _render(self, behind: Behind) -> Sequence[Profile]:
        if self._waiting >= OUTBOX or behind.engine is None:
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
            self._post(behind, profiles)

    def settled(self, partition: int, clock: Instant) -> None:
        """Publish a clock although nothing changed; all effects of the partition are durable."""
        behind = self._partitions.get(partition)
        if behind is not None:
            behind.clock = clock
            self._post(behind, self._render(behind))

    def _post(self, behind: Behind, profiles: Sequence[Profile]) -> None:
        """Queue profiles; offset and clock go with them only when no row is left behind."""
        if not profiles and (not behind.has_news or len(self._outbox) >= POSTS):
            return
        self._outbox.append(behind.post(profiles))
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
                except Exception as error:  # noqa: BLE001 - whatever it is: say so, try again
                    self._failed(error)
                    await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
                    failures += 1
                    continue
                failures = 0
                self._trouble.over()
                for _ in batch:
                    self._waiting -= len(self._outbox.popleft().profiles)
            self._empty.set()

    async def _deliver(self, batch: Sequence[Post]) -> None:
        try:
            if self._store.epoch is None:
                await self._join()
            await self._write(batch)
            marks = _vouched(batch)
            if marks and await self._store.publish(marks):
                self._tasks.append(asyncio.create_task(self._sweep()))
        except CacheLost:
            await self._store.join()
            self._begin_again()

    async def _write(self, batch: Sequence[Post]) -> None:
        """Write profiles; what Redis refuses is kept as behind and holds nobody else up."""
        latest = {each.customer_id: (each, post.behind) for post in batch for each in post.profiles}
        waiting = list(latest.values())
        for first in range(0, len(waiting), WRITTEN):
            some = waiting[first : first + WRITTEN]
            why, refused = await self._write_some([profile for profile, _ in some])
            for number in refused:
                profile, behind = some[number]
                behind.refuse([profile.customer_id])
                self._on_error()
                _log.debug("refused", customer=profile.customer_id, error=why)
            if refused:
                self._refusals.note(why, profiles=len(refused))

    async def _write_some(self, profiles: Sequence[Profile]) -> Refusal:
        try:
            refusal = await self._store.write(profiles)
        except (CacheLost, RedisError, OSError, TimeoutError):
            raise  # that is about all of them
        except Exception as error:  # noqa: BLE001 - one that cannot even be sent
            if len(profiles) == 1:
                return Refusal(repr(error), [0])
        else:
            return refusal
        alone = [await self._write_some([profile]) for profile in profiles]
        refused = [number for number, (_, which) in enumerate(alone) if which]
        return Refusal(alone[refused[-1]].why if refused else "", refused)

    async def _join(self) -> None:
        if await self._store.join():
            self._begin_again()

    def _begin_again(self) -> None:
        """Write everything owned again: the cache is new, or has lost some of what it had."""
        _log.warning("cache is new", partitions=sorted(self._partitions))
        self._losses += 1
        for post in self._outbox:
            post.behind.void()
        for behind in self._partitions.values():
            behind.add_all()

    async def _sweep(self) -> None:
        """Remove what others have left; where it fails, readers do not believe it anyway."""
        try:
            removed = await self._store.sweep()
        except Exception as error:  # noqa: BLE001 - whatever it is: say so
            self._failed(error)
        else:
            _log.info("cache complete", removed=removed)

    def _failed(self, error: Exception) -> None:
        self._on_error()
        self._trouble.note(error)


def _batch(outbox: Iterable[Post]) -> list[Post]:
    """Return the posts at the head that are delivered together."""
    batch: list[Post] = []
    size = 0
    for post in outbox:
        if batch and size + len(post.profiles) > RENDERED:
            break
        batch.append(post)
        size += len(post.profiles)
    return batch


def _vouched(batch: Sequence[Post]) -> dict[int, Mark]:
    """Return, by partition, what holds once all profiles of the batch are written."""
    known: dict[int, Mark] = {}
    for post in batch:
        if post.term == post.behind.term:
            before = known.get(post.behind.partition, Mark(None, None))
            known[post.behind.partition] = Mark(
                _later(before.offset, post.mark.offset), _later(before.clock, post.mark.clock)
            )
    return {partition: mark for partition, mark in known.items() if mark != (None, None)}


def _later(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else max(one, other)
