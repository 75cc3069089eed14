"""Hold the audit to engines in memory: no false alarm however facts come, no drift overlooked."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from segmenters.oracle.book import ENGAGEMENT, Fact
from streams.audit.cached import Cache
from streams.audit.comparing import Comparing
from streams.audit.gather import Evidence, Gathered, Partition
from streams.audit.recount import Arrival, define
from streams.audit.verdict import Skip
from streams.position import FORMAT, InputPosition, PositionRecord
from streams.settings import load_settings
from tests.properties.feeding import PROPERTY, Run, batch_of
from tests.properties.histories import RULES, ends, histories, late_arrivals
from tests.properties.test_engine_equals_oracle import NAMES, rules_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.audit.report import Report

pytestmark = pytest.mark.timeout(900)  # a failure takes long to shrink

GRACE = 2_000
LIVE = load_settings(None, redis="", grace=GRACE)


class Site:
    """A worker's partition in memory, and the log it has read.

    Every arrival is applied at once, with the partition's clock as the last tick left it; when it
    was appended is made to fit a live clock: a grace behind the append times.
    """

    def __init__(self, name: str, lags: Sequence[int] = (0, 0)) -> None:
        self.name = name
        self.run = Run(rules_of(name))
        self.arrivals: list[Arrival] = []
        self.now = 0
        self.lags = lags

    def arrive(self, arrival: Fact | int) -> None:
        """Let a fact or a tick arrive."""
        if isinstance(arrival, int):
            self.now = max(self.now + 1, arrival + GRACE)
            self.run.take(self.run.engine.tick(arrival), self.now)
            return
        self.now = max(self.now + 1, arrival.ts)
        outcome = self.run.engine.apply(batch_of([arrival]))
        self.run.take(outcome, self.now)
        if not outcome.rejected:  # what is rejected has a dead letter
            rank = int(arrival.kind == ENGAGEMENT)
            appended = self.now - self.lags[rank]
            self.arrivals.append(Arrival(arrival, rank, len(self.arrivals), appended))

    def audit(self, *, whole: bool = True) -> Report:
        """Audit all customers."""
        engine = self.run.engine
        customers = {key: Evidence(0, row, 0) for key, row in engine.dump_rows(self.rows)}
        for arrival in sorted(self.arrivals, key=lambda each: (each.rank, each.offset)):
            customers[arrival.fact.customer.encode()].arrivals.append(arrival)
        for change in self.run.told:
            customers[change.customer_id.encode()].told.append(change)
        rules = self.run.rules
        record = PositionRecord(FORMAT, {"t": InputPosition(9)}, engine.clock, rules.version, "")
        gathered = Gathered(customers, {0: Partition(record, whole, True)}, True, 0)
        definition = define(tomllib.loads(RULES[self.name]))
        comparing = Comparing(LIVE, rules, definition, gathered, Cache({}, {}, "none"))
        for key in sorted(customers):
            comparing.compare(key)
        return comparing.report

    @property
    def rows(self) -> Any:
        """Number the rows of those who have done something that counts."""
        seen = {arrival.fact.customer.encode() for arrival in self.arrivals}
        return np.array([self.run.engine.row_of(key) for key in sorted(seen)], np.int64)


@given(NAMES, st.data())
@PROPERTY
def test_late_facts_are_no_drift(name: str, data: st.DataObject) -> None:
    site = Site(name, data.draw(st.sampled_from([(0, 0), (30_000, 0), (0, 30_000)])))
    for arrival in data.draw(late_arrivals(data.draw(histories()))):
        site.arrive(arrival)
    assume(site.arrivals)
    report = site.audit()
    assert report.drifts == []
    assert set(report.skipped) <= {Skip.ARRIVAL}


@given(NAMES, st.data())
@PROPERTY
def test_facts_in_time_come_out_equal_whenever_the_audit_looks(
    name: str, data: st.DataObject
) -> None:
    site, facts = Site(name), data.draw(histories())
    for fact in facts[: data.draw(st.integers(1, len(facts)))]:
        site.arrive(fact)
    if data.draw(st.booleans()):
        site.arrive(data.draw(ends(facts)))
    report = site.audit()
    assert report.drifts == []
    assert report.equal == report.customers > 0


def alter(row: Any, what: str) -> None:
    """Change one thing of a row."""
    match what:
        case "orders" | "sequence":
            row["n" if what == "orders" else "sequence"] += 1
        case "lifecycle" | "rfm" | "monetary_tier":
            row[what] = 1 if row[what] == 0 else 0
        case "since":
            row.lifecycle_since -= 1
        case "engagement":
            row.e = max(row.e, 0) + 1


ALTERED = ("orders", "sequence", "lifecycle", "rfm", "monetary_tier", "since", "engagement")


@given(NAMES, st.sampled_from(ALTERED), st.data())
@PROPERTY
def test_an_altered_row_is_a_drift(name: str, what: str, data: st.DataObject) -> None:
    site, facts = Site(name), data.draw(histories(customers=1))
    for fact in facts:
        site.arrive(fact)
    site.arrive(data.draw(ends(facts)))
    row = site.run.engine.ledger.rows[0]
    assume(row.judged)
    alter(row, what)
    assert [drift.customer_id for drift in site.audit().drifts] == [facts[0].customer]
