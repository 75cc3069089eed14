"""Limit how often one caller may ask.

Responsible for counting, in bounded room. Must not know requests.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

REMEMBERED: Final = 10_000
"""Callers that are remembered; the one longest silent is forgotten first."""


class RateLimit:
    """Requests a second for each caller, saved up for at most one second.

    Parameters
    ----------
    per_second
        0: no limit.
    now
        Seconds, ever growing.

    Examples
    --------
    >>> limit = RateLimit(2, now=lambda: 0.0)
    >>> [limit.take("a") for _ in range(3)], limit.take("b")
    ([True, True, False], True)
    """

    def __init__(self, per_second: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._now = now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> bool:
        """Say whether one more request is within the limit, and count it if so."""
        if not self._rate:
            return True
        now = self._now()
        left, then = self._left.pop(caller, (float(self._rate), now))
        left = min(float(self._rate), left + (now - then) * self._rate)
        allowed = left >= 1
        self._left[caller] = (left - allowed, now)
        if len(self._left) > REMEMBERED:
            self._left.popitem(last=False)
        return allowed
