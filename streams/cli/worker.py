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
        bool,
        typer.Option(
            "--check",
            help="Ask a running worker whether it is alive, and exit: 1 means restart it.",
        ),
    ] = False,
    ready: Annotated[
        bool,
        typer.Option(
            "--ready",
            help="Ask a running worker whether it works its partitions yet, and exit.",
        ),
    ] = False,
) -> None:
    """Read events, keep every customer's state, tell changes of segment.

    Runs until it is told to stop (SIGTERM, Ctrl-C), then leaves within 30 seconds. One that reads
    its state back, or waits for the group, is alive and not ready.
    """
    from streams.settings import load_settings

    settings = load_settings()
    if check or ready:
        from streams.health import ALIVE, READY, probe

        typer.echo(probe(settings.metrics, READY if ready else ALIVE))
        return
    from streams.worker import run

    run(settings)
