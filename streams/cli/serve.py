"""Offer `rewake serve`: lookups over HTTP, and the live page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("serve")(_serve)


def _serve() -> None:
    """Answer lookups over HTTP and show the live page, at REWAKE_WEB.

    Reads Redis, follows the changes topic, asks the owning worker for explanations. Runs until
    it is told to stop (SIGTERM, Ctrl-C). Listening beyond this machine needs REWAKE_WEB_TOKENS.
    """
    from streams.serving.service import run
    from streams.settings import load_settings

    run(load_settings())
