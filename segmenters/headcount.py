"""Count customers and their spend by segment, a slice of rows at a time.

Responsible for one pass over a ledger's columns. Slices keep whoever calls the engine from waiting
for a million rows; a customer is in one slice, so nobody is counted twice, whatever the engine does
between two of them. Must not judge, and must not change anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numba
import numpy as np

from segmenters import calendar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.vocabulary import Instant, Minor
    from segmenters.engine import Engine

REVENUE_DAYS: Final = 365
"""The local days whose net spend is the revenue; the ledger keeps more, whatever the rules."""
SLICE: Final = 4_096
"""Rows looked at together: few enough that a processor's cache holds them for all columns."""


class Standing(NamedTuple):
    """A segment's customers, and what they spent.

    Attributes
    ----------
    customers
        How many stand in it.
    revenue
        Their net spend on the last `REVENUE_DAYS` local days, minor units of the base currency.
    """

    customers: int
    revenue: Minor


class Headcount:
    """One pass over all customers of an engine.

    Parameters
    ----------
    engine
        Whose customers; it may go on between two slices.
    clock
        The instant on whose local day the revenue's window ends.

    Attributes
    ----------
    day
        That day.

    Examples
    --------
    >>> from segmenters.batch import EventBatch
    >>> from segmenters.engine import Engine
    >>> from segmenters.rules import loads
    >>> engine = Engine(loads("[systems.monetary_tier]"))
    >>> _ = engine.apply(EventBatch.from_columns([b"c"], [0], [0], [95], [1], [1], [False], ["e"]))
    >>> headcount = Headcount(engine, clock=0)
    >>> while headcount.step():
    ...     pass
    >>> headcount.result()["monetary_tier"]["small"]
    Standing(customers=1, revenue=95)
    """

    def __init__(self, engine: Engine, clock: Instant) -> None:
        self._engine = engine
        self.day = calendar.local_day(clock, calendar.midnights(engine.rules.timezone))
        self._next = 0
        # One place more, in front: rows whose segment nobody has told yet (-1) are nobody's.
        self._counted = {
            system.key: np.zeros((2, len(system.segments) + 1), np.int64)
            for system in engine.rules.systems
        }

    def step(self, size: int = SLICE) -> bool:
        """Count a slice; return whether there are more."""
        ledger, begin = self._engine.ledger, self._next
        self._next = end = min(begin + size, len(ledger))
        rows, pool = ledger.rows[begin:end], ledger.tiles.cells
        spent = np.empty(end - begin, np.int64)
        _add_up(rows["head"], pool["day"], pool["spend"], pool["next"], self.day, spent)
        for key, counted in self._counted.items():
            codes = rows[key] + np.int8(1)
            size = counted.shape[1]
            counted[0] += np.bincount(codes, minlength=size)
            # Sums of a slice are exact in a float: they stay far below 2**53.
            counted[1] += np.bincount(codes, spent, minlength=size).astype(np.int64)
        return end < len(ledger)

    def result(self) -> Mapping[str, Mapping[str, Standing]]:
        """Return what was counted: system → segment → standing, segments without customers, too."""
        return {
            system.key: {
                segment: Standing(int(customers), int(revenue))
                for segment, customers, revenue in zip(
                    system.segments, *self._counted[system.key][:, 1:], strict=True
                )
            }
            for system in self._engine.rules.systems
        }


@numba.njit(cache=True, nogil=True)
def _add_up(heads, days, spends, following, today, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add up each customer's spend in the window; their tiles hang together, newest first."""
    for row in range(len(heads)):
        total, k = np.int64(0), heads[row]
        while k != -1 and today - days[k] < REVENUE_DAYS:
            if days[k] <= today:
                total += spends[k]
            k = following[k]
        out[row] = total
