"""Carry the requests of a simulated process to the broker, and be its transactional producers.

Responsible for what is on its way: each request takes its time both ways, its answer may be lost,
and what was sent is carried out even if the sender is gone. Must not know what is asked for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from faust.types import TP

from schemas.errors import ProducerFailed
from tests.simulation.broker import FencedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streams.wall import WallClock
    from tests.simulation.broker import Broker
    from tests.simulation.world import World

TRANSACTION_S = 8.0
NET_S = 0.08
ANSWER_S = 2.0


class Network:
    """Requests of one process: each leg takes a while."""

    def __init__(self, world: World, lost: Callable[[], bool]) -> None:
        self._world = world
        self._lost = lost

    async def ask(self, what: Callable[[], Any]) -> Any:
        """Have something done at the broker; the answer may be lost."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        chance = self._world.chance

        def arrive() -> None:
            try:
                got, error = what(), None
            except FencedError as refused:
                got, error = None, refused
            if not self._lost():
                self._world.at(chance.random() * NET_S, lambda: deliver(got, error))

        def deliver(got: Any, error: Exception | None) -> None:
            if answer.done():
                return
            if error is None:
                answer.set_result(got)
            else:
                answer.set_exception(error)

        self._world.at(chance.random() * NET_S, arrive)
        return await answer

    async def insist(self, what: Callable[[], Any]) -> Any:
        """Ask until there is an answer: for what may be asked twice."""
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    return await self.ask(what)
            except TimeoutError:
                continue


class Producer:
    """The transactional producer of one partition."""

    def __init__(self, broker: Broker, network: Network, name: str, wall: WallClock) -> None:
        self._broker, self._ask = broker, network.ask
        self._wall = wall
        self.name = name
        self.epoch = -1
        self.abandoned = False

    async def open(self) -> None:
        self.epoch = await self._request(lambda: self._broker.init(self.name))

    async def transact(self, parts: Sequence[tuple[str, int, Sequence[Any]]]) -> list[int]:
        broker, name, epoch = self._broker, self.name, self.epoch
        lasts = []
        for topic, number, records in parts:
            if not records:
                lasts.append(-1)
                continue
            tp = TP(topic, number)
            last, appended = await self._request(
                lambda tp=tp, records=records: broker.send(name, epoch, tp, records)
            )
            self._wall.witness(appended)
            lasts.append(last)
        await self._request(lambda: broker.end(name, epoch, "committed"))
        return lasts

    async def _request(self, what: Callable[[], Any]) -> Any:
        if self.abandoned:
            await asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(TRANSACTION_S):
                return await self._ask(what)
        except (TimeoutError, FencedError) as error:
            raise ProducerFailed(f"expected an answer ({self.name}), got {error!r}") from error

    async def abandon(self) -> None:
        self.abandoned = True


def open_producer(name: str, connection: Mapping[str, Any], wall: WallClock, ms: int) -> Producer:
    """Stand for the real producer's constructor."""
    del ms
    return Producer(connection["broker"], connection["network"], name, wall)
