"""Count what is heard of changes and dead letters.

Responsible for the consumer's recipe (keep the last sequence of each customer, drop what repeats,
notice what is missing) and for the numbers shown. Must not read topics.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from schemas.changes import Change

NEWEST: Final = 8
SHOWN_SYSTEM: Final = "lifecycle"


class Tally:
    """What has been heard so far.

    Attributes
    ----------
    changes
        How many changes were taken.
    repeated, missing
        Changes heard twice, and gaps between the sequences of a customer.
    moves
        (system, from, to) → changes.
    sizes
        System → segment → customers in it.
    newest
        The last changes of lifecycle.
    last_into
        Segment of lifecycle → the last change into it.
    rejected
        Reason → dead letters.

    Examples
    --------
    >>> tally = Tally()
    >>> tally.changes, tally.customers
    (0, 0)
    """

    def __init__(self) -> None:
        self.changes = 0
        self.repeated = 0
        self.missing = 0
        self.moves: Counter[tuple[str, str | None, str]] = Counter()
        self.sizes: dict[str, Counter[str]] = defaultdict(Counter)
        self.newest: deque[Change] = deque(maxlen=NEWEST)
        self.last_into: dict[str, Change] = {}
        self.rejected: Counter[str] = Counter()
        self._sequences: dict[str, int] = {}

    @property
    def customers(self) -> int:
        """How many customers have changed at least once."""
        return len(self._sequences)

    def hear(self, change: Change) -> None:
        """Take a change."""
        customer = change.customer_id
        last = self._sequences.get(customer, 0)
        if change.sequence <= last:
            self.repeated += 1
            return
        self.missing += change.sequence - last - 1
        self._sequences[customer] = change.sequence
        self.changes += 1
        self.moves[change.system, change.from_, change.to] += 1
        sizes = self.sizes[change.system]
        if change.from_ is not None:
            sizes[change.from_] -= 1
        sizes[change.to] += 1
        if change.system == SHOWN_SYSTEM:
            self.newest.append(change)
            self.last_into[change.to] = change

    def hear_rejection(self, reason: str) -> None:
        """Take a dead letter."""
        self.rejected[str(reason)] += 1
