"""Read plain amounts of many purchases at once.

Responsible for what nearly all amounts are: digits, perhaps a point and no more decimals than the
currency has. Must not judge any other: those are read one by one, by
`schemas.money.Currencies.to_minor`, which says what is wrong with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.runs import IntArray

NOT_PLAIN: Final = -1
_DIGITS: Final = 18
"""So many digits fit into 64 bits whatever they are."""
_END, _POINT, _ZERO, _NINE = b"\n.09"


@numba.njit(cache=True, nogil=True)
def _read(text, places, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    at = 0
    for row in range(len(out)):
        value, digits, decimals, plain = np.int64(0), 0, -1, True
        while text[at] != _END:
            letter = np.int64(text[at])
            if _ZERO <= letter <= _NINE and digits < _DIGITS:
                value = value * 10 + (letter - _ZERO)
                digits += 1
                if decimals >= 0:
                    decimals += 1
            elif letter == _POINT and decimals < 0 and digits > 0:
                decimals = 0
            else:
                plain = False
            at += 1
        at += 1
        plain = plain and digits > 0 and decimals != 0 and decimals <= places
        missing = places - max(decimals, 0)
        plain = plain and digits + missing <= _DIGITS
        if plain:
            for _ in range(missing):
                value *= 10
        out[row] = value if plain else NOT_PLAIN


def plain_amounts(written: Sequence[Any], places: int) -> IntArray:
    """Return amounts in minor units, `NOT_PLAIN` for those that have to be looked at.

    Parameters
    ----------
    written
        As the events have them: text, or anything else.
    places
        Decimals of the currency.

    Examples
    --------
    >>> plain_amounts(["12.50", "3", "1e2", "0.005"], 2).tolist()
    [1250, 300, -1, -1]
    """
    out = np.full(len(written), NOT_PLAIN, np.int64)
    try:
        text = "\n".join(written)
    except TypeError:  # an integer among them, or what is no amount
        return out
    if text.count("\n") == len(written) - 1:
        _read(np.frombuffer(f"{text}\n".encode(), np.uint8), places, out)
    return out
