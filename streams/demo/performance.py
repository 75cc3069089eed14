"""Perform the demo: everything in turn, from empty folder to summary.

Responsible for the order of things and for ending in order, whatever happens. Must not do any of
them itself.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

from schemas.errors import RewakeError
from segmenters.rules import load
from streams.demo.pace import Pace
from streams.demo.preparation import REWAKE, prepare
from streams.demo.show import Show, how_to_look_up, near
from streams.demo.stage import Child, Stage, ending_in_order
from streams.demo.steps import Steps
from streams.local.endpoints import HOST, free_port
from streams.settings import PREFIX

if TYPE_CHECKING:
    from rich.console import Console

    from segmenters.rules import Rules
    from streams.demo.ending import Ending
    from streams.demo.preparation import Prepared
    from streams.demo.show import Wishes


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
            prepared = prepare(wishes.shop, rules, stage, steps, paced=wishes.speed is not None)
        ending = _watch(wishes, console, rules, stage, steps, prepared)
        stage.succeeded()
        if wishes.keep:
            servers = near(stage.servers.directory)
            for line in (
                "The servers go on. To ask them:",
                *how_to_look_up(wishes, ending),
                f"To end them:\n  rewake local down --dir {servers}",
            ):
                steps.say(line)
        return ending


def _watch(
    wishes: Wishes, console: Console, rules: Rules, stage: Stage, steps: Steps, prepared: Prepared
) -> Ending:
    """Start the workers, and the feeding where there is one, and watch to the end."""
    with ExitStack() as stack:
        pace = None
        if wishes.speed is not None:
            pace = stack.enter_context(Pace(prepared.settings, prepared.seed, wishes.speed))
        workers = [_start_worker(stage, prepared, number) for number in range(wishes.workers)]
        if not wishes.watched:
            logs = ", ".join(near(worker.log) for worker in workers)
            who = "the worker starts and reads; its log"
            if len(workers) > 1:
                who = f"{len(workers)} workers start and share the partitions; their logs"
            steps.say(f"{who}: {logs}")
        show = Show(wishes, console, rules, prepared, workers, pace)
        try:
            asyncio.run(show.run())
        except KeyboardInterrupt:
            if show.ending is None:
                raise
    if show.ending is None:  # pragma: no cover - it ends, or it raises
        raise RewakeError("expected the demo to come to an end, it did not")
    return show.ending


def _start_worker(stage: Stage, prepared: Prepared, number: int) -> Child:
    """Start one of the workers; each has a port of its own for its metrics."""
    if number == 0:
        return stage.start([*REWAKE, "worker"], prepared.environ, "worker")
    environ = {**prepared.environ, f"{PREFIX}METRICS": f"{HOST}:{free_port()}"}
    return stage.start([*REWAKE, "worker"], environ, f"worker-{number + 1}")
