"""Read and write instants: integer milliseconds UTC.

Responsible for the two written forms (epoch milliseconds and RFC 3339) and for refusing what cannot
be meant. Must not read a clock: whether an instant is too far ahead is judged elsewhere.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from schemas.errors import Reason, Rejected

if TYPE_CHECKING:
    from schemas.vocabulary import Instant

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
EARLIEST: Final[Instant] = 631_152_000_000
"""1990-01-01T00:00:00Z; anything before it is implausible."""
LATEST: Final[Instant] = 7_258_118_400_000
"""2200-01-01T00:00:00Z; anything from it on is implausible."""
_SHOWN: Final = 40
_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:[0-5]\d)", re.ASCII
)


def parse_instant(value: int | str) -> Instant:
    """Read an instant as it may stand in an event.

    Parameters
    ----------
    value
        Epoch milliseconds as an integer, or RFC 3339 text with an offset. Digits below the
        millisecond are cut off, never rounded.

    Returns
    -------
    int
        Milliseconds UTC.

    Raises
    ------
    Rejected
        ``invalid_value`` for text that is not RFC 3339 with an offset; ``implausible_timestamp``
        for anything before 1990 (seconds instead of milliseconds, negative) or from 2200 on.

    Examples
    --------
    >>> parse_instant("2011-03-01T09:26:00+01:00") == parse_instant(1298967960000)
    True
    """
    if isinstance(value, str):
        if _RFC3339.fullmatch(value) is None:
            raise _unreadable(value, "RFC 3339 with an offset such as 2011-03-01T08:26:00Z")
        try:
            instant = (datetime.fromisoformat(value.upper()) - _EPOCH) // _MILLISECOND
        except (ValueError, OverflowError):
            raise _unreadable(value, "an instant of the calendar") from None
    else:
        instant = value
    if EARLIEST <= instant < LATEST:
        return instant
    raise _implausible(value, instant)


def parse_replay_instant(text: str) -> Instant:
    """Read an instant as it may stand in a file of history.

    Parameters
    ----------
    text
        Epoch milliseconds in digits, or ISO 8601; without an offset it is UTC, a date alone is
        its midnight.

    Raises
    ------
    Rejected
        As `parse_instant`.

    Examples
    --------
    >>> parse_replay_instant("2011-03-01 08:26:00") == parse_replay_instant("1298967960000")
    True
    """
    written = text.strip()
    if written.isascii() and written.lstrip("-").isdigit():
        return parse_instant(int(written[:_SHOWN]))
    try:
        moment = datetime.fromisoformat(written)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        instant = (moment - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        raise _unreadable(text, "ISO 8601 or epoch milliseconds") from None
    if EARLIEST <= instant < LATEST:
        return instant
    raise _implausible(text, instant)


def format_instant(instant: Instant) -> str:
    """Write an instant as RFC 3339 in UTC with milliseconds.

    Parameters
    ----------
    instant
        Milliseconds UTC, years 1 to 9999.

    Examples
    --------
    >>> format_instant(1298967960000)
    '2011-03-01T08:26:00.000Z'
    """
    return (_EPOCH + instant * _MILLISECOND).isoformat(timespec="milliseconds")[:-6] + "Z"


def _unreadable(value: str, expected: str) -> Rejected:
    return Rejected(Reason.INVALID_VALUE, f"ts: expected {expected}, got {value[:_SHOWN]!r}")


def _implausible(value: int | str, instant: Instant) -> Rejected:
    hint = ""
    if isinstance(value, int) and EARLIEST <= instant * 1000 < LATEST:
        hint = "; this looks like seconds, send milliseconds"
    detail = f"ts: expected an instant from 1990 to 2199, got {str(value)[:_SHOWN]}{hint}"
    return Rejected(Reason.IMPLAUSIBLE_TIMESTAMP, detail)
