"""Offer `rewake repartition`: another partition count, with the state there is."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from streams.cli.output import AsJson, print_json

_App = Annotated[str, typer.Option("--app", help="REWAKE_APP from then on.")]
_Prefix = Annotated[str, typer.Option("--prefix", help="REWAKE_TOPIC_PREFIX from then on.")]
_Count = Annotated[int, typer.Option("--partitions", help="How many partitions it will be.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("repartition")(_repartition)


def _repartition(
    *, app: _App, prefix: _Prefix, partitions: _Count, as_json: AsJson = False
) -> None:
    """Move all state to new topics of another partition count, which are made if missing.

    Stop producers and workers first. It moves everything or nothing, so it can be repeated. See
    docs/how-to/change-the-partition-count.md.
    """
    from streams.cli.progress import bars
    from streams.repartition import repartition
    from streams.settings import load_settings

    settings = load_settings()
    target = load_settings(app=app, topic_prefix=prefix, partitions=partitions)
    with bars() as bar:
        moved = asyncio.run(repartition(settings, target, bar("moving", "changelog offsets")))
    if as_json:
        print_json(moved._asdict() | {"REWAKE_APP": app, "REWAKE_TOPIC_PREFIX": prefix})
        return
    typer.echo(
        f"moved {moved.customers:,} customers from {moved.before} to {moved.after} partitions, and "
        f"{moved.unread:,} records no worker had read"
    )
    typer.echo("workers and producers go on with:")
    typer.echo(f"export REWAKE_APP={app} REWAKE_TOPIC_PREFIX={prefix}")
