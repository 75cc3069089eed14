"""What a worker shows of its partitions, and what it shows no more when they are gone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streams.clock import Reading
from streams.effects import Durable
from streams.metrics import Metrics
from streams.position import FORMAT, PositionRecord
from streams.reports import Reports
from streams.sinks.no_cache import NoCache

CLOCK = 1_700_000_000_000


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def reports(metrics: Metrics) -> Reports:
    return Reports(lambda _: None, NoCache(), metrics, "rules")


def tick(reports: Reports, partition: int, more: bool = False) -> None:
    judged: Any = SimpleNamespace(more=more, suppressed={})
    reports.ticked(partition, Reading(CLOCK), judged)


def commit(reports: Reports, partition: int, customers: int) -> None:
    record = PositionRecord(FORMAT, {}, CLOCK, "", "")
    reports.durable(partition, Durable(record, 0, (), CLOCK, (), None, 0.2), customers)


def test_a_partition_that_went_elsewhere_takes_its_clock_and_customers_along(
    reports: Reports, metrics: Metrics
) -> None:
    value = metrics.registry.get_sample_value
    for partition in (0, 1):
        tick(reports, partition, more=partition == 1)
        commit(reports, partition, customers=10)
    assert value("rewake_watermark_seconds", {"partition": "1"}) == CLOCK / 1000
    assert (value("rewake_ledger_customers"), value("rewake_deadlines_overdue")) == (20, 1)
    reports.released(kept=[1], dropped=[])
    assert value("rewake_watermark_seconds", {"partition": "1"}) is None
    assert value("rewake_watermark_seconds", {"partition": "0"}) == CLOCK / 1000
    assert (value("rewake_ledger_customers"), value("rewake_deadlines_overdue")) == (10, 0)
    reports.released(kept=[], dropped=[0])
    assert value("rewake_event_time_lag_seconds") == 0


def test_a_commit_is_timed(reports: Reports, metrics: Metrics) -> None:
    commit(reports, 0, customers=1)
    found = metrics.registry.get_sample_value(
        "rewake_batch_duration_seconds_sum", {"stage": "commit"}
    )
    assert found == pytest.approx(0.2)


def test_a_reason_that_has_not_come_yet_is_shown_as_none(metrics: Metrics) -> None:
    value = metrics.registry.get_sample_value
    assert value("rewake_events_rejected_total", {"reason": "misrouted"}) == 0
