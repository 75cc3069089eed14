"""Hold what the commands on files of history have in common: arguments, instants, what was skipped.

Responsible for reading what a person typed. Must not run anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.output import say

if TYPE_CHECKING:
    from streams.history import History

Files = Annotated[
    list[Path],
    typer.Argument(help="CSV or JSON lines, plain or .gz.", metavar="FILE…", show_default=False),
]


def read_instant(option: str, text: str | None) -> int | None:
    """Read the instant an option gives; None where it is absent.

    Raises
    ------
    UsageError
        When the text is none.

    Examples
    --------
    >>> read_instant("--until", "2011-12-11")
    1323561600000
    """
    from schemas.errors import Rejected, UsageError
    from schemas.instants import parse_replay_instant

    if text is None:
        return None
    try:
        return parse_replay_instant(text)
    except Rejected as why:
        raise UsageError(f"{option}: {why.detail.removeprefix('ts: ')}") from why


def say_skipped(history: History) -> None:
    """Tell which rows were not taken, by reason, and the first of each."""
    for reason, count in history.skipped.most_common():
        first = history.first_skipped.get(reason)
        say(f"skipped {count:,} {reason}" + (f", the first: {first}" if first else ""))
