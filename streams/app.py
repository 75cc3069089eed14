"""Build the worker: Faust's app with engine, ledgers, lanes and cache wired together.

Responsible for wiring only: every part is made here and nothing is decided here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from faust import SASLCredentials, SSLCredentials

from schemas import topics
from schemas.profiles import Filler
from segmenters.engine import Engine
from segmenters.layout import compose
from streams.agents import add_agent
from streams.clock import EventClock, LiveClock
from streams.decode import Decoder
from streams.delivery.faust_app import LaneApp
from streams.ownership import Ownership, Plan
from streams.partition import Digests, Pace
from streams.reports import Reports
from streams.sinks.no_cache import NoCache
from streams.sinks.redis_cache import ProfileCache
from streams.succession import Succession
from streams.table import LedgerTable
from streams.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from schemas.money import Currencies
    from schemas.profits import Profits
    from segmenters.rules import Rules
    from streams.clock import Clock
    from streams.cluster import Cluster
    from streams.metrics import Metrics
    from streams.ports import PartitionEngine
    from streams.settings import Settings

FAMILIES: Final = dict(zip(topics.INPUTS, ("purchase", "engagement"), strict=True))
"""Input topics in rank order, and what they hold."""

TABLE: Final = "ledger"


class Judging(NamedTuple):
    """What the rules contribute to the delivery path.

    Attributes
    ----------
    new_engine
        Makes the empty engine of a partition.
    currencies, qualifying, profits
        For decoding.
    rules, layout
        Digests of the rules and of the row layout.
    new_succession
        Makes what sees to rows of other rules; None where there are no rules.
    """

    new_engine: Callable[[], PartitionEngine]
    currencies: Currencies
    qualifying: Collection[str]
    rules: str
    layout: str
    new_succession: Callable[[Engine], Succession] | None = None
    profits: Profits | None = None


def judging_by(rules: Rules) -> Judging:
    """Return what rules contribute; the engine's kernel is compiled by the first one made."""
    return Judging(
        partial(Engine, rules, patient=True),
        rules.currencies,
        rules.qualifying,
        rules.version,
        f"{compose(rules.systems).digest:08x}",
        Succession,
        rules.profits,
    )


def build(settings: Settings, judging: Judging, cluster: Cluster, metrics: Metrics) -> LaneApp:
    """Build the worker.

    Parameters
    ----------
    settings
        What the operator decided.
    judging
        What the rules say.
    cluster
        What the topics look like; see `streams.cluster.inspect`.
    metrics
        Where it is counted.
    """
    app = _faust_app(settings, cluster.partitions)
    decoders = {
        settings.topic(topic): Decoder(
            family,
            cluster.partitions,
            judging.currencies,
            judging.qualifying,
            judging.profits,
        )
        for topic, family in FAMILIES.items()
    }
    plan = Plan(
        app=settings.app,
        partitions=cluster.partitions,
        decoders=decoders,
        changelog=topics.changelog(settings.app),
        changes=settings.topic(topics.CHANGES),
        dead_letters=settings.topic(topics.DEAD_LETTERS),
        dead_partitions=cluster.dead_partitions,
        source=f"/{settings.app}",
        clock=_clock(settings),
        pace=Pace(settings.batch_events, settings.tick_interval / 1000, settings.tick_limit),
        digests=Digests(judging.rules, judging.layout, cluster.topic_ids),
        connection={"bootstrap_servers": settings.kafka, **settings.kafka_security()},
        transaction_ms=settings.transaction_timeout,
        grace=settings.grace,
    )
    cache = _cache(settings, cluster, metrics) if settings.redis else NoCache()
    reports = Reports(app.fail, cache, metrics, judging.rules)
    app.ownership = Ownership(app, plan, reports, cache, app.wall)
    app.watchdog = Watchdog(app, app.ownership, metrics, settings.stall_timeout / 1000)
    app.at_start += [cache.start, app.watchdog.start]
    app.at_end += [app.watchdog.stop, cache.stop]
    app.ledger = LedgerTable(
        app,
        new_engine=judging.new_engine,
        new_succession=judging.new_succession,
        name=TABLE,
        partitions=cluster.partitions,
        key_type=bytes,
        value_type=bytes,
    )
    app.tables.add(app.ledger)
    for topic in decoders:
        add_agent(app, topic)
    return app


def filler_of(settings: Settings, cluster: Cluster) -> Filler:
    """Say who fills the cache."""
    changelog = cluster.topic_ids[topics.changelog(settings.app)]
    return Filler(settings.app, changelog, cluster.partitions)


def _cache(settings: Settings, cluster: Cluster, metrics: Metrics) -> ProfileCache:
    on_error = metrics.sink_errors.labels("redis").inc
    return ProfileCache(settings.redis, filler_of(settings, cluster), on_error)


def _clock(settings: Settings) -> Clock:
    if settings.clock == "event" and settings.until is not None:
        return EventClock(settings.until)
    return LiveClock(settings.grace, settings.max_future)


def _faust_app(settings: Settings, partitions: int) -> LaneApp:
    session_s = settings.session_timeout / 1000
    return LaneApp(
        settings.app,
        shutdown_s=settings.shutdown_timeout / 1000,
        broker=[f"kafka://{server}" for server in settings.kafka.split(",")],
        broker_credentials=_credentials(settings),
        store="memory://",
        topic_partitions=partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        broker_session_timeout=session_s,
        broker_heartbeat_interval=session_s / 6,
        broker_rebalance_timeout=max(10.0, session_s),
        broker_max_poll_interval=300.0,
        broker_request_timeout=max(30.0, session_s),
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        # A changed partition count shows in the metadata only.
        consumer_metadata_max_age_ms=30_000,
        consumer_group_instance_id=settings.instance or None,
        stream_buffer_maxsize=16,
        stream_recovery_delay=0.0,
        stream_wait_empty=False,
        table_standby_replicas=0,
        worker_redirect_stdouts=False,
    )


def _credentials(settings: Settings) -> SASLCredentials | SSLCredentials | None:
    """Say in Faust's words how to log in."""
    security = settings.kafka_security()
    context = security.get("ssl_context")
    if "sasl_mechanism" in security:
        return SASLCredentials(
            username=security["sasl_plain_username"],
            password=security["sasl_plain_password"],
            mechanism=security["sasl_mechanism"],
            ssl_context=context,
        )
    return None if context is None else SSLCredentials(context=context)
