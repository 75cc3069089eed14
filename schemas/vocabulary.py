"""Name the kinds of numbers that travel between the packages.

Responsible for the type aliases, the two closed enumerations every layer shares (kinds of fact and
causes of change). Must not know any format.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

Instant: TypeAlias = int
"""Milliseconds since 1970-01-01T00:00:00Z."""

Minor: TypeAlias = int
"""Money in minor units of the base currency (pence, cents, whole yen)."""

Code: TypeAlias = int
"""Number of a segment inside its system."""

MS_PER_DAY = 86_400_000
"""Milliseconds in 24 hours; ages are multiples of it, calendar days are not."""


class Kind(IntEnum):
    """Kind of fact, in the order in which facts of one instant are judged.

    Examples
    --------
    >>> Kind.ORDER < Kind.REFUND < Kind.CANCEL < Kind.ENGAGEMENT
    True
    """

    ORDER = 0
    REFUND = 1
    CANCEL = 2
    ENGAGEMENT = 3


class Cause(IntEnum):
    """What made a change.

    Examples
    --------
    >>> Cause.CLOCK.word
    'clock'
    """

    EVENT = 0
    CLOCK = 1
    RULES = 2
    CUTS = 3
    CORRECTION = 4
    ERASURE = 5

    @property
    def word(self) -> str:
        """Return the word that stands for the cause in a change message."""
        return CAUSE_WORDS[self]


CAUSE_WORDS: tuple[str, ...] = tuple(cause.name.lower() for cause in Cause)
"""The word of each cause, by its number."""
