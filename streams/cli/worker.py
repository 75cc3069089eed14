"""Offer `rewake worker`: the process that reads events and tells changes."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("worker")(_worker)


def _worker(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Ask a running worker whether it is well, and exit.")
    ] = False,
) -> None:
    """Read events, keep every customer's state, tell changes of segment.

    Runs until it is told to stop (SIGTERM, Ctrl-C), then leaves within 30 seconds.
    """
    from streams.settings import load_settings

    settings = load_settings()
    if check:
        from streams.health import probe

        typer.echo(probe(settings.metrics))
        return
    from streams.worker import run

    run(settings)
