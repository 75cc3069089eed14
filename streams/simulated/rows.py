"""Write a shop's history as a file for `rewake replay`: CSV or JSON lines.

Responsible for the columns, and for the few broken records a row can tell of. Must not open files.
"""

from __future__ import annotations

import csv
import io
from hashlib import blake2b
from typing import IO, TYPE_CHECKING, Any, Final

import orjson

from schemas.instants import format_instant
from schemas.money import exponent
from schemas.vocabulary import Kind
from streams.simulated import wire
from streams.simulated.defects import WHOLE, way_of, wrong_value
from streams.simulated.records import CHUNK, event_id, order_id
from streams.simulated.shop import NOTHING, customer_id
from streams.simulated.touches import HABITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from schemas.vocabulary import Instant
    from streams.simulated.shop import Shop

COLUMNS: Final = ("customer_id", "ts", "type", "amount", "ref", "order_id", "kind", "profit")
"""As `rewake replay` reads them; ``profit`` in major units, where every item has its cost."""

_TYPES: Final = {int(kind): kind.name.lower() for kind in Kind}
_WORDS: Final = [habit.kind for habit in HABITS]
Cells = list[str]


def write_rows(
    shop: Shop,
    sink: IO[bytes],
    *,
    as_json: bool,
    progress: Callable[[int, int], None] = lambda _done, _whole: None,
) -> tuple[int, str]:
    """Write all rows, in the order in which records arrive.

    A record that is broken in a way no row can be is left out.

    Parameters
    ----------
    shop
        What happened, and in which order the records arrive.
    sink
        Where the bytes go.
    as_json
        Write an object a line, not CSV.
    progress
        Called with records passed and records in all.

    Returns
    -------
    rows : int
        How many were written.
    checksum : str
        Of the bytes, in hexadecimal.
    """
    writer, seal = _Writer(shop), blake2b(digest_size=8)
    written, whole = 0, len(shop.arrivals.event)
    dress = _objects if as_json else _records

    def put(text: bytes) -> None:
        seal.update(text)
        sink.write(text)

    if not as_json:
        put(_records([list(COLUMNS)]))
    for begin in range(0, whole, CHUNK):
        rows = list(writer.write(begin, begin + CHUNK))
        put(dress(rows))
        written += len(rows)
        progress(min(begin + CHUNK, whole), whole)
    return written, seal.hexdigest()


def _records(rows: list[Cells]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _objects(rows: list[Cells]) -> bytes:
    lines = [
        orjson.dumps({name: cell for name, cell in zip(COLUMNS, row, strict=True) if cell})
        for row in rows
    ]
    return b"".join(line + b"\n" for line in lines)


class _Writer:
    """Writes events as rows."""

    def __init__(self, shop: Shop) -> None:
        self._events = shop.events
        self._arrivals = shop.arrivals
        self._places = exponent(shop.plan.currency)
        self._gain = shop.baskets.gain.tolist()
        self._costed = shop.baskets.costed.tolist()
        self._names = [customer_id(number).decode() for number in range(shop.plan.customers)]

    def write(self, begin: int, end: int) -> Iterator[Cells]:
        """Write what arrives from one place to another."""
        numbers = self._arrivals.event[begin:end]
        columns = [column[numbers].tolist() for column in self._events]
        broken = self._arrivals.broken[begin:end].tolist()
        for number, customer, ts, kind, order, amount, habit, _, chosen in zip(
            numbers.tolist(), *columns, broken, strict=True
        ):
            cells = [
                self._names[customer],
                format_instant(ts),
                _TYPES[kind],
                self._money(amount) if kind <= Kind.REFUND else "",
                event_id(number).decode(),
                "" if order == NOTHING else order_id(order).decode(),
                "" if habit == NOTHING else _WORDS[habit],
                self._profit(order) if kind == Kind.ORDER else "",
            ]
            if chosen == WHOLE:
                yield cells
            elif (spoilt := _spoil(cells, chosen, kind, ts)) is not None:
                yield spoilt

    def _money(self, minor: int) -> str:
        return wire.in_major(minor, self._places).decode()

    def _profit(self, order: int) -> str:
        return self._money(self._gain[order]) if self._costed[order] else ""


def _spoil(cells: Cells, chosen: int, kind: int, ts: Instant) -> Cells | None:
    """Break a row in the way its record is broken; None where no row can be."""
    way = way_of(chosen, _FIELDS[kind])
    if not way.in_rows:
        return None
    spoilt = list(cells)
    spoilt[COLUMNS.index(str(way.field))] = str(wrong_value(way, ts))
    return spoilt


_EVENT: Final = dict.fromkeys(("event_id", "customer_id", "ts"))
_MONEY: Final = dict.fromkeys(("type", "amount", "currency"))
_FIELDS: Final[Mapping[int, Mapping[str, Any]]] = {
    Kind.ORDER: _EVENT | _MONEY,
    Kind.REFUND: _EVENT | _MONEY,
    Kind.CANCEL: _EVENT | {"type": None},
    Kind.ENGAGEMENT: _EVENT,
}
"""The fields of an event's record that may be wrong: a row is broken as its record is."""
