"""Say what time it is, as far as the worker's clock and the broker's agree.

Responsible for the one place where the delivery path reads a wall clock. Must not decide what a
partition's clock is: that is `streams.clock`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from segmenters.instants import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.vocabulary import Instant

_NS_PER_MS = 1_000_000


class WallClock:
    """Two clocks that have to agree before time passes.

    A machine's wall clock may be set, forwards and backwards; deadlines fired under a wrong one
    cannot be taken back. The broker stamps what is appended with its own clock: carried on by the
    machine's steady clock, such a stamp is a lower bound of the broker's time. What both clocks
    have reached is believed, so one that jumps makes nothing happen early.

    Parameters
    ----------
    wall_ns, steady_ns
        The machine's clocks, in nanoseconds.

    Examples
    --------
    >>> clock = WallClock(wall_ns=lambda: 9_000_000_000, steady_ns=lambda: 0)
    >>> clock.witness(5_000)
    >>> clock.agreed(), clock.latest()
    (5000, 9000)
    """

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        steady_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall_ns = wall_ns
        self._steady_ns = steady_ns
        self._broker_ahead: int | None = None
        self._stamped = True

    def worker(self) -> Instant:
        """Return what this machine's wall clock says."""
        return self._wall_ns() // _NS_PER_MS

    def agreed(self) -> Instant:
        """Return the instant both clocks have reached; `NEVER` before the broker's is known."""
        return min(self.worker(), self.broker())

    def latest(self) -> Instant:
        """Return the instant at least one of the clocks has reached."""
        return max(self.worker(), self.broker())

    def witness(self, appended: Instant) -> None:
        """Take note of an instant at which the broker has just appended something."""
        ahead = appended - self._steady_ns() // _NS_PER_MS
        if self._broker_ahead is None or ahead > self._broker_ahead:
            self._broker_ahead = ahead

    def trust(self) -> None:
        """Go by the worker's clock alone: the broker does not stamp (a CreateTime changelog)."""
        self._stamped = False

    def broker(self) -> Instant:
        """Return what the broker's clock says at least; `NEVER` before that is known."""
        if not self._stamped:
            return self.worker()
        if self._broker_ahead is None:
            return NEVER
        return self._broker_ahead + self._steady_ns() // _NS_PER_MS
