"""Read the members of an audience from the cache, in bounded memory.

Responsible for walking the sets of members while they change, and for believing a profile only
where it is of the present filling of the cache. Must not write, and must not say it in words.

The walk is by since. Who is in the audience all the while is found exactly once, wherever in it
they move meanwhile. That takes eight bytes a member; all else is held a page at a time.
"""

from __future__ import annotations

import heapq
from array import array
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from schemas.errors import RewakeError
from schemas.profiles import (
    CLOCK_KEY,
    EPOCH_KEY,
    Profile,
    customer_key,
    is_stale,
    members_key,
)
from streams.partitioner import partitions_of
from streams.reader import epoch_of, judge, open_cache

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from redis import Redis

    from schemas.profiles import Epoch
    from schemas.vocabulary import Instant
    from streams.audiences.conditions import Audience
    from streams.settings import Settings

PAGE: Final = 1_000

_Entry = tuple[int, str]
"""Since and customer id, as a set of members holds them."""


class Member(NamedTuple):
    """One customer of an audience.

    Attributes
    ----------
    profile
        What the cache holds.
    as_of
        The clock up to which that is right; None: none is published.
    stale
        It cannot be vouched for now.
    """

    profile: Profile
    as_of: Instant | None
    stale: bool


class Reading(NamedTuple):
    """The state of the whole cache.

    Attributes
    ----------
    epoch
        The present filling.
    clocks
        Partition → published clock, as Redis holds them.
    as_of
        The least of them; None while a partition has none.
    stale
        Some answers cannot be vouched for now.
    """

    epoch: Epoch
    clocks: dict[str, str]
    as_of: Instant | None
    stale: bool


class Members:
    """The audiences of a cache.

    Parameters
    ----------
    client
        The Redis that holds it.
    settings
        Whose it has to be, and which clock runs.
    now
        The reader's wall clock.
    """

    def __init__(self, client: Redis, settings: Settings, now: Instant) -> None:
        self._client = client
        self._settings = settings
        self._now = now
        pipeline = client.pipeline(transaction=True)
        pipeline.get(EPOCH_KEY)
        pipeline.hgetall(CLOCK_KEY)
        self.began = self._reading(*pipeline.execute())

    def _reading(self, written: str | None, clocks: dict[str, str]) -> Reading:
        epoch = epoch_of(self._settings, written)
        if epoch is None:
            raise RewakeError(
                "expected a filled cache, it was never filled, or was flushed; does a worker run "
                "against this Redis?"
            )
        complete = len(clocks) >= epoch.filler.partitions
        as_of = min(map(int, clocks.values())) if complete else None
        moment = self._now if self._settings.until is None or as_of is None else as_of
        return Reading(epoch, clocks, as_of, is_stale(Profile("", {}, 0, 0), as_of, moment))

    def size(self, audience: Audience) -> int:
        """Count the members of the first condition between the bounds: the most there may be."""
        pipeline = self._client.pipeline(transaction=True)
        first = audience.conditions[0]
        low, high = _bounds(audience)
        for segment in first.segments:
            pipeline.zcount(members_key(first.system, segment), low, high)
        return sum(pipeline.execute())

    def count(self, audience: Audience) -> int:
        """Count an audience: at once for one condition, by reading all members for several."""
        if len(audience.conditions) == 1:
            return self.size(audience)
        return sum(1 for _ in self.read(audience))

    def read(self, audience: Audience) -> Iterator[Member]:
        """Yield the members by since of the first condition's system.

        Raises
        ------
        RewakeError
            When the cache is filled anew meanwhile.
        """
        first = audience.conditions[0]
        ends: dict[str, _Entry | None] = {
            members_key(first.system, s): None for s in first.segments
        }
        met = array("q")
        more = True
        while more:
            more = False
            begins = self._begins(audience, ends)
            walks = [self._walk(key, page, audience, ends) for key, page in begins.items()]
            entries = iter(heapq.merge(*walks))
            while page := list(islice(entries, PAGE)):
                # Whoever moves may go where a walk has ended: all are looked at again from there.
                more = True
                for member in self.look_up(self._unmet(page, met), audience):
                    met.append(hash(member.profile.customer_id))
                    yield member

    def _unmet(self, page: Sequence[_Entry], met: array[int]) -> list[str]:
        """Leave out who moved after the walk began and was met where they were."""
        homes = partitions_of(
            [customer.encode() for _, customer in page], self.began.epoch.filler.partitions
        ).tolist()
        clocks = {int(home): int(clock) for home, clock in self.began.clocks.items()}
        moved = {
            hash(customer): customer
            for (since, customer), home in zip(page, homes, strict=True)
            if since >= clocks.get(home, 0)
        }
        if moved and met:
            digests = np.fromiter(moved, np.int64, len(moved))
            again = digests[np.isin(digests, np.frombuffer(met, np.int64))].tolist()
            gone = set(again)
            return [customer for _, customer in page if hash(customer) not in gone]
        return [customer for _, customer in page]

    def look_up(self, customers: Sequence[str], audience: Audience) -> Iterator[Member]:
        """Yield those of some customers who are in the audience now."""
        pipeline = self._client.pipeline(transaction=True)
        pipeline.get(EPOCH_KEY)
        pipeline.hgetall(CLOCK_KEY)
        for customer in customers:
            pipeline.hgetall(customer_key(customer))
        written, clocks, *hashes = pipeline.execute()
        reading = self._reading(written, clocks)
        if reading.epoch != self.began.epoch:
            raise RewakeError(
                "expected the cache to stay as it was, it was filled anew meanwhile; try again "
                "once the worker has written it"
            )
        for customer, fields in zip(customers, hashes, strict=True):
            answer = judge(customer, fields, clocks, reading.epoch, self._now, self._settings.until)
            if answer.profile is not None and audience.has(answer.profile):
                yield Member(answer.profile, answer.as_of, answer.stale)

    # ---- one set of members

    def _begins(
        self, audience: Audience, ends: dict[str, _Entry | None]
    ) -> dict[str, list[_Entry]]:
        """Return what stands in each set behind the member its walk has come to.

        All of one instant: between two looks somebody could move from the second set to the first.
        """
        low, high = _bounds(audience)
        pipeline = self._client.pipeline(transaction=True)
        for key, end in ends.items():
            begin = low if end is None else end[0]
            pipeline.zrangebyscore(key, begin, high, start=0, num=PAGE, withscores=True)
        found: dict[str, list[_Entry]] = {}
        for (key, end), page in zip(ends.items(), map(_entries, pipeline.execute()), strict=True):
            behind = [each for each in page if end is None or each > end]
            if end is not None and not behind and len(page) == PAGE:
                behind = self._beyond(key, end, high)  # a whole page of one instant
            found[key] = behind
        return found

    def _walk(
        self, key: str, page: list[_Entry], audience: Audience, ends: dict[str, _Entry | None]
    ) -> Iterator[_Entry]:
        """Yield a set's members by since, each once, while members come and go.

        It begins with a page, and notes with which member it has come to an end.
        """
        _, high = _bounds(audience)
        while page:
            ends[key] = page[-1]
            yield from page
            page = self._behind(key, page, high)

    def _behind(self, key: str, page: Sequence[_Entry], high: Any) -> list[_Entry]:
        """Return the page behind one, found by the last member of it that is still in place."""
        limit = float(high)
        for anchor in reversed(page):
            rank = self._rank(key, anchor)
            while rank is not None:
                found = _entries(self._client.zrange(key, rank, rank + PAGE, withscores=True))
                if found and found[0] == anchor:
                    return [each for each in found if each > page[-1] and each[0] <= limit]
                # It moved between the two calls: on its own, or because others before it went.
                again = self._rank(key, anchor)
                rank = again if again != rank else None
        # None of the whole page is left: begin at its last instant.
        return self._beyond(key, page[-1], high)

    def _rank(self, key: str, entry: _Entry) -> int | None:
        rank: int | None = self._client.zrank(key, entry[1])  # type: ignore[assignment]
        return rank

    def _beyond(self, key: str, last: _Entry, high: Any) -> list[_Entry]:
        offset = 0
        while found := self._from_score(key, last[0], high, offset):
            behind = [each for each in found if each > last]
            if behind:
                return behind
            offset += PAGE
        return []

    def _from_score(self, key: str, low: Any, high: Any, offset: int) -> list[_Entry]:
        return _entries(
            self._client.zrangebyscore(key, low, high, start=offset, num=PAGE, withscores=True)
        )


def _entries(found: Any) -> list[_Entry]:
    return [(int(since), customer) for customer, since in found]


def _bounds(audience: Audience) -> tuple[Any, Any]:
    low = "-inf" if audience.since is None else audience.since
    return low, "+inf" if audience.until is None else audience.until


@contextmanager
def open_members(settings: Settings, now: Instant) -> Iterator[Members]:
    """Open the cache for the length of a block.

    Raises
    ------
    UsageError
        When the settings name no cache.
    CacheHeld
        When another app fills it.
    RewakeError
        When it does not answer, or nobody has filled it.
    """
    with open_cache(settings) as client:
        yield Members(client, settings, now)


def take(members: Iterable[Member], count: int) -> list[Member]:
    """Return the first members."""
    return list(islice(members, count))
