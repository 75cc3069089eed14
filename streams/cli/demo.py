"""Offer `rewake demo`: see it work on this machine."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.output import AsJson, print_json

_Once = Annotated[
    bool, typer.Option("--once", help="End after the summary; so it does without a terminal.")
]
_Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Whose history: online_retail, as if absent, or complete_journey.",
        show_default=False,
    ),
]
_Synthetic = Annotated[
    bool, typer.Option("--synthetic", help="A made-up shop instead; see `rewake simulate`.")
]
_Directory = Annotated[
    Path | None,
    typer.Option("--dir", help="Folder for all its files; .rewake/demo in the clone if absent."),
]
_Keep = Annotated[
    bool,
    typer.Option("--keep", help="Leave the servers running; `rewake local down --dir` ends them."),
]


_Workers = Annotated[
    int, typer.Option("--workers", help="How many share the partitions.", min=1, max=4)
]
_Speed = Annotated[
    str | None,
    typer.Option(
        "--speed",
        help="Feed the history while it is read, at so much event time a second: 30d/s, 12h/s. "
        "As if absent: all of it lies there at once.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("demo")(_demo)


def _demo(
    *,
    once: _Once = False,
    data: _Data = None,
    synthetic: _Synthetic = False,
    directory: _Directory = None,
    keep: _Keep = False,
    workers: _Workers = 1,
    speed: _Speed = None,
    as_json: AsJson = False,
) -> None:
    """Start a real Kafka and Redis, load a shop's history, and watch customers change class.

    The live page is served meanwhile; its address is told as soon as it answers.

    Needs nothing but this clone, and the network only the first time.
    """
    from rich.console import Console

    from schemas.errors import UsageError
    from segmenters.rules import load
    from streams.demo.ending import as_object, in_words
    from streams.demo.pace import read_speed
    from streams.demo.performance import perform
    from streams.demo.shops import SIMULATED, find_shop
    from streams.demo.show import Wishes
    from streams.demo.stage import Terminated
    from streams.local.endpoints import home

    if synthetic and data is not None:
        raise UsageError(f"expected --data or --synthetic, got both (--data {data})")
    shop = SIMULATED if synthetic else find_shop(data or "online_retail")
    watched = sys.stdout.isatty() and not as_json
    folder = home() / "demo" if directory is None else directory
    wishes = Wishes(
        shop, folder, watched, stays=watched and not once, keep=keep, workers=workers,
        speed=None if speed is None else read_speed(speed),
    )  # fmt: skip
    try:
        ending = perform(wishes, Console(stderr=not watched, emoji=False))
    except (KeyboardInterrupt, Terminated) as why:
        number = signal.SIGINT if isinstance(why, KeyboardInterrupt) else signal.SIGTERM
        raise typer.Exit(128 + number) from None
    if as_json:
        print_json(as_object(ending))
    elif not wishes.stays:
        for line in in_words(ending, load(shop.rules)):
            typer.echo(line)
