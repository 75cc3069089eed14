"""Offer `rewake local`: a Kafka and a Redis of one's own."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.output import AsJson, print_json, print_table, say

_group = typer.Typer(help="Run a real Kafka and Redis on this machine.", no_args_is_help=True)

_Directory = Annotated[
    Path | None,
    typer.Option("--dir", help="Folder for all their files; .rewake/local in the clone if absent."),
]


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(_group, name="local")


@_group.command("up")
def _up(*, directory: _Directory = None, as_json: AsJson = False) -> None:
    """Start them, wait until they serve, and print the variables that point to them.

    They go on running: eval "$(rewake local up)" sets a shell up, `rewake local down` ends it.
    """
    from streams.local import LocalServers

    endpoints = LocalServers(_folder(directory), say).up()
    if as_json:
        print_json(asdict(endpoints))
    else:
        typer.echo(endpoints.exports())


@_group.command("down")
def _down(*, directory: _Directory = None) -> None:
    """Stop them; their data stays."""
    from streams.local import LocalServers

    LocalServers(_folder(directory), say).down()


@_group.command("status")
def _status(*, directory: _Directory = None, as_json: AsJson = False) -> None:
    """Say what runs and where; exit code 1 unless both do."""
    from streams.local import LocalServers

    found = LocalServers(_folder(directory), say).status()
    if as_json:
        print_json([asdict(server) for server in found])
    else:
        rows = [
            (
                server.name,
                f"runs, pid {server.pid}" if server.running else "stopped",
                server.address,
            )
            for server in found
        ]
        print_table(("server", "state", "address"), rows)
    if not all(server.running for server in found):
        raise typer.Exit(1)


def _folder(directory: Path | None) -> Path:
    from streams.local.endpoints import home

    return home() / "local" if directory is None else directory
