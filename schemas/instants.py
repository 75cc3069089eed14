"""Read and write instants: integer milliseconds UTC.

Responsible for the two written forms (epoch milliseconds and RFC 3339) and for refusing what cannot
be meant. Must not read a clock: whether an instant is too far ahead is judged elsewhere.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from schemas.errors import Reason, Rejected
from schemas.vocabulary import MS_PER_DAY

if TYPE_CHECKING:
    from schemas.vocabulary import Instant

EARLIEST: Final[Instant] = 631_152_000_000
"""1990-01-01T00:00:00Z; anything before it is implausible."""
LATEST: Final[Instant] = 7_258_118_400_000
"""2200-01-01T00:00:00Z; anything from it on is implausible."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS_PER_HOUR: Final = 3_600_000
_SHOWN: Final = 40
_PRINTABLE: Final = 2**63
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ]\d\d:)\d\d:\d\d(?:\.(\d+))?(?:[Zz]|[+-]\d\d:[0-5]\d)", re.ASCII
)

# What instants are put together from, known by its text: "2011-03-01T08:" + "26:00" + ".000Z".
# Adding three known parts takes a third of the time of parsing, and traffic keeps to few hours
# and offsets. A part is remembered only after the whole text around it was checked.
_HOURS: Final[dict[str, int]] = {}
_SECONDS_OF_HOUR: Final = tuple(f"{m:02}:{s:02}" for m in range(60) for s in range(60))
_SECONDS: Final[dict[str, int]] = {text: 1000 * n for n, text in enumerate(_SECONDS_OF_HOUR)}
_ENDINGS: Final[dict[str, int]] = {"Z": 0}
_REMEMBERED: Final = 16_384


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
        try:
            instant = _HOURS[value[:14]] + _SECONDS[value[14:19]] + _ENDINGS[value[19:]]
        except KeyError:
            instant = _read(value)
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
    if written.isascii() and written.removeprefix("-").isdigit():
        return parse_instant(int(written[:_SHOWN]))
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise _unreadable(text, "ISO 8601 or epoch milliseconds") from None
    instant = _since_epoch(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if EARLIEST <= instant < LATEST:
        return instant
    raise _implausible(text, instant)


def format_instant(instant: Instant) -> str:
    """Write an instant as RFC 3339 in UTC with milliseconds.

    Parameters
    ----------
    instant
        Milliseconds UTC, years 1 to 9999.

    Raises
    ------
    OverflowError
        Outside those years.

    Examples
    --------
    >>> format_instant(1298967960000)
    '2011-03-01T08:26:00.000Z'
    """
    hour, rest = divmod(instant, _MS_PER_HOUR)
    second, millisecond = divmod(rest, 1000)
    return f"{_hour_text(hour)}{_SECONDS_OF_HOUR[second]}.{millisecond:03}Z"


@lru_cache(maxsize=4096)
def _hour_text(hour: int) -> str:
    """Write an hour counted from the epoch up to its colon, e.g. ``2011-03-01T08:``."""
    return (_EPOCH + timedelta(hours=hour)).isoformat()[:14]


def _read(value: str) -> Instant:
    """Parse text in full, check it, and remember its parts."""
    found = _RFC3339.fullmatch(value)
    if found is None:
        raise _unreadable(value, "RFC 3339 with an offset such as 2011-03-01T08:26:00Z")
    try:
        instant = _since_epoch(datetime.fromisoformat(value.upper()))
    except ValueError:
        raise _unreadable(value, "an instant of the calendar") from None
    hour, fraction = found.groups(default="")
    _remember(_HOURS, hour, f"{hour}00:00Z")
    if len(fraction) <= len("mmm"):  # finer ones hardly ever come back
        _remember(_ENDINGS, value[19:], f"1970-01-01T00:00:00{value[19:]}")
    return instant


def _remember(parts: dict[str, int], part: str, alone: str) -> None:
    """Keep what a part adds, which is what it stands for alone."""
    if len(parts) >= _REMEMBERED:
        parts.clear()
    parts[part] = _since_epoch(datetime.fromisoformat(alone.upper()))


def _since_epoch(moment: datetime) -> Instant:
    """Count whole milliseconds; what is below is cut off, before the epoch too."""
    span = moment - _EPOCH
    return span.days * MS_PER_DAY + span.seconds * 1000 + span.microseconds // 1000


def _unreadable(value: str, expected: str) -> Rejected:
    return Rejected(Reason.INVALID_VALUE, f"ts: expected {expected}, got {value[:_SHOWN]!r}")


def _implausible(value: int | str, instant: Instant) -> Rejected:
    hint = ""
    if EARLIEST <= instant * 1000 < LATEST:
        hint = "; this looks like seconds, send milliseconds"
    # str() of an integer of thousands of digits raises; hexadecimal has no such limit.
    shown = hex(value) if isinstance(value, int) and abs(value) > _PRINTABLE else str(value)
    detail = f"ts: expected an instant from 1990 to 2199, got {shown[:_SHOWN]}{hint}"
    return Rejected(Reason.IMPLAUSIBLE_TIMESTAMP, detail)
