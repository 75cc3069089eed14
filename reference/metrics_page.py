"""Write `docs/reference/metrics.md`: every metric, from the registries that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from reference.pages import marked, table
from streams.audit.watch import AuditMetrics
from streams.metrics import Metrics
from streams.serving.metrics import ServeMetrics
from streams.webhook.metrics import Metrics as WebhookMetrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import CollectorRegistry

_HEAD: Final = """\
# The metrics

Generated from the code by `scripts/reference`. Prometheus text, at `/metrics` of the address in the
heading. Units stand in the names. No metric has a customer in it. Lag has the names that
dashboards for kafka-lag-exporter know. A histogram has `_bucket`, `_sum` and `_count` behind its
name. Beside these stand the `process_…` of every Prometheus client.
"""

WHERE: Final[Mapping[str, tuple[str, type[Any]]]] = {
    "`rewake worker`": ("REWAKE_METRICS", Metrics),
    "`rewake serve`": ("REWAKE_WEB", ServeMetrics),
    "`rewake audit --watch`": ("REWAKE_METRICS", AuditMetrics),
    "`rewake webhook`": ("REWAKE_METRICS", WebhookMetrics),
}
_UNITS: Final = {"seconds": "seconds", "bytes": "bytes", "events": "events", "ratio": "share"}


def write() -> str:
    """Return the text of the page."""
    parts = [_HEAD]
    for who, (setting, kind) in WHERE.items():
        parts += ["", f"## {who}, at {setting}", ""]
        rows = (_row(each) for each in collectors(kind().registry))
        parts += table(("metric", "kind", "labels", "unit", "meaning"), rows)
    return "\n".join(parts) + "\n"


def collectors(registry: CollectorRegistry) -> list[Any]:
    """Return the metrics of a registry that are ours, in the order in which they were made."""
    return [each for each in registry._collector_to_names if hasattr(each, "_labelnames")]


def name_of(collector: Any) -> str:
    """Return a metric's name as it is scraped."""
    ending = {"counter": "_total", "info": "_info"}.get(collector._type, "")
    return str(collector._name) + ending


def _row(collector: Any) -> tuple[str, ...]:
    name = name_of(collector)
    last = name.removesuffix("_total").rpartition("_")[2]
    labels = ", ".join(f"`{label}`" for label in collector._labelnames)
    said = marked(collector._documentation)
    return f"`{name}`", collector._type, labels or "–", _UNITS.get(last, "count"), said
