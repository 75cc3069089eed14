"""Offer `rewake settings`: what is in force."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from streams.cli.output import AsJson, print_json, print_table, say

if TYPE_CHECKING:
    import typer


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("settings")(_settings)


def _settings(*, as_json: AsJson = False) -> None:
    """Print the settings in force, secrets masked."""
    from streams.settings import load_settings, shown, unknown_variables

    values = shown(load_settings())
    if as_json:
        print_json(values)
    else:
        print_table(("setting", "value"), values.items())
    for name in unknown_variables(os.environ):
        say(f"rewake: nothing reads {name}")
