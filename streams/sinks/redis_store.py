"""Speak with the Redis that holds the profiles.

Responsible for single calls: joining a filling of the cache, writing profiles, raising clocks and
offsets, removing what fillings before have left; and for noticing with each call whether the cache
is still as this worker left it. Must not retry, queue or decide what is written when.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from schemas.errors import CacheHeld
from schemas.profiles import (
    APPLIED_KEY,
    CLOCK_KEY,
    CUSTOMER_PREFIX,
    EPOCH_KEY,
    MEMBERS_PREFIX,
    SUMS_KEY,
    WRITER_PREFIX,
    Epoch,
    customer_key,
    read_epoch,
    to_hash,
)
from streams.sinks import scripts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.profiles import Filler, Profile
    from schemas.vocabulary import Instant

_pack: Final = msgspec.msgpack.Encoder().encode

ANSWER_S: Final = 5.0
PAGE: Final = 500
"""Profiles looked at in one call of a sweep."""


class CacheLost(Exception):  # noqa: N818 - says what happened, as all errors here do
    """The cache is not as this worker left it: what it has written may not be there."""


class Mark(NamedTuple):
    """How far one partition is contained in the cache; None: that is not to be moved."""

    offset: int | None
    clock: Instant | None


class Refusal(NamedTuple):
    """What Redis would not take of a write.

    Attributes
    ----------
    why
        The server's words on the last one.
    which
        Their numbers in the call.
    """

    why: str
    which: Sequence[int]


class RedisStore:
    """The Redis of one worker's cache.

    Parameters
    ----------
    url
        Where Redis is; ``rediss://`` for TLS, with user and password where needed.
    filler
        Whose profiles are written.
    """

    def __init__(self, url: str, filler: Filler) -> None:
        self.filler = filler
        self.epoch: Epoch | None = None
        self._redis = Redis.from_url(
            url,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=ANSWER_S,
            decode_responses=True,
            # Every failure has to be seen here: who comes back may be another server.
            retry=Retry(NoBackoff(), 0),
        )
        self._open = self._redis.register_script(scripts.OPEN)
        self._write = self._redis.register_script(scripts.WRITE_PROFILES)
        self._publish = self._redis.register_script(scripts.PUBLISH)
        self._sweep = self._redis.register_script(scripts.SWEEP)
        self._calls = 0
        self._begin_as_writer()

    def _begin_as_writer(self) -> None:
        self._writer = WRITER_PREFIX + secrets.token_hex(8)
        self._answered = 0

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    # ---- joining

    async def join(self) -> bool:
        """Join the present filling of the cache, or begin one where there is none.

        Returns
        -------
        bool
            Whether nothing of what was written before counts.

        Raises
        ------
        CacheHeld
            When it is filled by another app, or from another changelog of this one.
        """
        before, answered, token = self.epoch, self._answered, secrets.token_hex(8)
        epoch, call = await self._join(token)
        if before is None:
            self.epoch = epoch
            return epoch.token == token
        lost = epoch != before or call < answered
        if lost:
            # Calls of before that are still under way must not pass for calls of afterwards.
            self._begin_as_writer()
            epoch, _ = await self._join(token)
            self.epoch = epoch
        return lost

    async def _join(self, token: str) -> tuple[Epoch, int]:
        call = self._next_call()
        written, known = await self._open(
            keys=[EPOCH_KEY, self._writer, CLOCK_KEY, APPLIED_KEY, SUMS_KEY],
            args=[str(self.filler), token, call],
        )
        epoch = read_epoch(written)
        if epoch.filler != self.filler:
            raise CacheHeld(_held(epoch.filler, self.filler))
        self._answered = max(self._answered, call)
        return epoch, int(known)

    async def applied(self) -> dict[int, int]:
        """Return the changelog offset reached, by partition."""
        found: dict[Any, Any] = await self._redis.hgetall(APPLIED_KEY)
        return {int(partition): int(offset) for partition, offset in found.items()}

    # ---- writing

    async def write(self, profiles: Sequence[Profile]) -> Refusal:
        """Write profiles of one customer each.

        Raises
        ------
        CacheLost
            When the cache is not as this worker left it; nothing was written.
        """
        epoch, call = self._present(), self._next_call()
        answer = await self._write(
            keys=[EPOCH_KEY, self._writer, *(customer_key(each.customer_id) for each in profiles)],
            args=[
                str(epoch),
                self._answered,
                call,
                epoch.token,
                MEMBERS_PREFIX,
                _pack([_parts(each) for each in profiles]),
            ],
        )
        self._notice(answer, call)
        return Refusal(str(answer[0]), [int(number) for number in answer[1:]])

    async def publish(self, marks: Mapping[int, Mark]) -> bool:
        """Say how far partitions are contained; a mark never goes back.

        Returns
        -------
        bool
            Whether with these all partitions of the filling have a clock, for the first time.

        Raises
        ------
        CacheLost
            When the cache is not as this worker left it; nothing was published.
        """
        epoch, call = self._present(), self._next_call()
        words = [
            (str(partition), _word(mark.clock), _word(mark.offset))
            for partition, mark in marks.items()
        ]
        answer = await self._publish(
            keys=[EPOCH_KEY, self._writer, CLOCK_KEY, APPLIED_KEY],
            args=[str(epoch), self._answered, call, self.filler.partitions, _pack(words)],
        )
        self._notice(answer, call)
        return bool(answer)

    async def sweep(self) -> int:
        """Remove the profiles that fillings before this one have left; return how many.

        Raises
        ------
        CacheLost
            When another filling has begun meanwhile.
        """
        epoch, cursor, gone = self._present(), 0, 0
        while True:
            cursor, keys = await self._redis.scan(
                cursor, match=CUSTOMER_PREFIX + "*", count=PAGE, _type="hash"
            )
            if keys:
                ids = [str(key).removeprefix(CUSTOMER_PREFIX) for key in keys]
                answer = await self._sweep(
                    keys=[EPOCH_KEY, *keys], args=[str(epoch), epoch.token, MEMBERS_PREFIX, *ids]
                )
                if answer is None:
                    raise CacheLost
                gone += int(answer)
            if not int(cursor):
                return gone

    def _present(self) -> Epoch:
        if self.epoch is None:
            raise CacheLost
        return self.epoch

    def _next_call(self) -> int:
        self._calls += 1
        return self._calls

    def _notice(self, answer: object, call: int) -> None:
        if answer is None:
            raise CacheLost
        self._answered = max(self._answered, call)


def _held(holder: Filler, filler: Filler) -> str:
    return (
        f"expected the cache to be that of app {filler.app} (changelog {filler.changelog}), it is "
        f"that of app {holder.app} (changelog {holder.changelog}): give each app a database of its "
        f"own (REWAKE_REDIS), or, to hand this one over, stop the workers of the other and delete "
        f"the key {EPOCH_KEY}; everything is written anew then"
    )


def _word(number: int | None) -> str:
    return "" if number is None else str(number)


def _parts(profile: Profile) -> tuple[Any, ...]:
    """Return what the script takes of one profile."""
    systems: list[Any] = []
    for system, standing in profile.systems.items():
        systems += (system, standing.segment, standing.since)
    fields = [part for pair in to_hash(profile).items() for part in pair]
    return (profile.version, profile.customer_id, systems, fields)
