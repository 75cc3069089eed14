"""Perform the demo: everything in turn, from empty folder to summary.

Responsible for the order of things and for ending in order, whatever happens. Must not do any of
them itself.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

from schemas.errors import RewakeError
from segmenters.rules import load
from streams.demo.preparation import prepare
from streams.demo.show import Show
from streams.demo.stage import Stage, ending_in_order
from streams.demo.steps import Steps

if TYPE_CHECKING:
    from rich.console import Console

    from streams.demo.ending import Ending
    from streams.demo.show import Wishes

_REWAKE: Final = (sys.executable, "-c", "import sys, streams.cli; sys.exit(streams.cli.main())")


def perform(wishes: Wishes, console: Console) -> Ending:
    """Perform the demo and leave no process behind.

    Parameters
    ----------
    wishes
        How it is wanted.
    console
        Where steps and picture are shown.

    Raises
    ------
    RewakeError
        When a part of it fails; the message has that part's last words.
    KeyboardInterrupt, streams.demo.stage.Terminated
        When it was told to end before the history did.
    """
    steps = Steps(console)
    rules = load(wishes.shop.rules)
    with ending_in_order(), Stage(wishes.folder, steps.say, keep=wishes.keep) as stage:
        with steps:
            prepared = prepare(wishes.shop, rules, stage, steps)
        worker = stage.start([*_REWAKE, "worker"], prepared.environ, "worker")
        show = Show(wishes, console, rules, prepared, worker)
        try:
            asyncio.run(show.run())
        except KeyboardInterrupt:
            if show.ending is None:
                raise
        console.print("stopping …", style="dim")
        if show.ending is None:  # pragma: no cover - it ends, or it raises
            raise RewakeError("expected the demo to come to an end, it did not")
        stage.succeeded()
        return show.ending
