"""Run a real worker whose engine counts; started by the tests as a process of its own."""

from __future__ import annotations

import asyncio

from schemas.money import Currencies
from streams import logs
from streams.app import FAMILIES, Judging, build
from streams.cluster import inspect
from streams.settings import load_settings
from streams.worker import serve
from tests.streams.counting import CountingEngine


def main() -> None:
    settings = load_settings(env_file=None)
    logs.set_up(settings.log_level, settings.log_format)
    cluster = inspect(settings, list(FAMILIES))
    judging = Judging(CountingEngine, Currencies("GBP"), {"visit"}, "rules", "layout")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    serve(build(settings, judging, cluster), loop)


if __name__ == "__main__":
    main()
