"""The reader's rule: when an answer is right, and when it says that it may not be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from schemas.errors import CacheHeld, RewakeError, UsageError
from schemas.profiles import (
    CLOCK_KEY,
    EPOCH_FIELD,
    EPOCH_KEY,
    Epoch,
    Filler,
    Profile,
    Standing,
    customer_key,
    to_hash,
)
from streams.partitioner import partitions_of
from streams.reader import judge, lookup
from streams.settings import load_settings

if TYPE_CHECKING:
    from streams.local import LocalServers

NOW = 1_600_000_000_000
PROFILE = Profile("c", {"lifecycle": Standing("active", NOW - 5)}, 3, 9, None, {})


def epoch(partitions: int = 1, token: str = "5f0a") -> Epoch:
    return Epoch(Filler("rewake", "Vd9c", partitions), token)


def fields(valid_until: int | None = None, token: str = "5f0a") -> dict[str, str]:
    following = {"lifecycle": "silent"} if valid_until is not None else {}
    profile = Profile("c", PROFILE.systems, 3, 9, valid_until, following)
    return {EPOCH_FIELD: token} | to_hash(profile)


# clock      −10 s            now
#   |……… fresh ………|
@pytest.mark.parametrize(("age", "stale"), [(0, False), (10_000, False), (10_001, True)])
def test_a_clock_more_than_ten_seconds_old_is_stale(age: int, stale: bool) -> None:
    answer = judge("c", fields(), {"0": str(NOW - age)}, epoch(), NOW)
    assert (answer.stale, answer.as_of) == (stale, NOW - age)
    assert answer.profile == PROFILE


# valid_until    +10 s
#      |…… late ……| overdue
@pytest.mark.parametrize(("past", "stale"), [(0, False), (10_000, False), (10_001, True)])
def test_a_change_ten_seconds_overdue_makes_it_stale_and_is_named(past: int, stale: bool) -> None:
    answer = judge("c", fields(NOW - past), {"0": str(NOW)}, epoch(), NOW)
    assert answer.stale is stale
    assert answer.overdue == ({"lifecycle": "silent"} if stale else {})


def test_a_stale_answer_whose_change_is_yet_to_come_has_nothing_overdue() -> None:
    answer = judge("c", fields(NOW + 1), {"0": "0"}, epoch(), NOW)
    assert (answer.stale, answer.overdue) == (True, {})


def test_no_clock_is_stale_whatever_the_mode() -> None:
    for until in (None, NOW):
        answer = judge("c", fields(), {}, epoch(4), NOW, until)
        assert (answer.stale, answer.as_of) == (True, None)


def test_a_replay_is_right_as_of_its_clock_however_long_ago_that_is() -> None:
    clock = NOW - 10**11
    answer = judge("c", fields(clock + 5), {"0": str(clock)}, epoch(), NOW, until=clock)
    assert (answer.stale, answer.overdue, answer.as_of) == (False, {}, clock)


@pytest.mark.parametrize("customer", ["17850", "ä", "c-1", "x" * 40])
def test_the_clock_is_that_of_the_partition_of_the_customers_key(customer: str) -> None:
    clocks = {str(number): str(NOW - number) for number in range(4)}
    number = int(partitions_of([customer.encode()], 4)[0])
    answer = judge(customer, {}, clocks, epoch(4), NOW)
    assert (answer.partition, answer.as_of) == (number, NOW - number)


def test_the_partition_count_is_that_of_the_filling_whatever_clocks_lie_about() -> None:
    clocks = {str(number): str(number) for number in range(12)}
    for count in (3, 4, 8):
        answer = judge("17850", {}, clocks, epoch(count), NOW)
        assert answer.partition == int(partitions_of([b"17850"], count)[0])


def test_a_profile_of_an_earlier_filling_is_not_believed() -> None:
    left = fields(token="of old")
    writing = judge("c", left, {}, epoch(), NOW)
    assert (writing.profile, writing.stale, writing.as_of) == (None, True, None)
    written = judge("c", left, {"0": str(NOW)}, epoch(), NOW)
    assert (written.profile, written.stale, written.as_of) == (None, False, NOW)


def test_a_flushed_cache_vouches_for_nothing() -> None:
    answer = judge("c", fields(), {"0": str(NOW)}, None, NOW)
    assert (answer.profile, answer.partition, answer.as_of, answer.stale) == (
        None,
        None,
        None,
        True,
    )


def test_an_unknown_customer_has_an_instant_as_of_which_it_is_unknown() -> None:
    answer = judge("nobody", {}, {"0": str(NOW)}, epoch(), NOW)
    assert (answer.profile, answer.as_of, answer.stale) == (None, NOW, False)


def test_a_real_cache_is_read_in_one_go(spare_servers: LocalServers) -> None:
    url = spare_servers.up().redis.replace("/0", "/3")
    settings = load_settings(None, redis=url, partitions=1)
    with Redis.from_url(url) as client:
        client.flushdb()
        assert lookup(settings, "c", NOW).as_of is None
        client.set(EPOCH_KEY, str(epoch()))
        client.hset(CLOCK_KEY, "0", str(NOW))
        client.hset(customer_key("c"), mapping=fields(NOW + 1))
        answer = lookup(settings, "c", NOW)
        with pytest.raises(CacheHeld, match="app shop, it is that of app rewake"):
            lookup(load_settings(None, redis=url, app="shop"), "c", NOW)
        client.set(customer_key("other"), "somebody's")
        with pytest.raises(RewakeError, match="delete them"):
            lookup(settings, "other", NOW)
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
