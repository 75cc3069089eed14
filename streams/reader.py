"""Answer from the cache which segments a customer has, and as of when that is right.

Responsible for the reader's rule over Redis: one round trip, the clock of the customer's partition,
and what may be said of an answer that is too old. A profile counts only within the filling of the
cache it was written in. Must not compute a segment, and must not write.

Two kinds of time, told apart by REWAKE_CLOCK. Live, an answer is ``stale`` when its clock stands
more than 10 s behind the wall clock, or when a change should have shown by now. In a replay of
history (``event``) the clock is one of the past on purpose: the answer is right as of that clock,
and only a clock nobody has published makes it stale.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from schemas.errors import CacheHeld, RewakeError, UsageError
from schemas.profiles import (
    CLOCK_KEY,
    EPOCH_FIELD,
    EPOCH_KEY,
    Profile,
    customer_key,
    from_hash,
    is_stale,
    read_epoch,
)
from streams.partitioner import partitions_of
from streams.settings import shown
from streams.sinks.trouble import advice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from redis.asyncio.client import Pipeline as AsyncPipeline
    from redis.client import Pipeline

    from schemas.profiles import Epoch
    from schemas.vocabulary import Instant
    from streams.settings import Settings

ANSWER_S = 5.0


class Answer(NamedTuple):
    """What the cache says of one customer.

    Attributes
    ----------
    customer_id
        The customer.
    profile
        The cached profile; None for a customer nobody has told of.
    partition
        The partition the customer belongs to; None while nobody fills the cache.
    as_of
        The published clock of the partition: up to here the answer is right. None: never published.
    stale
        The answer cannot be vouched for now.
    overdue
        System → segment that should have followed at ``profile.valid_until``; empty unless that
        has passed.
    until
        In a replay of history the instant at which it ends; None in live mode.
    """

    customer_id: str
    profile: Profile | None
    partition: int | None
    as_of: Instant | None
    stale: bool
    overdue: Mapping[str, str]
    until: Instant | None


def lookup(settings: Settings, customer_id: str, now: Instant) -> Answer:
    """Look one customer up.

    Parameters
    ----------
    settings
        Where the cache is, whose it is to be, and which clock runs.
    customer_id
        The customer.
    now
        The reader's wall clock.

    Raises
    ------
    UsageError
        When the settings name no cache.
    CacheHeld
        When another app fills the cache.
    RewakeError
        When the cache does not answer, or holds something else.
    """
    with open_cache(settings) as client:
        pipeline = client.pipeline(transaction=True)
        ask(pipeline, [customer_id])
        replies = pipeline.execute()
    [answer] = understand(settings, [customer_id], replies, now)
    if isinstance(answer, Exception):
        raise answer
    return answer


@contextmanager
def open_cache(settings: Settings) -> Iterator[Redis]:
    """Open the cache for the length of a block; texts come as text.

    Raises
    ------
    UsageError
        When the settings name no cache.
    RewakeError
        When it does not answer, then or within the block.
    """
    if not settings.redis:
        raise UsageError("expected a cache to look into, REWAKE_REDIS is empty; set it to its URL")
    try:
        with Redis.from_url(
            settings.redis,
            decode_responses=True,
            socket_connect_timeout=ANSWER_S,
            socket_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            yield client
    except RedisError as error:
        raise RewakeError(unanswered(settings, error)) from error


def ask(pipeline: Pipeline | AsyncPipeline, customer_ids: Sequence[str]) -> None:
    """Put the questions about customers into a transaction; `understand` reads the answers.

    All of one instant: clocks vouch for profiles of their own filling only.
    """
    pipeline.get(EPOCH_KEY)
    pipeline.hgetall(CLOCK_KEY)
    for customer_id in customer_ids:
        pipeline.hgetall(customer_key(customer_id))


def understand(
    settings: Settings, customer_ids: Sequence[str], replies: Sequence[Any], now: Instant
) -> list[Answer | Exception]:
    """Read what Redis has answered to `ask`, in the order asked.

    Returns
    -------
    list of Answer or Exception
        What is known of each customer, or why that cannot be read.

    Raises
    ------
    CacheHeld
        When another app fills the cache.
    RedisError
        When Redis does not answer for the cache as a whole.
    RewakeError
        When the cache holds something else.
    """
    written, clocks, *found = replies
    for each in (written, clocks):
        if isinstance(each, Exception):
            raise each
    epoch = epoch_of(settings, written)
    partitions = _partitions(customer_ids, epoch)
    answers: list[Answer | Exception] = []
    for customer_id, partition, fields in zip(customer_ids, partitions, found, strict=True):
        if isinstance(fields, Exception):
            answers.append(fields)
            continue
        try:
            answers.append(
                _judge(customer_id, partition, fields, clocks, epoch, now, settings.until)
            )
        except RewakeError as error:
            answers.append(error)
    return answers


def _partitions(customer_ids: Sequence[str], epoch: Epoch | None) -> list[int]:
    keys = [each.encode() for each in customer_ids]
    count = 1 if epoch is None else epoch.filler.partitions
    return list(map(int, partitions_of(keys, count)))


def epoch_of(settings: Settings, written: str | None) -> Epoch | None:
    """Read the present filling of the cache; None while nobody fills it.

    Raises
    ------
    CacheHeld
        When another app fills the cache.
    """
    epoch = None if written is None else read_epoch(written)
    if epoch is not None and epoch.filler.app != settings.app:
        raise CacheHeld(
            f"expected the cache to be that of app {settings.app}, it is that of app "
            f"{epoch.filler.app}; are REWAKE_APP and REWAKE_REDIS those of the worker?"
        )
    return epoch


def unanswered(settings: Settings, error: Exception) -> str:
    """Say that the cache did not answer, and what to do."""
    url = shown(settings)["REWAKE_REDIS"]
    return f"expected Redis at {url} to answer, got {error}; {advice(error)}"


def judge(
    customer_id: str,
    fields: Mapping[str, str],
    clocks: Mapping[str, str],
    epoch: Epoch | None,
    now: Instant,
    until: Instant | None = None,
) -> Answer:
    """Apply the reader's rule to what the cache holds.

    Parameters
    ----------
    customer_id
        The customer.
    fields
        The customer's hash; empty for an unknown one.
    clocks
        The hash of clocks: partition → epoch ms.
    epoch
        The present filling of the cache; None when there is none: it was flushed.
    now
        The reader's wall clock.
    until
        The end of a replay of history; None in live mode.

    Examples
    --------
    >>> epoch = read_epoch("shop Vd9c 1 5f0a")
    >>> held = {"epoch": "5f0a", "lifecycle": "active", "lifecycle.since": "5", "seq": "1"}
    >>> fields = {**held, "version": "1", "valid_until": "20000", "next": "lifecycle=silent"}
    >>> judge("c", fields, {"0": "29000"}, epoch, now=30_000).stale
    False
    >>> late = judge("c", fields, {"0": "39000"}, epoch, now=40_000)
    >>> late.stale, late.overdue
    (True, {'lifecycle': 'silent'})
    """
    [partition] = _partitions([customer_id], epoch)
    return _judge(customer_id, partition, fields, clocks, epoch, now, until)


def _judge(
    customer_id: str,
    partition: int,
    fields: Mapping[str, str],
    clocks: Mapping[str, str],
    epoch: Epoch | None,
    now: Instant,
    until: Instant | None,
) -> Answer:
    if epoch is None:
        return Answer(customer_id, None, None, None, stale=True, overdue={}, until=until)
    written = clocks.get(str(partition))
    clock = None if written is None else int(written)
    # What an earlier filling left: as this one has a clock, it knows no such customer.
    known = fields.get(EPOCH_FIELD) == epoch.token
    profile = from_hash(customer_id, fields) if known else None
    # A replay's answer is one about the past: it is read at the clock it was given at.
    moment = now if until is None or clock is None else clock
    stale = is_stale(profile or _nobody(customer_id), clock, moment)
    overdue: Mapping[str, str] = {}
    if stale and profile is not None and profile.valid_until is not None:
        overdue = profile.next if moment > profile.valid_until else {}
    return Answer(customer_id, profile, partition, clock, stale, overdue, until)


def _nobody(customer_id: str) -> Profile:
    return Profile(customer_id, {}, 0, 0)
