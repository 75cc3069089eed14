"""Put one fact into a customer's memory: the part of the kernel that is the same for all rules.

Responsible for orders, tiles and the ring of event ids. It must not judge.
"""

from __future__ import annotations

from typing import Any, Final

from numba.extending import register_jitable

from segmenters.layout import EVENT_IDS

ORDER: Final = 0
REFUND: Final = 1
CANCEL: Final = 2
ENGAGEMENT: Final = 3


@register_jitable
def seen_before(row: Any, event: int) -> bool:
    """Tell whether an event id (64-bit digest, 0: none) is among the customer's last eight."""
    if event != 0:
        for k in range(EVENT_IDS):
            if row.seen[k] == event:
                return True
    return False


@register_jitable
def remember_event(row: Any, event: int) -> None:
    """Put an event id in the place of the oldest of the last eight."""
    if event != 0:
        row.seen[row.seen_next] = event
        row.seen_next = (row.seen_next + 1) % EVENT_IDS
