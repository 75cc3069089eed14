"""Read what the cache holds of customers.

Responsible for Redis: one pass of pipelines, never a write. Must not judge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from redis import Redis
from redis.exceptions import RedisError

from schemas.errors import RewakeError
from schemas.profiles import (
    APPLIED_KEY,
    EPOCH_FIELD,
    EPOCH_KEY,
    customer_key,
    members_key,
    read_epoch,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

CONNECT_S: Final = 5.0
_PILE: Final = 500


class Profile(NamedTuple):
    """What the cache holds of one customer.

    Attributes
    ----------
    fields
        Its hash; empty where there is none.
    audiences
        System → segments whose sets of members have it.
    """

    fields: Mapping[str, str]
    audiences: Mapping[str, Collection[str]]


class Cache(NamedTuple):
    """What the cache holds.

    Attributes
    ----------
    applied
        Partition → changelog offset reached; read before the profiles.
    profiles
        Customer id → what is held.
    problem
        Why it could not be read; empty when it could.
    """

    applied: Mapping[int, int]
    profiles: Mapping[bytes, Profile]
    problem: str = ""


def read_cache(
    url: str, app: str, segments: Mapping[str, Sequence[str]], customers: Sequence[bytes]
) -> Cache:
    """Read the profiles of customers, and how far the cache has come.

    Parameters
    ----------
    url
        Where Redis is.
    app
        Who has to have filled it.
    segments
        System → its segments.
    customers
        Their ids.
    """
    profiles: dict[bytes, Profile] = {}
    try:
        with Redis.from_url(
            url, decode_responses=True, socket_connect_timeout=CONNECT_S, socket_timeout=CONNECT_S
        ) as client:
            token = _token(client, app)
            applied = {int(p): int(offset) for p, offset in client.hgetall(APPLIED_KEY).items()}
            for pile in _piles(customers):
                profiles |= _read(client, token, segments, pile)
    except (RedisError, OSError, ValueError) as error:
        return Cache({}, {}, f"Redis does not answer: {error}")
    except RewakeError as error:
        return Cache({}, {}, str(error))
    return Cache(applied, profiles)


def _token(client: Redis, app: str) -> str:
    """Return the token of the present filling: profiles of another mean nothing."""
    written = client.get(EPOCH_KEY)
    if written is None:
        raise RewakeError("it is empty, no worker has filled it since it was flushed")
    epoch = read_epoch(str(written))
    if epoch.filler.app != app:
        raise RewakeError(f"it is that of app {epoch.filler.app}, not of {app} (REWAKE_APP)")
    return epoch.token


def _read(
    client: Redis,
    token: str,
    segments: Mapping[str, Sequence[str]],
    customers: Iterable[bytes],
) -> Iterator[tuple[bytes, Profile]]:
    sets = [(system, segment) for system, names in segments.items() for segment in names]
    pipeline = client.pipeline(transaction=False)
    names = [key.decode() for key in customers]
    for name in names:
        pipeline.hgetall(customer_key(name))
        for system, segment in sets:
            pipeline.zscore(members_key(system, segment), name)
    answers = iter(pipeline.execute())
    for name in names:
        fields = next(answers)
        audiences: dict[str, list[str]] = {}
        for system, segment in sets:
            if next(answers) is not None:
                audiences.setdefault(system, []).append(segment)
        mine = fields.get(EPOCH_FIELD) == token
        yield name.encode(), Profile(fields if mine else {}, audiences if mine else {})


def _piles(customers: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for first in range(0, len(customers), _PILE):
        yield customers[first : first + _PILE]
