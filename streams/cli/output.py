"""Write what commands answer: tables for people, JSON for programs.

Responsible for form only. Answers go to standard output, everything said besides to standard error.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer
from rich.console import Console
from rich.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
"""The option every reading command has."""

# In a pipe there is no width to fit into, and nothing may be cut off.
_PIPE_WIDTH: Final = 10_000


def print_json(answer: Any) -> None:
    """Print an answer as indented JSON."""
    typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())


def print_table(headers: Sequence[str | Column], rows: Iterable[Sequence[object]]) -> None:
    """Print rows below headers, aligned; cells wrap on a terminal and never in a pipe."""
    table = Table(*headers, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(str, row))
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    Console(width=width, markup=False, highlight=False, emoji=False).print(table)


def right(header: str) -> Column:
    """Return the header of a column of numbers: they end below each other."""
    return Column(header, justify="right")


def say(text: str) -> None:
    """Tell the person something that is not the answer, on standard error."""
    typer.echo(text, err=True)
