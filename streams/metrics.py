"""Define the worker's metrics under their public names.

Responsible for names, labels and units. Labels never hold a customer. Must not measure.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
)

from schemas.errors import Reason

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_EVENTS: Final = (1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000, 25_000)


class Metrics:
    """The metrics of one worker, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"rewake_{name}", what, labels, registry=registry)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(name, what, labels, registry=registry)

        self.consumed = counter("events_consumed_total", "Events applied.", "topic")
        self.rejected = counter("events_rejected_total", "Events rejected.", "reason")
        for reason in Reason:  # there from the start: a first one is an increase, too
            self.rejected.labels(reason.value)
        self.duplicate = counter("events_duplicate_total", "Events ignored: seen before.")
        self.redelivered = counter(
            "events_redelivered_total", "Records that came again and were dropped."
        )
        self.late = counter("events_late_total", "Events below their customer's settled instant.")
        self.changes = counter(
            "segment_changes_total", "Changes told.", "system", "previous", "current", "cause"
        )
        self.suppressed = counter(
            "changes_suppressed_total", "Flips that damping has begun to hold back.", "system"
        )
        self.dead_letters = counter("dead_letters_total", "Dead letters written.")
        self.breaks = counter(
            "continuity_breaks_total", "Ranges that did not chain and were fetched again."
        )
        self.recovered = counter("recovery_rows_total", "Rows restored from the changelog.")
        self.sink_errors = counter("sink_errors_total", "Failed writes to a sink.", "sink")
        self.duration = Histogram(
            "rewake_batch_duration_seconds", "Time a batch took.", ("stage",),
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.size = Histogram(
            "rewake_batch_size_events", "Events of a batch.", buckets=_EVENTS, registry=registry
        )
        self.watermark = gauge("rewake_watermark_seconds", "Clock of a partition.", "partition")
        self.event_lag = gauge("rewake_event_time_lag_seconds", "Wall clock less oldest clock.")
        self.latency = Histogram(
            "rewake_change_latency_seconds",
            "From the append of a transaction's first event to its changes published.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.lateness = Histogram(
            "rewake_deadline_lateness_seconds",
            "From the oldest deadline of a transaction to its change published.",
            buckets=(*_SECONDS, 30.0, 60.0, 300.0, 3600.0), registry=registry,
        )  # fmt: skip
        self.overdue = gauge("rewake_deadlines_overdue", "Partitions with deadlines left to fire.")
        self.standing = gauge("rewake_customers", "Customers by segment.", "system", "segment")
        self.customers = gauge("rewake_ledger_customers", "Customers held.")
        self.ledger_bytes = gauge("rewake_ledger_bytes", "Bytes in use by what is held of them.")
        self.cache_behind = gauge("rewake_cache_behind_changes", "Profiles not yet in the cache.")
        self.tasks = gauge("rewake_tasks", "Tasks of the event loop.")
        self.rules = Info("rewake_rules", "Rules in force.", registry=registry)
        self.build = Info("rewake_build", "Version of the worker.", registry=registry)
        where = ("group", "topic", "partition")
        self.lag = gauge("kafka_consumergroup_group_lag", "Offsets not applied.", *where)
        self.lag_seconds = gauge(
            "kafka_consumergroup_group_lag_seconds", "Age of what is not applied.", *where
        )
        self.max_lag_seconds = gauge(
            "kafka_consumergroup_group_max_lag_seconds", "Largest of the ages.", "group"
        )
        self.sum_lag = gauge("kafka_consumergroup_group_sum_lag", "Offsets not applied.", "group")
        self.latest = gauge(
            "kafka_partition_latest_offset", "Last stable offset.", "topic", "partition"
        )
