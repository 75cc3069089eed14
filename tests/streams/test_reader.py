"""The reader's rule: when an answer is right, and when it says that it may not be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from schemas.errors import RewakeError, UsageError
from schemas.profiles import CLOCK_KEY, Profile, Standing, customer_key, to_hash
from streams.partitioner import partitions_of
from streams.reader import judge, lookup
from streams.settings import load_settings

if TYPE_CHECKING:
    from streams.local import LocalServers

NOW = 1_600_000_000_000
PROFILE = Profile("c", {"lifecycle": Standing("active", NOW - 5)}, 3, 9, None, {})


def fields(valid_until: int | None = None) -> dict[str, str]:
    following = {"lifecycle": "silent"} if valid_until is not None else {}
    return to_hash(Profile("c", PROFILE.systems, 3, 9, valid_until, following))


# clock      −10 s            now
#   |……… fresh ………|
@pytest.mark.parametrize(("age", "stale"), [(0, False), (10_000, False), (10_001, True)])
def test_a_clock_more_than_ten_seconds_old_is_stale(age: int, stale: bool) -> None:
    answer = judge("c", fields(), {"0": str(NOW - age)}, 1, NOW)
    assert (answer.stale, answer.as_of) == (stale, NOW - age)
    assert answer.profile == PROFILE


# valid_until    +10 s
#      |…… late ……| overdue
@pytest.mark.parametrize(("past", "stale"), [(0, False), (10_000, False), (10_001, True)])
def test_a_change_ten_seconds_overdue_makes_it_stale_and_is_named(past: int, stale: bool) -> None:
    answer = judge("c", fields(NOW - past), {"0": str(NOW)}, 1, NOW)
    assert answer.stale is stale
    assert answer.overdue == ({"lifecycle": "silent"} if stale else {})


def test_a_stale_answer_whose_change_is_yet_to_come_has_nothing_overdue() -> None:
    answer = judge("c", fields(NOW + 1), {"0": "0"}, 1, NOW)
    assert (answer.stale, answer.overdue) == (True, {})


def test_no_clock_is_stale_whatever_the_mode() -> None:
    for until in (None, NOW):
        answer = judge("c", fields(), {}, 4, NOW, until)
        assert (answer.stale, answer.as_of) == (True, None)


def test_a_replay_is_right_as_of_its_clock_however_long_ago_that_is() -> None:
    clock = NOW - 10**11
    answer = judge("c", fields(clock + 5), {"0": str(clock)}, 1, NOW, until=clock)
    assert (answer.stale, answer.overdue, answer.as_of) == (False, {}, clock)


@pytest.mark.parametrize("customer", ["17850", "ä", "c-1", "x" * 40])
def test_the_clock_is_that_of_the_partition_of_the_customers_key(customer: str) -> None:
    clocks = {str(number): str(NOW - number) for number in range(4)}
    number = int(partitions_of([customer.encode()], 4)[0])
    answer = judge(customer, {}, clocks, 4, NOW)
    assert (answer.partition, answer.as_of) == (number, NOW - number)


def test_more_clocks_than_partitions_known_are_believed() -> None:
    clocks = {str(number): str(number) for number in range(12)}
    answer = judge("17850", {}, clocks, 4, NOW)
    assert answer.partition == int(partitions_of([b"17850"], 12)[0])


def test_an_unknown_customer_has_an_instant_as_of_which_it_is_unknown() -> None:
    answer = judge("nobody", {}, {"0": str(NOW)}, 1, NOW)
    assert (answer.profile, answer.as_of, answer.stale) == (None, NOW, False)


def test_a_real_cache_is_read_in_one_go(spare_servers: LocalServers) -> None:
    url = spare_servers.up().redis.replace("/0", "/3")
    settings = load_settings(None, redis=url, partitions=1)
    with Redis.from_url(url) as client:
        client.flushdb()
        assert lookup(settings, "c", NOW).as_of is None
        client.hset(CLOCK_KEY, "0", str(NOW))
        client.hset(customer_key("c"), mapping=fields(NOW + 1))
        answer = lookup(settings, "c", NOW)
        client.flushdb()
    assert answer.profile is not None
    assert answer.profile.systems == PROFILE.systems
    assert (answer.as_of, answer.stale, answer.until) == (NOW, False, None)


def test_a_cache_that_does_not_answer_is_named_without_its_password() -> None:
    settings = load_settings(None, redis="redis://:sesame@127.0.0.1:1/0")
    with pytest.raises(RewakeError, match="expected Redis at redis://") as raised:
        lookup(settings, "c", NOW)
    assert "sesame" not in str(raised.value)


def test_without_a_cache_there_is_nothing_to_look_into() -> None:
    with pytest.raises(UsageError, match="REWAKE_REDIS is empty"):
        lookup(load_settings(None, redis=""), "c", NOW)
