"""Define the webhook's metrics under their public names.

Responsible for names, labels and units. Labels never hold a customer. Must not measure.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, ProcessCollector

from streams.webhook.breaker import State

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The metrics of one webhook process, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"rewake_webhook_{name}", what, labels, registry=registry)

        self.delivered = counter("delivered_total", "Changes the endpoint took.")
        self.retried = counter("retried_total", "Requests whose failure may pass.", "reason")
        self.dead = counter("dead_letters_total", "Changes written to the dead letters.", "reason")
        self.skipped = counter("skipped_total", "Changes that are not to be sent.")
        self.duration = Histogram(
            "rewake_webhook_request_duration_seconds", "Time a request took, whatever came of it.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.delay = Histogram(
            "rewake_webhook_delay_seconds", "From a change's append to the endpoint taking it.",
            buckets=(*_SECONDS, 60.0, 300.0, 3600.0), registry=registry,
        )  # fmt: skip
        self.under_way = Gauge(
            "rewake_webhook_held_changes", "Changes fetched and not done.", registry=registry
        )
        self.breaker = Enum(
            "rewake_webhook_breaker", "State of the endpoint's circuit breaker.",
            states=[state.value for state in State], registry=registry,
        )  # fmt: skip
        self.lag = Gauge(
            "kafka_consumergroup_group_lag", "Offsets not done.",
            ("group", "topic", "partition"), registry=registry,
        )  # fmt: skip

    def totals(self) -> dict[str, int]:
        """Return what became of all changes, for the last line of the log."""
        return {
            name: int(sum(each.value for family in counted.collect() for each in family.samples
                          if each.name.endswith("_total")))
            for name, counted in (
                ("delivered", self.delivered), ("dead", self.dead), ("skipped", self.skipped),
            )
        }  # fmt: skip
