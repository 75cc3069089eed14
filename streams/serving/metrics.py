"""Define the metrics of the lookups service under their public names.

Responsible for names, labels and units. Labels never hold a customer. Must not measure.
"""

from __future__ import annotations

import functools
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class ServeMetrics:
    """The metrics of one service, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(name, what, labels, registry=registry)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(name, what, labels, registry=registry)

        self.requests = counter(
            "rewake_http_requests_total", "Requests answered.", "route", "method", "status"
        )
        self.duration = Histogram(
            "rewake_http_request_duration_seconds",
            "From a request to the end of its answer; of a stream, to its beginning.",
            ("route",), buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.lookups = counter(
            "rewake_serve_lookups_total",
            "Customers looked up.", "found", "stale",
        )  # fmt: skip
        self.cache_errors = counter(
            "rewake_serve_cache_errors_total", "Questions Redis did not answer.", "kind"
        )
        self.streams = gauge("rewake_serve_streams", "Open streams of changes.")
        self.dropped = counter(
            "rewake_serve_streams_dropped_total", "Streams ended because they were read too slowly."
        )
        self.feed_up = gauge(
            "rewake_serve_feed_up", "1 while the changes topic is followed, 0 while it cannot be."
        )
        self.feed_changes = counter("rewake_serve_feed_changes_total", "Changes followed.")
        self.feed_offset = gauge(
            "rewake_serve_feed_offset", "Offset followed up to, of the changes topic.", "partition"
        )
        self.feed_lag = gauge(
            "rewake_serve_feed_lag", "Offsets not followed yet, of the changes topic.", "partition"
        )
        self.build = Info("rewake_build", "Version of the service.", registry=registry)
        self.build.info({"version": version("rewake")})
        # To find the child of its labels costs more than to count.
        self._request = functools.cache(self.requests.labels)
        self._duration = functools.cache(self.duration.labels)
        self._lookup = functools.cache(self.lookups.labels)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request by its route's template, a known method and the status."""
        self._request(route, method, str(status)).inc()
        self._duration(route).observe(seconds)

    def looked_up(self, found: bool, stale: bool) -> None:
        """Count a customer that was looked up."""
        self._lookup("yes" if found else "no", "yes" if stale else "no").inc()
