"""Name what facts are to the kernel, and remember which have been seen.

Responsible for the ring of event ids. It must not judge.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from segmenters.jitable import jitable
from segmenters.layout import EVENT_IDS

ORDER: Final = 0
REFUND: Final = 1
CANCEL: Final = 2
ENGAGEMENT: Final = 3


class Deed(NamedTuple):
    """What a fact has done to the customer's memory, for the systems that follow it.

    Attributes
    ----------
    ts
        The instant of the fact.
    kind
        ORDER, REFUND, CANCEL or ENGAGEMENT.
    number
        The order made or taken back, by its number; 0 where neither.
    order_ts
        The instant of the order taken back.
    moved
        Whether taking it back moved the last purchase.
    qualifies
        Whether an engagement counts.
    """

    ts: int
    kind: int
    number: int
    order_ts: int
    moved: bool
    qualifies: bool


@jitable
def seen_before(row: Any, event: int) -> bool:
    """Tell whether an event id (64-bit digest, 0: none) is among the customer's last eight."""
    if event != 0:
        for k in range(EVENT_IDS):
            if row.seen[k] == event:
                return True
    return False


@jitable
def remember_event(row: Any, event: int) -> None:
    """Put an event id in the place of the oldest of the last eight."""
    if event != 0:
        row.seen[row.seen_next] = event
        row.seen_next = (row.seen_next + 1) % EVENT_IDS
