"""Read files of rows: CSV or JSON lines, plain or gzipped.

Responsible for formats, encodings and how far reading has come. Must not know what the rows mean.
"""

from __future__ import annotations

import csv
import gzip
import io
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec

from schemas.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

Cells: TypeAlias = "Mapping[str, Any]"

_JSON: Final = (".jsonl", ".ndjson", ".json")
_REPORT_EVERY: Final = 1 << 14
_DAMAGED: Final = (gzip.BadGzipFile, EOFError, UnicodeDecodeError, csv.Error)


class Row(NamedTuple):
    """One row and where it stands.

    Attributes
    ----------
    path, number
        File, and the row's number in it: 1 is the first below a header.
    cells
        Column → value; None where a line is no JSON object.
    """

    path: Path
    number: int
    cells: Cells | None


def read_rows(
    paths: Sequence[Path],
    required: Sequence[str],
    progress: Callable[[int, int], None] = lambda _done, _whole: None,
) -> Iterator[Row]:
    """Read the rows of files, one after the other.

    Parameters
    ----------
    paths
        CSV with a header, or JSON objects line by line (``.jsonl``, ``.ndjson``, ``.json``), each
        also as ``.gz``.
    required
        Columns a CSV file must have; of JSON every object has its own.
    progress
        Called now and then with bytes read and bytes in all, as they lie on disk.

    Raises
    ------
    UsageError
        When a file cannot be read, is damaged or lacks a column.
    """
    whole = sum(map(_size, paths))
    before = 0
    for path in paths:
        with path.open("rb") as raw:
            for number, cells in enumerate(_cells(path, raw, required), 1):
                yield Row(path, number, cells)
                if number % _REPORT_EVERY == 0:
                    progress(before + raw.tell(), whole)
        before += _size(path)
    progress(whole, whole)


def _size(path: Path) -> int:
    try:
        if path.is_dir():
            raise UsageError(f"expected a file of history, got the folder {path}")
        return path.stat().st_size
    except OSError as error:
        raise UsageError(f"expected a file of history, got {path}: {error.strerror}") from error


def _cells(path: Path, raw: IO[bytes], required: Sequence[str]) -> Iterator[Cells | None]:
    with ExitStack() as stack:
        try:
            gzipped = path.suffix == ".gz"
            stream = stack.enter_context(gzip.open(raw)) if gzipped else raw
            if path.name.removesuffix(".gz").endswith(_JSON):
                yield from _objects(stream)
            else:
                text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
                yield from _records(path, stack.enter_context(text), required)
        except _DAMAGED as error:
            wanted = "CSV or JSON lines in UTF-8, plain or .gz"
            raise UsageError(f"{path}: expected {wanted}: {error}") from error


def _records(path: Path, lines: IO[str], required: Sequence[str]) -> Iterator[Cells]:
    reader = csv.DictReader(lines)
    missing = [name for name in required if name not in (reader.fieldnames or ())]
    if missing:
        got = ", ".join(reader.fieldnames or ()) or "nothing"
        wanted = f"a header with the columns {', '.join(required)}"
        raise UsageError(f"{path}: expected {wanted}; {', '.join(missing)} missing in {got}")
    yield from reader


def _objects(stream: Any) -> Iterator[Cells | None]:
    # Fractions come as they are written: an amount must never become a binary float.
    decode = msgspec.json.Decoder(dict[str, Any], float_hook=str).decode
    for line in stream:
        if line.strip():
            try:
                yield decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                yield None
