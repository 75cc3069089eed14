"""What time it is: two clocks have to agree before time passes."""

from __future__ import annotations

from segmenters.instants import NEVER
from streams.wall import WallClock

HOUR = 3_600_000


class Machine:
    """A machine's clocks, in ms."""

    def __init__(self) -> None:
        self.wall = 10 * HOUR
        self.steady = 500
        self.clock = WallClock(lambda: self.wall * 1_000_000, lambda: self.steady * 1_000_000)

    def pass_time(self, ms: int) -> None:
        self.wall += ms
        self.steady += ms


def test_before_the_broker_has_stamped_anything_no_time_is_agreed_on():
    machine = Machine()
    assert machine.clock.agreed() == NEVER
    assert machine.clock.latest() == 10 * HOUR


def test_time_goes_on_from_the_latest_stamp_with_the_steady_clock():
    machine = Machine()
    machine.clock.witness(10 * HOUR - 30)
    machine.pass_time(1_000)
    assert machine.clock.agreed() == 10 * HOUR + 970
    machine.clock.witness(10 * HOUR)  # one that was long under way says less than what is known
    assert machine.clock.agreed() == 10 * HOUR + 970


def test_a_wall_clock_set_forward_moves_nothing():
    machine = Machine()
    machine.clock.witness(10 * HOUR)
    machine.wall += HOUR
    assert machine.clock.agreed() == 10 * HOUR
    machine.pass_time(5)
    assert machine.clock.agreed() == 10 * HOUR + 5


def test_a_wall_clock_set_back_holds_time_and_leaves_facts_believed():
    machine = Machine()
    machine.clock.witness(10 * HOUR)
    machine.wall -= HOUR
    assert machine.clock.agreed() == 9 * HOUR
    assert machine.clock.latest() == 10 * HOUR


def test_a_broker_ahead_of_the_worker_moves_nothing_either():
    machine = Machine()
    machine.clock.witness(11 * HOUR)
    assert machine.clock.agreed() == 10 * HOUR


def test_where_the_broker_does_not_stamp_the_worker_is_trusted():
    machine = Machine()
    machine.clock.trust()
    assert machine.clock.agreed() == machine.clock.latest() == 10 * HOUR
