"""Say how much may go into one transaction.

Responsible for keeping commits well within their bound, whatever the broker lets through: a
transaction that is too large for it would fail, and fail again after each restart. Pure: how long a
commit took is an argument.
"""

from __future__ import annotations

from typing import Final

START: Final = 1_000
"""Facts in the first transaction: a restart after one that was too large has to get on."""
LEAST: Final = 100
MOST: Final = 40_000
"""Facts, changes, rows and dead letters that may wait; more, and the engine waits for a commit."""
SLOW: Final = 0.25
QUICK: Final = 1 / 16
"""Parts of the bound above which a commit was slow, and below which it was quick."""


class TransactionSize:
    """Grows while full transactions are quick, shrinks when one is slow.

    Parameters
    ----------
    bound_s
        Seconds after which a commit is given up.

    Attributes
    ----------
    limit
        Facts, changes, rows and dead letters after which nothing more is added.
    slow_s
        Seconds after which a commit is slow: what gathers behind it must not grow further.

    Examples
    --------
    >>> size = TransactionSize(bound_s=40)
    >>> size.limit
    1000
    >>> size.took(0.05, 1000); size.limit
    2000
    >>> size.took(0.05, 7); size.limit
    2000
    >>> size.took(15.0, 600); size.limit
    300
    """

    def __init__(self, bound_s: float) -> None:
        self.limit = START
        self.slow_s = bound_s * SLOW
        self._quick_s = bound_s * QUICK

    def took(self, seconds: float, weight: int) -> None:
        """Take note of how long a commit took, and of how much was in it."""
        if seconds > self.slow_s:
            self.limit = max(LEAST, min(self.limit, weight) // 2)
        elif seconds < self._quick_s and 2 * weight >= self.limit:
            self.limit = min(MOST, self.limit * 2)
