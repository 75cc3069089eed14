"""Let questions that come while Redis is asked share the next round trip.

Responsible for gathering: at most `LANES` round trips are under way, and whoever comes meanwhile
goes together in the next, each getting their own answers or failure. Under load a round trip serves
many, and no question waits for a connection. Must not know what is asked.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

LANES: Final = 2
MOST: Final = 500
"""Questions of one round trip, unless one caller has more."""

Found = TypeVar("Found")


class _Asked(NamedTuple, Generic[Found]):
    names: Sequence[str]
    answer: asyncio.Future[list[Found | Exception]]


class Together(Generic[Found]):
    """Asks for many at once.

    Parameters
    ----------
    ask
        Asks for names; returns what was found, or what went wrong, for each in their order.
    """

    def __init__(self, ask: Callable[[Sequence[str]], Awaitable[list[Found | Exception]]]) -> None:
        self._ask = ask
        self._waiting: deque[_Asked[Found]] = deque()
        self._lanes: set[asyncio.Task[None]] = set()

    async def find(self, names: Sequence[str]) -> list[Found]:
        """Return what was found for names, in their order.

        Raises
        ------
        Exception
            What went wrong for one of them, or for all.
        """
        asked: _Asked[Found] = _Asked(names, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if len(self._lanes) < LANES:
            lane = asyncio.create_task(self._run())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        found: list[Found] = []
        for each in await asked.answer:
            if isinstance(each, Exception):
                raise each
            found.append(each)
        return found

    async def _run(self) -> None:
        while self._waiting:
            share = [self._waiting.popleft()]
            count = len(share[0].names)
            while self._waiting and count + len(self._waiting[0].names) <= MOST:
                share.append(self._waiting.popleft())
                count += len(share[-1].names)
            names = [name for each in share for name in each.names]
            try:
                found = await self._ask(names)
            except Exception as error:  # noqa: BLE001 - whoever asked gets it
                found = [error] * count
            first = 0
            for each in share:
                last = first + len(each.names)
                if not each.answer.done():  # who asked may have left
                    each.answer.set_result(found[first:last])
                first = last
