"""Run a worker as a process.

Responsible for what happens before Faust starts (logs, rules, topics) and for the exit code. Must
not hold anything of the delivery itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import structlog
from faust import Worker

from segmenters.rules import load
from segmenters.warming import warm_up
from streams import health, logs
from streams.amounts import plain_amounts
from streams.app import FAMILIES, build, filler_of, judging_by
from streams.census import Census, SumsStore
from streams.cluster import inspect
from streams.digests import digests_of
from streams.explaining import BEFORE, Explaining
from streams.masking import secrets_in
from streams.metrics import Metrics
from streams.owners import Owners, reachable
from streams.partitioner import partitions_of
from streams.serving.tokens import Tokens
from streams.setting_values import is_loopback

if TYPE_CHECKING:
    from streams.delivery.faust_app import LaneApp
    from streams.settings import Settings

_log: Final = structlog.get_logger(__name__)


def run(settings: Settings) -> None:
    """Run a worker until it is told to stop; leaves the process.

    Exits with 0 after a stop that was asked for, with 1 after a fatal error.

    Raises
    ------
    RewakeError
        When it cannot start: rules, topics or cluster are not as they must be.
    """
    logs.set_up(settings.log_level, settings.log_format, secrets_in(settings))
    rules = load(settings.rules)
    cluster = inspect(settings, [settings.topic(name) for name in FAMILIES])
    _log.info(
        "worker starting", app=settings.app, partitions=cluster.partitions, rules=rules.version
    )
    # Compiled code is made or loaded before the group is joined, not while its members wait for us.
    warm_up(rules)
    partitions_of([b""], 1)
    digests_of([""])
    plain_amounts(["1"], 0)
    judging = judging_by(rules)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    metrics = Metrics()
    metrics.rules.info({"rules_version": rules.version})
    metrics.build.info({"version": version("rewake")})
    app = build(settings, judging, cluster, metrics)
    explaining = Explaining(
        rules,
        cluster.partitions,
        lambda: app.ownership.partitions,
        loop,
        Tokens(settings.web_tokens.get_secret_value()),
        reached=not is_loopback(settings.metrics.host),
    )
    pages = {BEFORE: explaining}
    dog = app.watchdog
    server = health.serve(settings.metrics, metrics.registry, dog.ailing, dog.unready, pages)
    store = SumsStore(settings.redis, filler_of(settings, cluster)) if settings.redis else None
    census = Census(
        lambda: app.ownership.partitions,
        lambda number: app.ledger.state_of(number).inventory.digest,
        metrics,
        store,
    )
    app.at_start.append(census.start)
    app.at_end.insert(0, census.stop)
    if settings.redis:
        address = reachable(settings.metrics.host, server.server_port)
        owners = Owners(
            settings.redis, settings.app, address, lambda: list(app.ownership.partitions)
        )
        app.at_start.append(owners.start)
        app.at_end.insert(0, owners.stop)
    serve(app, loop)


def serve(app: LaneApp, loop: asyncio.AbstractEventLoop) -> None:
    """Run an app under Faust's worker and leave the process with its exit code."""
    worker = Worker(app, loop=loop, redirect_stdouts=False, override_logging=False, quiet=True)
    worker.spinner = None
    try:
        worker.execute_from_commandline()
    except SystemExit as left:
        code = int(left.code or 0)
    except Exception:  # noqa: BLE001 - it has been logged where it happened
        code = 1
    code = 1 if app.failure is not None else code
    _log.info("worker stopped", code=code)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of a consumer that crashed may never end; there is nothing left to be saved.
    os._exit(code)
