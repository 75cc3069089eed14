"""Run a real worker whose engine counts; started by the tests as a process of its own."""

from __future__ import annotations

import logging
import sys

from faust import Worker

from schemas.money import Currencies
from streams.app import FAMILIES, Judging, build
from streams.cluster import inspect
from streams.settings import load_settings
from tests.streams.counting import CountingEngine


def main() -> None:
    settings = load_settings(env_file=None)
    connection = {"bootstrap_servers": settings.kafka}
    cluster = inspect(settings.app, list(FAMILIES), 1, connection)
    judging = Judging(CountingEngine, Currencies("GBP"), {"visit"}, "rules", "layout")
    cache = None
    app = build(settings, judging, cluster, cache)
    logging.getLogger("faust").setLevel(logging.INFO)
    Worker(app, loglevel="info", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    sys.exit(main())
