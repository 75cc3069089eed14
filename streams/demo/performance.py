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
from streams.demo.show import Show, how_to_look_up, near
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
    steps.say(f"Rewake demo: {wishes.shop.title}; all files below {near(wishes.folder)}")
    rules = load(wishes.shop.rules)
    with ending_in_order(), Stage(wishes.folder, steps.say, keep=wishes.keep) as stage:
        with steps:
            prepared = prepare(wishes.shop, rules, stage, steps)
        worker = stage.start([*_REWAKE, "worker"], prepared.environ, "worker")
        if not wishes.watched:
            steps.say(f"the worker starts and reads; its log: {near(worker.log)}")
        show = Show(wishes, console, rules, prepared, worker)
        try:
            asyncio.run(show.run())
        except KeyboardInterrupt:
            if show.ending is None:
                raise
        if show.ending is None:  # pragma: no cover - it ends, or it raises
            raise RewakeError("expected the demo to come to an end, it did not")
        stage.succeeded()
        if wishes.keep:
            servers = near(stage.servers.directory)
            for line in (
                "The servers go on. To ask them:",
                *how_to_look_up(wishes, show.ending),
                f"To end them:\n  rewake local down --dir {servers}",
            ):
                steps.say(line)
        return show.ending
