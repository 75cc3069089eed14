"""Remember G, the usual gap between the business days on which a customer buys.

Responsible for reading it from the day tiles when an order is taken or taken back. It must not
decide anything from it: that is the systems' part.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from segmenters.jitable import jitable
from segmenters.pools import END

GAPS: Final = 10
LEAST: Final = 2
"""With fewer gaps there is no rhythm."""
REACH: Final = 730
"""Days back from the day of the fact that count: fewer than tiles are kept for."""
UNKNOWN: Final = -1
FIELDS: Final = (("gap", "i2"),)


@jitable
def usual_gap(row: Any, pool: Any, today: int) -> int:
    """Return the lower median of the last ten gaps between days with orders, in days, or -1."""
    gaps = np.empty(GAPS, np.int64)
    n = 0
    later = -1
    k = row.head
    while k != END and n < GAPS and pool[k].day > today - REACH:
        tile = pool[k]
        if tile.orders > 0 and tile.day <= today:
            if later >= 0:
                gap = later - tile.day
                j = n
                while j > 0 and gaps[j - 1] > gap:
                    gaps[j] = gaps[j - 1]
                    j -= 1
                gaps[j] = gap
                n += 1
            later = tile.day
        k = tile.next
    return int(gaps[(n + 1) // 2 - 1]) if n >= LEAST else UNKNOWN
