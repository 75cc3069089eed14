"""Prepare the demo: servers up, topics made, page open, history loaded, rules compiled.

Responsible for what has to be there before the worker starts, for the settings all parts share and
for doing side by side what need not wait. Must not start the worker.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

import httpx

from schemas.errors import RewakeError
from schemas.instants import format_instant
from streams.local.endpoints import HOST, free_port
from streams.seeding import load
from streams.settings import PREFIX, SECRETS_DIR, Settings, load_settings
from streams.topics_admin import connect, create, plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmenters.rules import Rules
    from streams.demo.shops import Shop
    from streams.demo.stage import Child, Stage
    from streams.demo.steps import Steps
    from streams.local import Endpoints
    from streams.seeding import Seed

ENVIRON: Final = "env"
"""File in the demo's folder that sets a shell up to talk to it."""

REWAKE: Final = (sys.executable, "-c", "import sys, streams.cli; sys.exit(streams.cli.main())")
"""The command line, in this environment."""

_PAGE_PATIENCE_SECONDS: Final = 120.0
# Code is compiled when it is first called, and kept for the processes that come after.
_COMPILING: Final = """
import sys
from schemas.vocabulary import Kind
from segmenters.rules import load
from streams.history import Fact
from streams.replay import replay
rules = load(*sys.argv[1:] or [None])
replay([Fact(10**12, Kind.ORDER, "", "somebody", 0, "", "")], rules, 2 * 10**12)
"""


class Prepared(NamedTuple):
    """What is ready for the worker.

    Attributes
    ----------
    settings, environ
        The settings of all parts, and the same as variables.
    seed
        The history.
    page
        The process that serves the live page.
    """

    settings: Settings
    environ: Mapping[str, str]
    seed: Seed
    page: Child

    @property
    def address(self) -> str:
        """Where the live page is."""
        return f"http://{self.settings.web}/"


def prepare(
    shop: Shop, rules: Rules, stage: Stage, steps: Steps, *, paced: bool = False
) -> Prepared:
    """Start the servers and load the history; reading and compiling go on beside the start.

    Parameters
    ----------
    shop, rules
        Whose history, and what judges it.
    stage, steps
        Where it runs, and where it is told.
    paced
        Leave the history to be fed while the worker reads.

    Raises
    ------
    RewakeError
        When a part fails, with its last words.
    """
    _forget_settings()
    rules_file = [] if shop.rules is None else [str(shop.rules)]
    compiling = [sys.executable, "-c", _COMPILING, *rules_file]
    compiler = stage.start(compiling, {}, "compiler")
    beside = ThreadPoolExecutor(3)
    try:
        compiled = beside.submit(_await_compiler, compiler, steps)
        read = beside.submit(_read, shop, rules, steps)
        with steps.step("starting Redis and Kafka") as step:
            endpoints = stage.up()
            step.result = f"Redis and Kafka serve at {endpoints.redis}, {endpoints.kafka}"
        seed = read.result()
        settings, environ = _settings(endpoints, shop, seed)
        _write_environ(stage, environ)
        with steps.step("creating the topics") as step, connect(settings) as admin:
            made = create(admin, plan(settings))
            step.result = f"{len(made)} topics with {settings.partitions} partitions each"
        page = stage.start([*REWAKE, "serve"], environ, "serve")
        opened = beside.submit(_await_page, page, settings, steps)
        if not paced:
            with steps.step("loading the history into Kafka") as step:
                asyncio.run(load(settings, seed.messages, step.progress))
                step.result = f"{len(seed.messages):,} events lie in Kafka"
        opened.result()
        compiled.result()
    finally:
        # Not waited for: the stage ends the compiler, and reading ends by itself.
        beside.shutdown(wait=False, cancel_futures=True)
    return Prepared(settings, environ, seed, page)


def _forget_settings() -> None:
    """Drop the operator's own settings: the demo has servers, and settings, of its own."""
    names = [PREFIX + name.upper() for name in Settings.model_fields]
    for name in (SECRETS_DIR, *names, *[name + "_FILE" for name in names]):
        os.environ.pop(name, None)


def _read(shop: Shop, rules: Rules, steps: Steps) -> Seed:
    does, done = ("making up", "made up") if shop.simulated else ("reading", "read")
    with steps.step(f"{does} {shop.title}") as step:
        seed = shop.read(rules.engine.base_currency, step.progress)
        step.result = f"{len(seed.messages):,} events of {seed.customers:,} customers {done}"
    return seed


def _await_compiler(compiler: Child, steps: Steps) -> None:
    with steps.step("compiling the rules (the first time 20 s or so)") as step:
        code = compiler.wait()
        step.result = "rules compiled"
    if code:
        raise RewakeError(f"expected the rules to compile, not so; {compiler.last_words()}")


def _await_page(page: Child, settings: Settings, steps: Steps) -> None:
    address = f"http://{settings.web}/"
    with steps.step("opening the live page") as step:
        bound = time.monotonic() + _PAGE_PATIENCE_SECONDS
        while not _answers(f"{address}healthz"):
            page.check()
            if time.monotonic() > bound:
                message = f"expected the live page to answer at {address}; {page.last_words()}"
                raise RewakeError(message)
            time.sleep(0.1)
        step.result = f"LIVE PAGE: {address}"


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, trust_env=False, timeout=5).is_success
    except httpx.HTTPError:
        return False


def _settings(endpoints: Endpoints, shop: Shop, seed: Seed) -> tuple[Settings, Mapping[str, str]]:
    """Return the settings of the demo, and the same as variables for worker and shells."""
    web = free_port()
    metrics = free_port(frozenset({web}))
    values = {
        "kafka": endpoints.kafka,
        "redis": endpoints.redis,
        **({} if shop.rules is None else {"rules": str(shop.rules)}),
        "clock": "event",
        "until": format_instant(seed.until),
        "web": f"{HOST}:{web}",
        "metrics": f"{HOST}:{metrics}",
    }
    environ = {PREFIX + name.upper(): value for name, value in values.items()}
    return load_settings(None, **values), environ


def _write_environ(stage: Stage, environ: Mapping[str, str]) -> None:
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in environ.items()]
    (stage.folder / ENVIRON).write_text("".join(lines), encoding="utf-8")
