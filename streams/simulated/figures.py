"""Count what was made.

Responsible for the figures a summary tells: by type, by kind of customer, by defect.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from schemas.vocabulary import Kind
from streams.simulated.defects import WHOLE
from streams.simulated.plan import KINDS

if TYPE_CHECKING:
    from streams.simulated.shop import Shop


class Figures(NamedTuple):
    """What was made.

    Attributes
    ----------
    events
        Type → events that happened.
    customers
        Kind → customers.
    records
        How many arrive, repeated ones among them.
    late, out_of_order
        Records that come later than they should; records that a younger one has overtaken.
    duplicates, malformed
        Records that repeat the one before; events whose record is broken.
    """

    events: dict[str, int]
    customers: dict[str, int]
    records: int
    late: int
    out_of_order: int
    duplicates: int
    malformed: int

    def share(self, count: int) -> float:
        """Return what share of all records so many are."""
        return count / self.records if self.records else 0.0


def count(shop: Shop) -> Figures:
    """Count a shop and what becomes of its records.

    Examples
    --------
    >>> from streams.simulated.plan import Plan
    >>> from streams.simulated.shop import open_shop
    >>> figures = count(open_shop(Plan(customers=10, days=60)))
    >>> sum(figures.customers.values()), figures.records == sum(figures.events.values())
    (10, True)
    """
    of_type = Counter(shop.events.kind.tolist())
    of_kind = Counter(shop.kinds.tolist())
    event, repeats, late_by, broken = shop.arrivals
    ts = shop.events.ts[event]
    overtaken = ts < np.maximum.accumulate(ts)
    return Figures(
        {kind.name.lower(): of_type[kind] for kind in Kind},
        {kind.value: of_kind[place] for place, kind in enumerate(KINDS)},
        len(ts),
        *[
            int(np.count_nonzero(each))
            for each in (
                (late_by > 0) & ~repeats,
                overtaken & ~repeats,
                repeats,
                (broken != WHOLE) & ~repeats,
            )
        ],
    )
