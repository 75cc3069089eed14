"""Whatever breaks, and whenever: simulated shops end exact, and planted bugs are found."""

from __future__ import annotations

import time
from hashlib import blake2b
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas.errors import DeliveryError
from tests.faults.figures import note
from tests.properties.feeding import EXAMPLES
from tests.simulation import driver
from tests.simulation.driver import WORKERS, simulate, simulated_kafka
from tests.simulation.onlookers import BrokenError
from tests.simulation.plants import FROM_SEED, PLANTS
from tests.simulation.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Callable

SHOPS = 15
SHOPS_IN_FULL = 2_000
SEEDS_FOR_A_PLANT = 60


@pytest.mark.timeout(3_600)
def test_shops_that_are_broken_at_random_end_exact(pytestconfig: pytest.Config, full: bool):
    first = int(pytestconfig.getoption("hypothesis_seed"))
    started, crashes, failures = time.process_time(), 0, 0
    for seed in range(first, first + (SHOPS_IN_FULL if full else SHOPS)):
        try:
            shop = simulate(seed)
        except BrokenError as error:
            raise AssertionError(f"repeat with simulate({seed})") from error
        crashes += shop.crashes
        failures += len(shop.failures)
    minutes = (time.process_time() - started) / 60
    note(
        "simulated troubles", tried=crashes, first_seed=first, last_seed=seed, loud_stops=failures,
        crashes_per_cpu_minute=round(crashes / minutes),
    )  # fmt: skip
    assert crashes > SHOPS


def test_a_seed_gives_the_same_run_to_the_byte():
    def digest(shop: Shop) -> str:
        logs = sorted(shop.broker.logs.items())
        return blake2b(repr(logs).encode(), digest_size=8).hexdigest()

    assert digest(simulate(11, rounds=15)) == digest(simulate(11, rounds=15))


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Callable[[], object]):
    first = FROM_SEED.get(plant, 0)
    for seed in range(first, first + SEEDS_FOR_A_PLANT):
        try:
            with plant():  # type: ignore[attr-defined]
                simulate(seed, troubles=PLANTS[plant])
        except BrokenError as error:
            # A promise was seen broken, or the path refused to go on: not a plant that crashed.
            if not isinstance(error.__cause__ or error, (BrokenError, DeliveryError)):
                raise
            return
    raise AssertionError("the simulation is blind for it")


class BreakingShop(RuleBasedStateMachine):
    """The same troubles, chosen by hypothesis, which shrinks what breaks a promise."""

    shop: Shop

    @initialize(seed=st.integers(0, 1 << 16))
    def open(self, seed: int) -> None:
        self.kafka = simulated_kafka()
        self.kafka.start()
        self.shop = Shop(seed)
        self.shop.start()

    @rule(count=st.integers(1, 6))
    def trade(self, count: int) -> None:
        self.shop.trade(count)

    @rule(seconds=st.sampled_from([0.1, 0.5, 2.0, 25.0]))
    def wait(self, seconds: float) -> None:
        self.shop.run(seconds)

    @rule(steps=st.integers(0, 60), which=st.integers(0, WORKERS - 1))
    def kill(self, steps: int, which: int) -> None:
        self.shop.run(steps=steps)
        if self.shop.processes:
            self.shop.crash(self.shop.processes[which % len(self.shop.processes)])

    @precondition(lambda self: len(self.shop.processes) < WORKERS)
    @rule()
    def start(self) -> None:
        self.shop.start()

    @rule(trouble=st.sampled_from(sorted(set(driver.TROUBLES), key=lambda one: one.__name__)))
    def trouble(self, trouble: Callable[[Shop], None]) -> None:
        trouble(self.shop)

    @invariant()
    def nothing_is_acknowledged_before_it_is_committed(self) -> None:
        if hasattr(self, "shop"):
            self.shop.check_group()

    def teardown(self) -> None:
        if hasattr(self, "shop"):
            try:
                self.shop.heal()
                self.shop.check()
            finally:
                self.shop.world.end()
                self.kafka.stop()


BreakingShop.TestCase.settings = settings(
    max_examples=max(12, EXAMPLES // 4),
    stateful_step_count=30,
    deadline=None,
    phases=[phase for phase in Phase if phase is not Phase.explain],
)
TestBreakingShop = BreakingShop.TestCase
