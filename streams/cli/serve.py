"""Offer `rewake serve`: lookups over HTTP, and the live page."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("serve")(_serve)


def _serve(
    *,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Ask a running service whether it is alive, and exit: 1 means restart it.",
        ),
    ] = False,
) -> None:
    """Answer lookups over HTTP and show the live page, at REWAKE_WEB.

    Reads Redis, follows the changes topic, asks the owning worker for explanations. Runs until
    it is told to stop (SIGTERM, Ctrl-C). Listening beyond this machine needs REWAKE_WEB_TOKENS.
    """
    from streams.settings import load_settings

    settings = load_settings()
    if check:
        from streams.health import ALIVE, probe

        typer.echo(probe(settings.web, ALIVE, "service", "REWAKE_WEB"))
        return
    from streams.serving.service import run

    run(settings)
