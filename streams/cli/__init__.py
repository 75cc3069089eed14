"""Offer everything as the command `rewake`.

Responsible for wiring: one file per command here, and how an error becomes a message and an exit
code (0 ok, 1 failed, 2 called wrongly). Must not do the work of a command: that stands in the
module a command calls.

To add a command, write a file with ``register(app)`` and name it in `_COMMANDS`. Files import what
they run inside the command, so that every other command starts quickly.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Final

import typer

from schemas.errors import DeliveryError, RewakeError
from streams.cli import (
    audience,
    audit,
    check_system,
    demo,
    lag,
    local,
    lookup,
    repartition,
    replay,
    report,
    serve,
    settings,
    simulate,
    topics,
    validate,
    webhook,
    worker,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS: Final = (
    audience,
    audit,
    check_system,
    demo,
    lag,
    local,
    lookup,
    repartition,
    replay,
    report,
    serve,
    settings,
    simulate,
    topics,
    validate,
    webhook,
    worker,
)

_DEBUG: Final = "rewake.debug"

app: Final = typer.Typer(
    name="rewake",
    help="Streaming customer segmentation: who changed class, the moment it happened.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rewake {version('rewake')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Hold the options that stand before a command."""
    del debug, show_version  # read in `main` and in the callback


for _command in _COMMANDS:
    _command.register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments
        Words after ``rewake``; those of the process when absent.

    Returns
    -------
    int
        0 ok, 1 failed or a check that does not hold, 2 called or configured wrongly.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # In its own mode typer prints what was called wrongly, and ends with the code for it.
        app(args=words, prog_name="rewake")
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 0
    except RewakeError as error:
        if "--debug" in words:
            raise
        name = f"{error.code}: " if isinstance(error, DeliveryError) else ""
        typer.echo(f"rewake: {name}{error}", err=True)
        return error.exit_code
    return 0
