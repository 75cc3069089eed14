"""Break a simulated shop at random, from one seed.

Responsible for choosing what happens; everything chosen comes from the shop's own chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from tests.simulation.network import open_producer
from tests.simulation.shop import OPEN, Shop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WORKERS: Final = 3


def crash(shop: Shop) -> None:
    """Kill a worker after a few more callbacks of everybody: between any two awaits."""
    if shop.processes:
        shop.run(steps=shop.world.chance.randrange(60))
        if shop.processes:
            shop.crash(shop.world.chance.choice(shop.processes))


def start(shop: Shop) -> None:
    """Start a worker."""
    if len(shop.processes) < WORKERS:
        shop.start()


def pause(shop: Shop) -> None:
    """Stop a worker at any point, and let it go on when others have taken over."""
    running = [each for each in shop.processes if not each.loop.paused]
    if len(running) > 1:
        shop.run(steps=shop.world.chance.randrange(60))
        victim = shop.world.chance.choice(running)
        if victim in shop.processes:
            shop.pause(victim)


def resume(shop: Shop) -> None:
    """Let those that were stopped go on."""
    for process in list(shop.processes):
        shop.resume(process)


def rebalance(shop: Shop) -> None:
    """Share the partitions anew."""
    shop.rebalance()


def lose_chunk(shop: Shop) -> None:
    """Throw the next chunk away between fetch and lane."""
    for process in shop.processes:
        process.skipping = 1


def double_chunk(shop: Shop) -> None:
    """Bring the next chunks twice."""
    for process in shop.processes:
        process.doubling = 3


def lose_answers(shop: Shop) -> None:
    """Lose some of the broker's next answers; what was asked is done all the same."""
    shop.losing = 10


def jump(shop: Shop) -> None:
    """Set a worker's wall clock an hour off."""
    for process in shop.processes:
        process.skew_ms = shop.world.chance.choice([3_600_000, -3_600_000, 0])


def transaction(shop: Shop) -> None:
    """Have the shop write in a transaction, or end it."""
    if OPEN in shop.broker.open:
        shop.end_transaction()
    else:
        shop.begin_transaction()


def reset_group(shop: Shop) -> None:
    """Let an operator set the group's offsets back."""
    for tp in shop.broker.group:
        shop.broker.group[tp] = 0


TROUBLES: Final[list[Callable[[Shop], None]]] = [
    *[crash] * 8, *[start] * 8, pause, resume, resume, rebalance, lose_chunk, double_chunk,
    lose_answers, jump, transaction, transaction, reset_group,
]  # fmt: skip


def simulated_kafka() -> Any:
    """Have ownership open simulated producers."""
    return patch("streams.ownership.PartitionProducer", open_producer)


def simulate(
    seed: int, rounds: int = 40, troubles: Sequence[Callable[[Shop], None]] = TROUBLES
) -> Shop:
    """Run a shop through troubles and facts, heal it, and check everything.

    Raises
    ------
    BrokenError
        When anything does not hold; the same seed does it again.
    """
    with simulated_kafka():
        shop = Shop(seed)
        try:
            _trouble(shop, rounds, troubles)
            shop.heal()
            shop.check()
            shop.check_group()
        finally:
            shop.world.end()
    return shop


def _trouble(shop: Shop, rounds: int, troubles: Sequence[Callable[[Shop], None]]) -> None:
    chance = shop.world.chance
    shop.start()
    for _ in range(rounds):
        shop.trade(chance.randrange(6))
        if chance.random() < 0.03:  # long enough for all to fall silent
            shop.run(seconds=25)
        if chance.random() < 0.7:
            chance.choice(troubles)(shop)
        shop.run(seconds=chance.choice([0.1, 0.2, 0.5, 1, 2, 5]))
        shop.check_group()
