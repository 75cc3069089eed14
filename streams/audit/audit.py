"""Audit a sample of customers: gather, recount, compare.

Responsible for the whole of one audit. Must not write anywhere, and must not talk to a person:
`streams.cli.audit` does.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from schemas.errors import UsageError
from segmenters.rules import load
from streams.audit.cached import Cache, read_cache
from streams.audit.comparing import Comparing
from streams.audit.gather import Gathering, Names
from streams.audit.logs import describe, open_logs
from streams.audit.recount import read_definition
from streams.audit.sampling import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from segmenters.rules import Rules
    from streams.audit.logs import Topology
    from streams.audit.report import Report
    from streams.position import PositionRecord
    from streams.settings import Settings

    Bar = Callable[[str, str], Callable[[int, int], None]]


class Request(NamedTuple):
    """Whom to audit.

    Attributes
    ----------
    size, seed
        How many customers, and which choice of them.
    named
        If not empty, these customers and no others.
    """

    size: int = 1_000
    seed: int = 0
    named: Collection[str] = ()


async def audit(settings: Settings, request: Request, bar: Bar) -> Report:
    """Recount customers and compare them with state, changes and cache.

    Parameters
    ----------
    settings
        Those of the worker: Kafka, Redis, app, rules and clock.
    request
        Whom.
    bar
        Adds a progress bar; see `streams.cli.progress`.

    Raises
    ------
    UsageError
        When the rules or topics are not those of the state, or the oracle does not know the rules.
    RewakeError
        When Kafka does not answer, or the state cannot be read.
    """
    started = time.monotonic()
    rules, definition = load(settings.rules), read_definition(settings.rules)
    names = Names.of(settings)
    needed = [names.changelog, *names.inputs, names.changes, names.dead_letters]
    topology = await asyncio.to_thread(describe, settings, needed)
    sample = Sample(request.size, request.seed, [name.encode() for name in request.named])
    async with open_logs(settings) as logs:
        gathering = Gathering(logs, names, topology.counts, sample, definition, bar)
        gathered = await gathering.gather(lambda n, record: _check(n, record, rules, topology))
    for key in sorted(sample.chosen - gathered.customers.keys()):
        gathered.customers[key] = gathering.evidence(key)
    segments = {system.key: system.segments for system in rules.systems}
    customers = sorted(gathered.customers)
    cache = Cache({}, {}, "REWAKE_REDIS is empty: there is no cache to compare")
    if settings.redis:
        cache = await asyncio.to_thread(
            read_cache, settings.redis, settings.app, segments, customers
        )
    comparing = Comparing(settings, rules, definition, gathered, cache)
    progress = bar("recounting", "customers")
    for done, key in enumerate(customers, 1):
        comparing.compare(key)
        progress(done, len(customers))
    report = comparing.report
    report.seconds = time.monotonic() - started
    return report


def _check(number: int, record: PositionRecord, rules: Rules, topology: Topology) -> None:
    """Refuse a state that these rules or topics are not those of."""
    if record.rules != rules.version:
        raise UsageError(
            f"expected the state of partition {number} to be judged by rules {rules.version}, it "
            f"is by {record.rules}; give the worker's rules (REWAKE_RULES), or wait until it has "
            "taken these up"
        )
    if record.moved_to:
        raise UsageError(
            f"expected the state of an app at work, that of partition {number} was moved to "
            f"{record.moved_to}; audit that one (REWAKE_APP, REWAKE_TOPIC_PREFIX)"
        )
    for name, at in record.inputs.items():
        now = topology.ids.get(name, "")
        if at.topic_id and now and at.topic_id != now:
            raise UsageError(
                f"expected {name} with the id {at.topic_id}, which the state was counted from, "
                f"found another topic of that name ({now}); there is nothing to recount from"
            )
