"""Tell on which business day an instant lies and when a day begins.

Responsible for local days, time zones and daylight saving. It must not read a clock: instants are
arguments.

Days are numbered from 1970-01-01 (day 0). A day begins at the first instant of its local date in
the business time zone, so days last 23, 24 or 25 hours where clocks change. The beginnings of all
days from the end of 1969 to 2201 are one sorted array, which compiled code searches without knowing
about time zones.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np

from schemas.vocabulary import MS_PER_DAY, Instant
from segmenters.jitable import jitable

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST_DAY: Final = -2
LAST_DAY: Final = (date(2201, 1, 1) - date(1970, 1, 1)).days
EPOCH: Final = date(1970, 1, 1)


@lru_cache(maxsize=8)
def midnights(timezone: str) -> NDArray[np.int64]:
    """Return the beginnings of all days of a time zone.

    Parameters
    ----------
    timezone
        IANA name, such as ``Europe/London``.

    Returns
    -------
    ndarray of int64, shape (LAST_DAY - FIRST_DAY + 1,)
        Epoch milliseconds; element ``k`` is the beginning of day ``FIRST_DAY + k``.

    Raises
    ------
    zoneinfo.ZoneInfoNotFoundError
        When no time zone has that name.

    Examples
    --------
    The day on which London's clocks go forward lasts 23 hours:

    >>> starts = midnights("Europe/London")
    >>> day = local_day(1301187600000, starts)  # 2011-03-27 02:00 local time
    >>> (starts[day + 1 - FIRST_DAY] - starts[day - FIRST_DAY]) // 3_600_000
    np.int64(23)
    """
    starts = np.arange(FIRST_DAY, LAST_DAY + 1, dtype=np.int64) * MS_PER_DAY
    zone = ZoneInfo(timezone)
    for k, day in enumerate(range(FIRST_DAY, LAST_DAY + 1) if timezone != "UTC" else ()):
        # fold=0 reads a local midnight that does not exist with the offset before the change: just
        # the instant of the change, which is the day's first; of a midnight that occurs twice it
        # takes the first.
        local = datetime.combine(EPOCH + timedelta(days=day), datetime.min.time(), tzinfo=zone)
        starts[k] = int(local.astimezone(UTC).timestamp()) * 1000
    # Shared by all who ask, and of one type for every zone: a kernel is compiled for its types.
    starts.flags.writeable = False
    return starts


@jitable
def local_day(ts: Instant, starts: NDArray[np.int64]) -> int:
    """Return the number of the local day on which ``ts`` lies.

    >>> local_day(0, midnights("UTC")), local_day(-1, midnights("UTC"))
    (0, -1)
    >>> local_day(0, midnights("America/Sao_Paulo"))
    -1
    """
    k = ts // MS_PER_DAY - FIRST_DAY  # right to one day, whatever the time zone
    if k < 1:
        k = 1
    elif k > len(starts) - 2:
        k = len(starts) - 2
    while k + 1 < len(starts) and starts[k + 1] <= ts:
        k += 1
    while k > 0 and starts[k] > ts:
        k -= 1
    return int(k + FIRST_DAY)


@jitable
def day_start(day: int, starts: NDArray[np.int64]) -> Instant:
    """Return the instant at which a local day begins.

    >>> day_start(1, midnights("UTC"))
    86400000
    """
    k = day - FIRST_DAY
    if k < 0:
        k = 0
    elif k >= len(starts):
        k = len(starts) - 1
    return int(starts[k])
