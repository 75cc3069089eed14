"""A breaker leaves a failing endpoint alone, and asks it with one request."""

from __future__ import annotations

import asyncio

import pytest

from streams.webhook.breaker import LONGEST_PAUSE_S, Breaker, State


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_failures_that_are_not_in_a_row_do_not_open_it() -> None:
    breaker = Breaker(limit=2)
    for _ in range(10):
        breaker.failed()
        breaker.succeeded()
    assert breaker.state is State.CLOSED
    assert await breaker.enter() is False


async def test_an_open_one_lets_one_probe_through_at_a_time_and_closes_when_it_succeeds() -> None:
    clock = Clock()
    breaker = Breaker(limit=1, pause=1.0, now=clock)
    breaker.failed()
    assert breaker.state is State.OPEN
    clock.now = 1.0
    assert await breaker.enter() is True
    assert breaker.state is State.HALF_OPEN
    others = [asyncio.create_task(breaker.enter()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in others)
    breaker.succeeded()
    breaker.left()
    assert await asyncio.gather(*others) == [False, False, False]


async def test_the_pause_doubles_up_to_a_bound_and_begins_anew_after_a_success() -> None:
    clock = Clock()
    breaker = Breaker(limit=1, pause=1.0, now=clock)
    breaker.failed()
    pauses = [breaker._until - clock.now]
    for _ in range(8):
        clock.now = breaker._until
        assert await breaker.enter() is True
        breaker.failed()
        breaker.left()
        pauses.append(breaker._until - clock.now)
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    breaker.succeeded()
    breaker.failed()
    assert breaker._until - clock.now == 1


async def test_an_endpoint_that_asks_for_time_gets_it() -> None:
    clock = Clock()
    breaker = Breaker(limit=1, pause=1.0, now=clock)
    breaker.failed(retry_after=120.0)
    clock.now = 119.0
    waiting = asyncio.create_task(breaker.enter())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.05)
    clock.now = 120.0
    breaker.succeeded()
    assert await waiting is False


async def test_a_probe_that_is_given_up_lets_the_next_one_go() -> None:
    clock = Clock()
    breaker = Breaker(limit=1, pause=1.0, now=clock)
    breaker.failed()
    clock.now = 1.0
    assert await breaker.enter() is True
    breaker.left()
    assert breaker.state is State.OPEN
    assert await asyncio.wait_for(breaker.enter(), 5) is True
