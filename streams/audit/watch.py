"""Audit again and again, and offer what was found as metrics.

Responsible for the rounds and for the gauges. A round that fails is told and shown as ailing, and
the next one comes all the same.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from schemas.errors import RewakeError, UsageError
from streams import health
from streams.audit.audit import audit
from streams.audit.verdict import Skip

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.audit.audit import Request
    from streams.audit.report import Report
    from streams.settings import Settings


class AuditMetrics:
    """The metrics of the latest audit, and of drift since the first, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"rewake_audit_{name}", what, labels, registry=registry)

        self.customers = gauge("customers", "Customers of the latest audit.")
        self.drift = Counter(
            "rewake_audit_drift_total", "Customers found to drift; expected 0.", registry=registry
        )
        self.skipped = gauge("skipped", "Customers that could not be recounted.", "reason")
        self.cached = gauge("cached", "Customers whose cached profile was right.")
        self.finished = gauge("finished_seconds", "When the latest audit ended, Unix time.")

    def show(self, report: Report) -> None:
        """Show what an audit found."""
        self.customers.set(report.customers)
        self.drift.inc(len(report.drifts))
        self.cached.set(report.cached)
        for reason in Skip:
            count = report.skipped[reason] + report.cache_skipped[reason]
            self.skipped.labels(reason.value).set(count)
        self.finished.set(time.time())


async def watch(
    settings: Settings, request: Request, pause_s: float, say: Callable[[str], None]
) -> None:
    """Audit for ever, other customers each time.

    Parameters
    ----------
    settings, request
        See `streams.audit.audit`.
    pause_s
        Seconds between the end of an audit and the next.
    say
        Told the result of each.

    Raises
    ------
    UsageError
        When rules or topics are not those of the state.
    """
    metrics = AuditMetrics()
    ailing: str | None = None
    server = health.serve(settings.metrics, metrics.registry, lambda: ailing)
    say(f"auditing every {pause_s:.0f} s, metrics at {settings.metrics}")
    try:
        while True:
            try:
                report = await audit(settings, request, _no_bar)
            except UsageError:
                raise
            except RewakeError as error:
                ailing = str(error)
                say(f"audit failed: {error}")
            else:
                ailing = None
                metrics.show(report)
                say(_line(report, request))
            request = request._replace(seed=request.seed + 1)
            await asyncio.sleep(pause_s)
    finally:
        server.shutdown()
        server.server_close()


def _line(report: Report, request: Request) -> str:
    """Say what was found without naming anybody: this ends up in logs."""
    drift = len(report.drifts)
    who = f"; `rewake audit --sample {request.size} --seed {request.seed}` names them"
    return (
        f"{report.customers:,} customers, {report.equal:,} equal, "
        f"{report.skipped.total():,} skipped, {drift:,} drift{who if drift else ''}"
    )


def _no_bar(_what: str, _unit: str) -> Any:
    return lambda _done, _whole: None
