"""Watch the worker from its start to the end of the history, and longer where that is wanted.

Responsible for the rhythm: hear, draw, notice that it is over or that nothing comes any more. Must
not start or stop anything.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.live import Live

from schemas.errors import RewakeError
from streams.demo.ending import Ending, in_words, look_up_some
from streams.demo.feed import Feed
from streams.demo.preparation import ENVIRON
from streams.demo.tally import SHOWN_SYSTEM, Tally
from streams.demo.view import Picture, draw
from streams.wording import change_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, RenderableType

    from schemas.vocabulary import Instant
    from segmenters.rules import Rules
    from streams.demo.pace import Pace
    from streams.demo.preparation import Prepared
    from streams.demo.shops import Shop
    from streams.demo.stage import Child

STALL_SECONDS: Final = 150.0
_FRAMES_PER_SECOND: Final = 8


class Wishes(NamedTuple):
    """How the demo is wanted.

    Attributes
    ----------
    shop
        Whose history.
    folder
        Where all its files go.
    watched
        Somebody sits in front of the console: draw.
    stays
        Go on after the end, until Ctrl-C.
    keep
        Leave the servers running.
    workers
        How many share the partitions.
    speed
        Event time in ms fed in a second; None: all of it lies there when the worker starts.
    """

    shop: Shop
    folder: Path
    watched: bool
    stays: bool
    keep: bool
    workers: int = 1
    speed: float | None = None


class Show:
    """One run of the workers, watched.

    Parameters
    ----------
    wishes
        How it is wanted.
    console
        Where it is drawn.
    rules
        Have the names of the segments.
    prepared
        What they read.
    workers
        Their processes.
    pace
        Feeds the history meanwhile, where it is fed.

    Attributes
    ----------
    ending
        The summary; None until the history has ended.
    """

    def __init__(
        self,
        wishes: Wishes,
        console: Console,
        rules: Rules,
        prepared: Prepared,
        workers: Sequence[Child],
        pace: Pace | None = None,
    ) -> None:
        self._wishes = wishes
        self._console = console
        self._rules = rules
        self._settings = prepared.settings
        self._seed = prepared.seed
        self._workers = workers
        self._page = prepared.page
        self._address = prepared.address
        self._pace = pace
        self._tally = Tally()
        self._began: float | None = None
        self._moved = time.monotonic()
        self.ending: Ending | None = None

    async def run(self) -> None:
        """Watch, sum up, stay.

        Raises
        ------
        RewakeError
            When the worker ends, or nothing comes from it any more.
        """
        async with Feed(self._settings, self._tally, self._pace) as feed:
            seconds = await self._watch(feed)
            answers = await asyncio.to_thread(look_up_some, self._settings, self._tally)
            key, events = self._wishes.shop.key, len(self._seed.messages)
            self.ending = Ending(key, events, self._seed.until, seconds, self._tally, answers)
            if self._wishes.stays:
                self._tell(self.ending)
                await self._stay(feed)

    async def _watch(self, feed: Feed) -> float:
        """Follow the worker to the end of the history; return how long it took."""
        with (
            Live(
                console=self._console,
                get_renderable=lambda: self._picture(feed),
                refresh_per_second=_FRAMES_PER_SECOND,
            )
            if self._wishes.watched
            else _Nobody()
        ):
            while feed.reached.clock is None or feed.reached.clock < self._seed.until:
                await self._listen(feed)
            ended = time.monotonic()
            await feed.catch_up()
        return ended - (self._began or ended)

    async def _listen(self, feed: Feed) -> None:
        """Hear more; raise when there will not be more."""
        before, fed = (self._tally.changes, feed.reached), self._fed()
        await feed.listen()
        now = time.monotonic()
        if (self._tally.changes, feed.reached) != before:
            self._moved = now
            self._began = self._began or now
        if self._fed() != fed:
            self._moved = now  # a quiet week of the shop is no stall
        self._check()
        if now - self._moved > STALL_SECONDS:
            waited = f"expected the worker to go on, nothing came for {STALL_SECONDS:.0f} s"
            raise RewakeError(f"{waited}; {self._workers[0].last_words()}")

    def _check(self) -> None:
        """Raise when a worker, the page or the feeding has ended."""
        for child in (*self._workers, self._page):
            child.check()
        if self._pace is not None:
            self._pace.check()

    def _fed(self) -> Instant | None:
        return None if self._pace is None else self._pace.reached

    def _picture(self, feed: Feed) -> RenderableType:
        seed, waiting = self._seed, self._began is None
        lifecycle = next(system for system in self._rules.systems if system.key == SHOWN_SYSTEM)
        return draw(
            Picture(
                title=f"Rewake reads the history of {self._wishes.shop.title}",
                segments={segment: lifecycle.labels[segment] for segment in lifecycle.segments},
                begin=seed.messages[0].ts,
                until=seed.until,
                events=len(seed.messages),
                reached=feed.reached,
                tally=self._tally,
                seconds=0.0 if self._began is None else time.monotonic() - self._began,
                page=self._address,
                footer=(f"the worker starts; its log: {near(self._workers[0].log)}",)
                if waiting
                else (),
            )
        )

    def _tell(self, ending: Ending) -> None:
        """Sum up, and say how to go on from here."""
        for line in (
            "",
            *in_words(ending, self._rules),
            "",
            f"The live page stays: {self._address}",
            "Worker and servers go on. In another terminal:",
            *how_to_look_up(self._wishes, ending),
            "Ctrl-C here ends everything.",
        ):
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    async def _stay(self, feed: Feed) -> None:
        """Tell what else happens until somebody ends it."""
        while True:
            before = self._tally.changes
            await feed.listen()
            self._check()
            newer = min(self._tally.changes - before, len(self._tally.newest))
            for change in list(self._tally.newest)[len(self._tally.newest) - newer :]:
                self._console.print(change_in_words(change), highlight=False, markup=False)


class _Nobody:
    """Stands where a picture would be drawn, were somebody watching."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def how_to_look_up(wishes: Wishes, ending: Ending) -> list[str]:
    """Return the lines that, typed into a shell here, answer for a customer."""
    customer = ending.answers[0].customer_id if ending.answers else "ID"
    rewake = shlex.quote(near(Path(sys.executable).with_name("rewake")))
    return [
        f"  source {shlex.quote(near(wishes.folder / ENVIRON))}",
        f"  {rewake} lookup {customer}",
    ]


def near(path: Path) -> str:
    """Write a path as it is typed here: relative where that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)
