"""Look customers up all the while, and hold what was said against what was true.

Responsible for a reader that asks the cache at random moments, for comparing the whole cache with
the state, and for a way to Redis that can be made slow. It reads the cache as `rewake lookup` does.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import redis

from schemas.errors import RewakeError
from schemas.profiles import customer_key, from_hash
from segmenters.rules import loads
from streams.reader import Answer, lookup
from streams.settings import load_settings
from tests.faults.exactness import restored
from tests.streams.workbench import APP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.faults.shop import Shop

PAUSE_S = 0.03


class Said(NamedTuple):
    """How often lookups said what."""

    fresh: int
    stale: int
    unanswered: int


class Lookups:
    """A reader of the cache, while it is open.

    Parameters
    ----------
    shop
        Whose customers are looked up.
    url
        The cache.
    """

    def __init__(self, shop: Shop, url: str, seed: int = 1) -> None:
        self._shop = shop
        self._settings = load_settings(None, redis=url, app=APP)
        self._chance = random.Random(seed)
        self._answers: list[Answer] = []
        self._unanswered = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to ask."""
        self._task = asyncio.create_task(self._ask())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ask no more."""
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _ask(self) -> None:
        while True:
            customer = self._chance.choice(self._shop.trade.names)
            try:
                self._answers.append(await asyncio.to_thread(self.answer, customer))
            except RewakeError:
                self._unanswered += 1
            await asyncio.sleep(PAUSE_S)

    def answer(self, customer: str, ahead_ms: int = 0) -> Answer:
        """Look one customer up, by a clock that is ahead if asked for."""
        return lookup(self._settings, customer, time.time_ns() // 1_000_000 + ahead_ms)

    def said(self) -> Said:
        """Count what was said since the last time."""
        stale = sum(answer.stale for answer in self._answers[self._counted :])
        found = Said(
            len(self._answers) - self._counted - stale, stale, self._unanswered - self._counted_not
        )
        self._counted, self._counted_not = len(self._answers), self._unanswered
        return found

    _counted = _counted_not = 0

    def assert_never_wrong(self) -> None:
        """Check every answer against the changes that were told, which are the oracle's.

        One that is not stale knows every change before its clock; any shows the segments of one
        moment.
        """
        told = self._shop.consumers[0].told
        for answer in self._answers:
            changes = told.get(answer.customer_id, [])
            sequence = 0 if answer.profile is None else answer.profile.sequence
            if not answer.stale and answer.as_of is not None:
                before = [each["sequence"] for each in changes if each["at"] < answer.as_of]
                assert sequence >= max(before, default=0), f"too old, and not called so: {answer}"
            if answer.profile is not None:
                shown = {name: each.segment for name, each in answer.profile.systems.items()}
                assert shown == _segments(changes, sequence), f"of no moment: {answer}"

    async def equal_state(self, within: float = 30) -> float:
        """Wait until the hash of every customer says what the state does; return how long.

        Customers may go on buying: what is cached may be later than what was read of the state.
        """
        began, found = time.monotonic(), "nothing was compared"
        while time.monotonic() < began + within:
            await self._shop.changelog.read_on()
            found = await asyncio.to_thread(self._differences)
            if not found:
                return time.monotonic() - began
            await asyncio.sleep(0.25)
        raise AssertionError(f"{within} s later cache and state still differ: {found}")

    def _differences(self) -> str:
        rules, changelog = loads(self._shop.rules), self._shop.changelog
        with redis.Redis.from_url(self._settings.redis, decode_responses=True) as store:
            for rows, record in zip(changelog.rows, changelog.records, strict=True):
                if not rows or record is None:
                    continue
                engine = restored(rows, rules, record.clock)
                for profile in engine.profiles(np.arange(engine.customers)):
                    fields: Any = store.hgetall(customer_key(profile.customer_id))
                    if not fields:
                        return f"{profile.customer_id} is not cached"
                    cached = from_hash(profile.customer_id, fields)
                    same = (cached.systems, cached.sequence) == (profile.systems, profile.sequence)
                    if not same and cached.version <= profile.version:
                        return f"{cached}, it should be {profile}"
        return ""


def _segments(changes: list[dict[str, Any]], sequence: int) -> dict[str, str]:
    return {each["system"]: each["to"] for each in changes[:sequence]}


class Detour:
    """A way to a server that takes as long as it is told to.

    Attributes
    ----------
    delay_s
        Seconds for which each request is held back.
    """

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._pipes: set[asyncio.Task[None]] = set()
        self.delay_s = 0.0
        self.port = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """Listen on a free port meanwhile."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for pipe in self._pipes:
                pipe.cancel()
            await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*self._to)
        except OSError:
            writer.close()
            return
        for source, target, slow in ((reader, back, True), (there, writer, False)):
            pipe = asyncio.create_task(self._pipe(source, target, slow=slow))
            self._pipes.add(pipe)
            pipe.add_done_callback(self._pipes.discard)

    async def _pipe(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, slow: bool
    ) -> None:
        with suppress(OSError):
            while content := await source.read(1 << 20):
                await asyncio.sleep(self.delay_s if slow else 0)
                target.write(content)
                await target.drain()
        target.close()
