"""Write what commands answer: tables for people, JSON for programs.

Responsible for form only. Answers go to standard output, everything said besides to standard error.
"""

from __future__ import annotations

import gzip
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from schemas.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import RenderableType

AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
"""The option every reading command has."""

STDOUT: Final = "-"
"""What ``--out`` says for standard output."""

# In a pipe there is no width to fit into, and nothing may be cut off.
_PIPE_WIDTH: Final = 10_000


def print_json(answer: Any, *, apart: bool = False) -> None:
    """Print an answer as indented JSON; apart, where something else takes standard output."""
    typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode(), err=apart)


@contextmanager
def writing(out: str) -> Iterator[IO[bytes]]:
    """Open where ``--out`` goes: `STDOUT`, or a file, which appears only when it is whole.

    Raises
    ------
    UsageError
        When the file cannot be written.
    """
    if out == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(out)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as raw:
            if path.suffix == ".gz":
                with gzip.GzipFile("", "wb", fileobj=raw, mtime=0, compresslevel=6) as packed:
                    yield packed  # type: ignore[misc]
            else:
                yield raw
        draft.replace(path)
    except OSError as error:
        raise UsageError(f"--out: expected a file that can be written, got {error}") from error
    finally:
        draft.unlink(missing_ok=True)


def table_of(headers: Sequence[str | Column], rows: Iterable[Sequence[object]]) -> Table:
    """Return rows below headers, aligned."""
    table = Table(*headers, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else str(cell) for cell in row))
    return table


def print_drawn(drawn: RenderableType) -> None:
    """Print what was drawn; cells wrap on a terminal and never in a pipe."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    Console(width=width, markup=False, highlight=False, emoji=False).print(drawn)


def print_table(headers: Sequence[str | Column], rows: Iterable[Sequence[object]]) -> None:
    """Print rows below headers, aligned."""
    print_drawn(table_of(headers, rows))


def right(header: str) -> Column:
    """Return the header of a column of numbers: they end below each other."""
    return Column(header, justify="right")


def say(text: str) -> None:
    """Tell the person something that is not the answer, on standard error."""
    typer.echo(text, err=True)
