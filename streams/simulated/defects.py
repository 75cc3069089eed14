"""Say what happens to records on their way: some are late, some come twice, some are broken.

Responsible for how many, by how much and in which ways, for every generated load: the simulated
shop and the benchmark's stream take their defects from here. Must not know what the records say
beyond their fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import orjson

from schemas.errors import Reason
from schemas.instants import LATEST
from schemas.vocabulary import MS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.vocabulary import Instant
    from streams.runs import BoolArray, IntArray

LATE: Final = 0.01
LATE_MS: Final = 600_000
"""So many records come up to ten minutes late …"""
VERY_LATE: Final = 0.001
VERY_LATE_MS: Final = 2 * MS_PER_DAY
"""… and so many, among these, up to two days more."""
TWICE: Final = 0.0001
"""So many come twice in a row, byte for byte: a producer that heard no answer sent again."""
BROKEN: Final = 0.00001
"""So many arrive in a state in which nobody can take them."""
WHOLE: Final = -1
"""Stands for a record that is not broken."""

_ANY_WAY: Final = 1 << 16


class Defects(NamedTuple):
    """What happens to each record, in the order in which events happened.

    Attributes
    ----------
    late_by
        By how many milliseconds the record comes late.
    twice
        Whether it comes twice.
    broken
        Chooses the way it is broken in; `WHOLE` for most.
    """

    late_by: IntArray
    twice: BoolArray
    broken: IntArray


class Arrivals(NamedTuple):
    """Records in the order in which they arrive, a column each.

    Attributes
    ----------
    event
        Number of the event; the same one twice in a row where the record comes twice.
    repeats
        Whether the record repeats the one before it.
    late_by, broken
        As in `Defects`.
    """

    event: IntArray
    repeats: BoolArray
    late_by: IntArray
    broken: IntArray


class Way(NamedTuple):
    """A way in which a record is broken.

    Attributes
    ----------
    reason
        Why it must be rejected.
    field
        The field that is wrong; None for the record as a whole.
    value
        What stands in it instead; None: the field is missing.
    in_rows
        Whether a row of a file can be wrong in the same way.
    """

    reason: Reason
    field: str | None
    value: Any = None
    in_rows: bool = False


class Broken(NamedTuple):
    """A broken record, and the way it is broken in."""

    way: Way
    key: bytes
    value: bytes


_SECONDS: Final = object()
"""Stands for the instant in seconds, where milliseconds are asked for."""

WAYS: Final = (
    Way(Reason.MALFORMED_JSON, None),
    Way(Reason.MISROUTED, "customer_id"),
    Way(Reason.MISSING_CUSTOMER, "customer_id", "", in_rows=True),
    Way(Reason.MISSING_FIELD, "event_id"),
    Way(Reason.WRONG_TYPE, "event_id", 7),
    Way(Reason.INVALID_VALUE, "ts", "yesterday", in_rows=True),
    Way(Reason.IMPLAUSIBLE_TIMESTAMP, "ts", _SECONDS, in_rows=True),
    Way(Reason.FUTURE_TIMESTAMP, "ts", LATEST - 1),
    Way(Reason.UNKNOWN_TYPE, "type", "exchange", in_rows=True),
    Way(Reason.INVALID_VALUE, "amount", "12,50", in_rows=True),
    Way(Reason.UNKNOWN_CURRENCY, "currency", "ZZZ"),
)
"""All ways; a record is broken in one that it has the field for."""


def draw_defects(draw: np.random.Generator, size: int) -> Defects:
    """Draw what happens to each of so many records.

    Examples
    --------
    >>> defects = draw_defects(np.random.default_rng(1), 100_000)
    >>> 900 < int(np.count_nonzero(defects.late_by)) < 1_100
    True
    """
    chance = draw.random(size)
    late = np.where(chance < LATE, draw.integers(1, LATE_MS, size), 0)
    very = np.where(chance < VERY_LATE, draw.integers(0, VERY_LATE_MS, size), 0)
    broken = np.where(draw.random(size) < BROKEN, draw.integers(0, _ANY_WAY, size), WHOLE)
    return Defects(late + very, draw.random(size) < TWICE, broken)


def arrive(ts: IntArray, defects: Defects) -> Arrivals:
    """Put records into the order in which they arrive.

    Parameters
    ----------
    ts
        When each event happened.
    defects
        Of the same events.

    Examples
    --------
    >>> late, twice = np.array([5, 0]), np.array([False, True])
    >>> arrivals = arrive(np.array([10, 11]), Defects(late, twice, np.array([-1, -1])))
    >>> arrivals.event.tolist(), arrivals.repeats.tolist()
    ([1, 1, 0], [False, True, False])
    """
    order = np.argsort(ts + defects.late_by, kind="stable")
    event = np.repeat(order, 1 + defects.twice[order])
    repeats = np.zeros(len(event), np.bool_)
    repeats[1:] = event[1:] == event[:-1]
    return Arrivals(event, repeats, defects.late_by[event], defects.broken[event])


def spoil(chosen: int, key: bytes, value: bytes) -> Broken:
    """Break a record.

    Parameters
    ----------
    chosen
        As in `Defects.broken`.
    key, value
        The record as it was written.

    Examples
    --------
    >>> spoil(2, b"c-1", b'{"event_id":"e-1","customer_id":"c-1","ts":5}').value
    b'{"event_id":"e-1","customer_id":"","ts":5}'
    """
    event: dict[str, Any] = orjson.loads(value)
    way = way_of(chosen, event)
    if way.field is None:
        return Broken(way, key, value[: len(value) // 2])
    if way.reason is Reason.MISROUTED:
        return Broken(way, b"not-" + key, value)
    if way.reason is Reason.MISSING_FIELD:
        del event[way.field]
    else:
        event[way.field] = wrong_value(way, event["ts"])
    return Broken(way, key, orjson.dumps(event))


def way_of(chosen: int, event: Mapping[str, Any]) -> Way:
    """Return the way in which an event with these fields is broken."""
    ways = [way for way in WAYS if way.field is None or way.field in event]
    return ways[chosen % len(ways)]


def wrong_value(way: Way, ts: Instant) -> Any:
    """Return what stands in the field that is wrong."""
    return ts // 1000 if way.value is _SECONDS else way.value
