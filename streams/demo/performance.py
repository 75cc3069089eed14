"""Perform the demo: everything in turn, from empty folder to summary.

Responsible for the order of things, for what is said when one fails, and for when it is over. Must
not do any of them itself.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.live import Live

from schemas.errors import RewakeError
from schemas.instants import format_instant
from segmenters.rules import load as load_rules
from streams.demo.ending import Ending, in_words, look_up_some
from streams.demo.feed import Feed
from streams.demo.stage import Stage, child_environ, ending_in_order
from streams.demo.steps import Steps
from streams.demo.tally import SHOWN_SYSTEM, Tally
from streams.demo.view import Picture, draw
from streams.local.endpoints import HOST, free_port
from streams.local.processes import tail
from streams.seeding import load, read_seed
from streams.settings import PREFIX, load_settings
from streams.topics_admin import connect, create, plan
from streams.wording import change_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.console import Console, RenderableType

    from segmenters.rules import Rules
    from streams.demo.shops import Shop
    from streams.demo.stage import Child
    from streams.local import Endpoints
    from streams.seeding import Seed
    from streams.settings import Settings

STALL_SECONDS: Final = 150.0
_FRAMES_PER_SECOND: Final = 8
_REWAKE: Final = (sys.executable, "-c", "import sys, streams.cli; sys.exit(streams.cli.main())")
_COMPILING: Final = """
import sys
from segmenters.engine import Engine
from segmenters.rules import load
Engine(load(sys.argv[1]))
"""


class Wishes(NamedTuple):
    """How the demo is wanted.

    Attributes
    ----------
    shop
        Whose history.
    folder
        Where all its files go.
    watched
        Somebody sits in front of `console`: draw.
    stays
        Go on after the end, until Ctrl-C.
    keep
        Leave the servers running.
    """

    shop: Shop
    folder: Path
    watched: bool
    stays: bool
    keep: bool


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
    _forget_settings()
    steps = Steps(console)
    rules = load_rules(wishes.shop.rules)
    with ending_in_order(), Stage(wishes.folder, steps.say, keep=wishes.keep) as stage:
        with steps:
            settings, seed, environ = _prepare(wishes.shop, stage, steps, rules)
        worker = stage.start([*_REWAKE, "worker"], child_environ(**environ), "worker")
        show = _Show(wishes, console, settings, rules, seed, worker)
        try:
            asyncio.run(show.run())
        except KeyboardInterrupt:
            if show.ending is None:
                raise
        finally:
            console.print("stopping …", style="dim")
        if show.ending is None:
            raise RewakeError("expected the demo to come to an end, it did not")  # pragma: no cover
        stage.succeeded()
        return show.ending


def _forget_settings() -> None:
    """Drop the operator's own settings: the demo has servers, and settings, of its own."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]


# ---- before there is anything to watch


def _prepare(
    shop: Shop, stage: Stage, steps: Steps, rules: Rules
) -> tuple[Settings, Seed, Mapping[str, str]]:
    """Start the servers and load the history; reading and compiling go on beside the start."""
    compiler = stage.start(
        [sys.executable, "-c", _COMPILING, str(shop.rules)], child_environ(), "compiler"
    )
    beside = ThreadPoolExecutor(2)
    try:
        compiled = beside.submit(_await_compiler, compiler, steps)
        read = beside.submit(_read, shop, rules, steps)
        with steps.step("starting Redis and Kafka") as step:
            endpoints = stage.up()
            step.result = f"Redis and Kafka serve at {endpoints.redis}, {endpoints.kafka}"
        seed = read.result()
        settings, environ = _settings(endpoints, shop, seed)
        _write_environ(stage.folder, environ)
        with steps.step("creating the topics") as step, connect(settings) as admin:
            made = create(admin, plan(settings))
            step.result = f"{len(made)} topics with {settings.partitions} partitions"
        with steps.step("loading the history into Kafka") as step:
            asyncio.run(load(settings, seed.messages, step.progress))
            step.result = f"{len(seed.messages):,} events lie in Kafka"
        compiled.result()
    finally:
        beside.shutdown(wait=False, cancel_futures=True)
    return settings, seed, environ


def _read(shop: Shop, rules: Rules, steps: Steps) -> Seed:
    with steps.step(f"reading {shop.key}") as step:
        seed = read_seed([shop.events], rules.engine.base_currency, step.progress)
        step.result = f"{len(seed.messages):,} events of {seed.customers:,} customers read"
    return seed


def _await_compiler(compiler: Child, steps: Steps) -> None:
    with steps.step("compiling the rules (the first time 20 s or so)") as step:
        code = compiler.wait()
        step.result = "rules compiled"
    if code:
        raise RewakeError(f"expected the rules to compile, got{tail(compiler.log)}")


def _settings(endpoints: Endpoints, shop: Shop, seed: Seed) -> tuple[Settings, Mapping[str, str]]:
    """Return the settings of the demo, and the same as variables for the worker."""
    web = free_port()
    metrics = free_port(frozenset({web}))
    values = {
        "kafka": endpoints.kafka,
        "redis": endpoints.redis,
        "rules": str(shop.rules),
        "clock": "event",
        "until": format_instant(seed.until),
        "web": f"{HOST}:{web}",
        "metrics": f"{HOST}:{metrics}",
    }
    environ = {PREFIX + name.upper(): value for name, value in values.items()}
    return load_settings(None, **values), environ


def _write_environ(folder: Path, environ: Mapping[str, str]) -> None:
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in environ.items()]
    (folder / "env").write_text("".join(lines), encoding="utf-8")


# ---- the history runs


class _Show:
    """Watches the worker until the history has ended, and longer where that is wanted."""

    def __init__(
        self,
        wishes: Wishes,
        console: Console,
        settings: Settings,
        rules: Rules,
        seed: Seed,
        worker: Child,
    ) -> None:
        self._wishes = wishes
        self._console = console
        self._settings = settings
        self._rules = rules
        self._seed = seed
        self._worker = worker
        self._tally = Tally()
        self._began: float | None = None
        self._moved = time.monotonic()
        self.ending: Ending | None = None

    async def run(self) -> None:
        """Watch, sum up, stay."""
        async with Feed(self._settings, self._tally) as feed:
            seconds = await self._watch(feed)
            answers = await asyncio.to_thread(look_up_some, self._settings, self._tally)
            self.ending = Ending(
                self._wishes.shop.key,
                len(self._seed.messages),
                self._seed.until,
                seconds,
                self._tally,
                answers,
            )
            if self._wishes.stays:
                self._say_how_to_go_on()
                await self._stay(feed)

    async def _watch(self, feed: Feed) -> float:
        """Follow the worker to the end of the history; return how long it took."""
        with (
            Live(
                console=self._console,
                get_renderable=lambda: self._picture(feed),
                refresh_per_second=_FRAMES_PER_SECOND,
                transient=False,
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
        before = (self._tally.changes, feed.reached)
        await feed.listen()
        now = time.monotonic()
        if (self._tally.changes, feed.reached) != before:
            self._moved = now
            self._began = self._began or now
        self._worker.check()
        if now - self._moved > STALL_SECONDS:
            waited = f"expected the worker to go on, nothing came for {STALL_SECONDS:.0f} s"
            raise RewakeError(f"{waited}; the end of {self._worker.log}:{tail(self._worker.log)}")

    def _picture(self, feed: Feed) -> RenderableType:
        shop, seed = self._wishes.shop, self._seed
        lifecycle = next(system for system in self._rules.systems if system.key == SHOWN_SYSTEM)
        waiting = self._began is None
        return draw(
            Picture(
                title=f"Rewake reads the history of {shop.title}",
                segments={segment: lifecycle.labels[segment] for segment in lifecycle.segments},
                begin=seed.messages[0].ts,
                until=seed.until,
                events=len(seed.messages),
                reached=feed.reached,
                tally=self._tally,
                seconds=0.0 if self._began is None else time.monotonic() - self._began,
                footer=(f"the worker starts; its log: {self._worker.log}",) if waiting else (),
            )
        )

    def _say_how_to_go_on(self) -> None:
        if self.ending is None:
            return
        environ = shlex.quote(str(self._wishes.folder / "env"))
        customer = self.ending.answers[0].customer_id if self.ending.answers else "ID"
        for line in (
            "",
            *in_words(self.ending, self._rules),
            "",
            "Worker and servers go on. In another terminal:",
            f"  source {environ}",
            f"  rewake lookup {customer}",
            "Ctrl-C here ends everything.",
        ):
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    async def _stay(self, feed: Feed) -> None:
        """Tell what else happens until somebody ends it."""
        while True:
            before = self._tally.changes
            await feed.listen()
            self._worker.check()
            for change in list(self._tally.newest)[: self._tally.changes - before]:
                self._console.print(change_in_words(change), highlight=False, markup=False)


class _Nobody:
    """Stands where a picture would be drawn, were somebody watching."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...
