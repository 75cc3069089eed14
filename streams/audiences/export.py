"""Write members as CSV or JSON lines.

Responsible for columns, and for cells that no spreadsheet takes for a formula. Must not read the
cache, and must not open files.
"""

from __future__ import annotations

import csv
import io
from typing import IO, TYPE_CHECKING, Any, Final

import orjson

from schemas.instants import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from schemas.vocabulary import Instant
    from streams.audiences.members import Member

_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠'")
BOM: Final = "\ufeff"
"""Begins a CSV file for people: without it, spreadsheets misread 中文."""


def safe(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would run as a formula.

    One before an apostrophe, too: who takes one leading apostrophe off has what was there.

    Examples
    --------
    >>> safe("=cmd|' /C calc'!A0"), safe("c-1"), safe("'=")
    ("'=cmd|' /C calc'!A0", 'c-1', "''=")
    """
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def columns_of(systems: Sequence[str]) -> list[str]:
    """Name the columns of an export.

    Examples
    --------
    >>> columns_of(["lifecycle"])
    ['customer_id', 'lifecycle', 'lifecycle_since', 'valid_until', 'next', 'as_of', 'stale']
    """
    standing = [name for system in systems for name in (system, f"{system}_since")]
    return ["customer_id", *standing, "valid_until", "next", "as_of", "stale"]


def cells_of(member: Member, systems: Sequence[str]) -> dict[str, Any]:
    """Return a member's cells by column; instants in RFC 3339, UTC; what is not known is None."""
    profile = member.profile
    cells: dict[str, Any] = {"customer_id": profile.customer_id}
    for system in systems:
        standing = profile.systems.get(system)
        cells[system] = standing and standing.segment
        cells[f"{system}_since"] = standing and format_instant(standing.since)
    cells["valid_until"] = _written(profile.valid_until)
    cells["next"] = ";".join(f"{system}={segment}" for system, segment in profile.next.items())
    cells["as_of"] = _written(member.as_of)
    cells["stale"] = member.stale
    return cells


def _written(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)


def write_csv(
    file: IO[bytes], columns: Sequence[str], rows: Iterable[Mapping[str, Any]], begin: str = ""
) -> int:
    """Write rows below a line of column names; return how many.

    Every cell is quoted: an id is text, also where it looks like a number.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    text.write(begin)
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow([safe(_cell(row[name])) for name in columns])
        count += 1
    text.flush()
    text.detach()
    return count


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def write_lines(file: IO[bytes], columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as JSON objects, one a line; return how many."""
    count = 0
    for row in rows:
        file.write(orjson.dumps({name: row[name] for name in columns}) + b"\n")
        count += 1
    return count
