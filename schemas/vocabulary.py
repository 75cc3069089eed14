"""Name the kinds of numbers that travel between the packages.

Responsible for the type aliases, the two closed enumerations every layer shares (kinds of fact and
causes of change) and the 64-bit digest under which ids are remembered. Must not know any format.
"""

from __future__ import annotations

from enum import IntEnum
from hashlib import blake2b
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


def digest64(text: str | bytes) -> int:
    """Digest an id to a signed 64-bit integer that is never 0.

    Parameters
    ----------
    text
        The id; a string counts as its UTF-8 bytes.

    Returns
    -------
    int
        First 8 bytes of blake2b-64, little endian, signed. 0 stands for "no id" in the rows, so a
        digest that happens to be 0 becomes 1.

    Raises
    ------
    UnicodeEncodeError
        When the string holds a lone surrogate; decoders refuse those before.

    Examples
    --------
    >>> digest64("o-1") == digest64(b"o-1") != digest64("o-2")
    True
    """
    data = text.encode() if isinstance(text, str) else text
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little", signed=True) or 1
