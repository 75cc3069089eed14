"""An audience is read whole from a real Redis, each member once, while members come and go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis import Redis

from schemas.errors import CacheHeld, RewakeError
from schemas.profiles import Filler, Profile, Standing
from streams.audiences import members as module
from streams.audiences.conditions import Audience, Condition
from streams.audiences.members import Members, open_members, take
from streams.partitioner import partitions_of
from streams.settings import Settings, load_settings
from streams.sinks.redis_store import Mark, RedisStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PARTITIONS = 4
NOW = 2_000_000
FILLER = Filler("rewake", "Vd9c", PARTITIONS)
SILENT = Audience((Condition("lifecycle", ("silent",)),))
EITHER = Audience((Condition("lifecycle", ("silent", "churned")),))


def profile(
    customer: str, segment: str, since: int, tier: str = "high", version: int = 1
) -> Profile:
    systems = {"lifecycle": Standing(segment, since), "value_tier": Standing(tier, 1)}
    return Profile(customer, systems, 1, version, NOW + 5, {"lifecycle": "churned"})


@pytest.fixture
def url(redis_url: str) -> Iterator[str]:
    """Give an empty Redis, and leave one."""
    with Redis.from_url(redis_url) as client:
        client.flushdb()
        yield redis_url
        client.flushdb()


def write(url: str, profiles: Sequence[Profile], clock: int = NOW, filler: Filler = FILLER) -> None:
    """Write profiles and clocks as a worker does."""

    async def work() -> None:
        store = RedisStore(url, filler)
        await store.join()
        for first in range(0, len(profiles), 500):
            assert (await store.write(profiles[first : first + 500])).which == []
        await store.publish({p: Mark(1, clock) for p in range(PARTITIONS)})
        await store.close()

    asyncio.run(work())


def the_settings(url: str) -> Settings:
    return load_settings(None, redis=url)


def ids(members: Members, audience: Audience) -> list[str]:
    return [member.profile.customer_id for member in members.read(audience)]


def test_conditions_of_several_systems_all_have_to_hold_and_bounds_are_of_the_first(
    url: str,
) -> None:
    people = [
        profile("a", "silent", 10), profile("b", "silent", 20, "low"), profile("c", "churned", 30),
        profile("d", "silent", 40), profile("e", "active", 50),
    ]  # fmt: skip
    write(url, people)
    tier = Condition("value_tier", ("high",))
    with open_members(the_settings(url), NOW) as members:
        assert ids(members, SILENT) == ["a", "b", "d"]
        assert ids(members, EITHER) == ["a", "b", "c", "d"]
        both = Audience((*EITHER.conditions, tier))
        assert ids(members, both) == ["a", "c", "d"]
        assert members.count(both) == 3
        assert members.count(EITHER) == 4
        assert ids(members, Audience(EITHER.conditions, 20, 30)) == ["b", "c"]
        assert members.count(Audience(EITHER.conditions, 20, 30)) == 2
        one = take(members.read(SILENT), 1)[0]
        assert (one.profile, one.as_of, one.stale) == (people[0], NOW, False)
        assert (members.began.as_of, members.began.stale) == (NOW, False)
    with open_members(the_settings(url), NOW + 10_001) as members:
        assert members.began.stale
        assert take(members.read(SILENT), 1)[0].stale


def test_a_cache_that_is_not_filled_or_is_anothers_is_refused(url: str) -> None:
    with (
        pytest.raises(RewakeError, match="never filled"),
        open_members(the_settings(url), NOW),
    ):
        raise AssertionError
    write(url, [], filler=Filler("other", "Vd9c", PARTITIONS))
    with (
        pytest.raises(CacheHeld, match="that of app other"),
        open_members(the_settings(url), NOW),
    ):
        raise AssertionError


def test_a_cache_that_is_filled_anew_meanwhile_ends_the_reading(url: str) -> None:
    write(url, [profile("a", "silent", 10)])
    with open_members(the_settings(url), NOW) as members:
        with Redis.from_url(url) as client:
            client.flushdb()
        write(url, [profile("a", "silent", 10)])
        with pytest.raises(RewakeError, match="filled anew"):
            ids(members, SILENT)


MOVES = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.integers(0, 24),
        st.sampled_from(["silent", "churned", "active"]),
        st.booleans(),
    ),
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    sinces=st.lists(st.integers(1, 6), min_size=1, max_size=25),
    moves=MOVES,
    page=st.integers(1, 5),
)
@example(sinces=[1, 1], moves=[(0, 0, "silent", False), (1, 0, "churned", False)], page=1)
def test_whoever_is_in_it_all_the_while_is_found_exactly_once(
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    sinces: list[int],
    moves: list[tuple[int, int, str, bool]],
    page: int,
) -> None:
    monkeypatch.setattr(module, "PAGE", page)
    with Redis.from_url(url) as client:
        client.flushdb()
    people = {f"c-{n}": profile(f"c-{n}", "silent", since) for n, since in enumerate(sinces)}

    async def work() -> tuple[list[str], set[str]]:
        store = RedisStore(url, FILLER)
        await store.join()
        await store.write(list(people.values()))
        await store.publish({p: Mark(1, 100) for p in range(PARTITIONS)})
        always = set(people)
        waiting = sorted(moves)
        found: list[str] = []
        with open_members(the_settings(url), NOW) as members:
            reading = members.read(EITHER)
            for number in range(100):
                while waiting and waiting[0][0] <= number:
                    _, who, segment, _ = waiting.pop(0)
                    customer = f"c-{who}"
                    version = people[customer].version + 1 if customer in people else 1
                    people[customer] = profile(customer, segment, 100 + number, version=version)
                    await store.write([people[customer]])
                    if segment == "active":
                        always.discard(customer)
                member = next(reading, None)
                if member is None:
                    break
                found.append(member.profile.customer_id)
        await store.close()
        return found, always

    found, always = asyncio.run(work())
    assert len(found) == len(set(found)), "somebody was found twice"
    assert always <= set(found), "somebody was left out"


def test_many_of_one_instant_are_read_a_page_at_a_time(url: str) -> None:
    people = [profile(f"c-{n:05}", "silent", 7) for n in range(2_500)]
    write(url, people)
    with open_members(the_settings(url), NOW) as members:
        assert ids(members, SILENT) == [each.customer_id for each in people]


def test_the_clock_told_of_a_member_is_that_of_their_partition(url: str) -> None:
    write(url, [profile(f"c-{n}", "silent", 7) for n in range(20)])
    with Redis.from_url(url) as client:
        client.hset("rw:clock", "2", NOW - 500)
    with open_members(the_settings(url), NOW) as members:
        assert members.began.as_of == NOW - 500
        for member in members.read(SILENT):
            home = int(partitions_of([member.profile.customer_id.encode()], PARTITIONS)[0])
            assert member.as_of == (NOW - 500 if home == 2 else NOW)
