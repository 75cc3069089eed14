"""Leave an endpoint that fails alone for a while, then ask it with one request.

Responsible for the three states and the pauses between probes. Must not send anything.
"""

from __future__ import annotations

import asyncio
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE_S: Final = 1.0
"""Pause before the first probe; it doubles with each that fails."""
LONGEST_PAUSE_S: Final = 60.0


class State(StrEnum):
    """What a breaker lets through: all, nothing, or one probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """The circuit breaker of one endpoint.

    Parameters
    ----------
    limit
        Failures in a row, over all customers, after which it opens.
    pause
        Seconds before the first probe.
    now
        Seconds, ever growing.

    Examples
    --------
    >>> breaker = Breaker(limit=2, pause=10, now=lambda: 0.0)
    >>> breaker.failed(); breaker.state.value
    'closed'
    >>> breaker.failed(); breaker.state.value
    'open'
    >>> breaker.succeeded(); breaker.state.value
    'closed'
    """

    def __init__(
        self, limit: int, pause: float = PAUSE_S, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._pause = pause
        self._now = now
        self._failures = 0
        self._probes = 0
        self._until = 0.0
        self._closed = asyncio.Event()
        self._closed.set()
        self._turn = asyncio.Lock()
        self.state = State.CLOSED

    async def enter(self) -> bool:
        """Wait until a request may be made; return whether it is a probe.

        A probe ends with `left`, whatever comes of it.
        """
        if self._is_closed():
            return False
        # One at a time, in the order they came: who failed as a probe goes to the end.
        await self._turn.acquire()
        try:
            while not self._is_closed() and self._now() < self._until:
                await self._pass(self._until - self._now())
        except BaseException:
            self._turn.release()
            raise
        if self._is_closed():
            self._turn.release()
            return False
        self.state = State.HALF_OPEN
        return True

    def _is_closed(self) -> bool:
        return self.state is State.CLOSED

    async def _pass(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            pass

    def left(self) -> None:
        """End a probe; unless it succeeded, the endpoint is left alone again."""
        if self.state is State.HALF_OPEN:
            self.state = State.OPEN
        self._turn.release()

    def succeeded(self) -> None:
        """Take note of an answer that took the change."""
        self._failures = self._probes = 0
        self.state = State.CLOSED
        self._closed.set()

    def failed(self, retry_after: float = 0.0) -> None:
        """Take note of any other end of a request.

        Parameters
        ----------
        retry_after
            Seconds the endpoint asked to be left alone for; 0 when it did not.
        """
        self._failures += 1
        if self.state is State.CLOSED and self._failures < self._limit:
            return
        if self.state is State.OPEN:
            return  # a request of before it opened
        pause = min(self._pause * 2**self._probes, LONGEST_PAUSE_S)
        self._probes += 1
        self._until = self._now() + max(pause, retry_after)
        self.state = State.OPEN
        self._closed.clear()
