"""Hold the audit to engines in memory: no false alarm however facts come, no drift overlooked."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from segmenters.instants import FAR
from segmenters.oracle.book import CANCEL, ENGAGEMENT, REFUND, Fact
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

pytestmark = [
    pytest.mark.interpreted,
    pytest.mark.timeout(900),  # a failure takes long to shrink
]

GRACE = 2_000
SOME = histories().filter(bool)
"""Histories of somebody."""
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

    def audit(
        self,
        rules: str | None = None,
        *,
        starts: Sequence[int] = (0, 0),
        told_from: int = 0,
        moved_at: int = -1,
    ) -> Report:
        """Audit all customers.

        Parameters
        ----------
        rules
            Other rules that are in force by now.
        starts
            Where the logs of the inputs begin.
        told_from
            How many changes have been deleted.
        moved_at
            When the state was moved to new topics, whose logs begin with what came then.
        """
        engine = self.run.engine
        customers = {key: Evidence(0, row, 0) for key, row in engine.dump_rows(self.rows)}
        for arrival in sorted(self.arrivals, key=lambda each: (each.rank, each.offset)):
            if arrival.offset >= starts[arrival.rank] and arrival.appended > moved_at:
                customers[arrival.fact.customer.encode()].arrivals.append(arrival)
        for change in self.run.told[told_from:]:
            if change.seen_at > moved_at:
                customers[change.customer_id.encode()].told.append(change)
        name = rules or self.name
        version = rules_of(name).version
        moved_from = "shop" if moved_at >= 0 else ""
        record = PositionRecord(
            FORMAT, {"t": InputPosition(9)}, engine.clock, version, "", moved_from=moved_from
        )
        since = 0
        for rank, start in enumerate(starts):
            left = [a.appended for a in self.arrivals if a.rank == rank and a.offset >= start]
            since = max(since, min(left, default=FAR) if start else 0)
        partition = Partition(record, since, not told_from)
        gathered = Gathered(customers, {0: partition}, True, 0)
        definition = define(tomllib.loads(RULES[name]))
        comparing = Comparing(LIVE, rules_of(name), definition, gathered, Cache({}, {}, "none"))
        for key in sorted(customers):
            comparing.compare(key)
        return comparing.report

    @property
    def rows(self) -> Any:
        """Number the rows of those who have done something that counts."""
        seen = {arrival.fact.customer.encode() for arrival in self.arrivals}
        return self.run.engine.find_rows(sorted(seen))


@given(NAMES, st.data())
@PROPERTY
def test_late_facts_are_no_drift(name: str, data: st.DataObject) -> None:
    site = Site(name, data.draw(st.sampled_from([(0, 0), (30_000, 0), (0, 30_000)])))
    for arrival in data.draw(late_arrivals(data.draw(SOME))):
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
    site, facts = Site(name), data.draw(SOME)
    for fact in facts[: data.draw(st.integers(1, len(facts)))]:
        site.arrive(fact)
    if data.draw(st.booleans()):
        site.arrive(data.draw(ends(facts)))
    report = site.audit()
    assert report.drifts == []
    assert report.equal == report.customers > 0


@given(NAMES, st.data())
@PROPERTY
def test_what_retention_has_deleted_is_no_drift(name: str, data: st.DataObject) -> None:
    site, facts = Site(name), data.draw(SOME)
    for fact in facts:
        site.arrive(fact)
    site.arrive(data.draw(ends(facts)))
    begins = st.integers(0, len(facts))
    deleted = data.draw(st.integers(0, len(site.run.told)))
    report = site.audit(starts=data.draw(st.tuples(begins, begins)), told_from=deleted)
    assert report.drifts == []
    assert set(report.skipped) <= {Skip.LOG_START, Skip.RULES, Skip.ARRIVAL}


@given(NAMES, st.data())
@PROPERTY
def test_a_state_that_was_moved_to_new_topics_is_no_drift(name: str, data: st.DataObject) -> None:
    site, facts = Site(name), data.draw(SOME)
    for fact in facts:
        site.arrive(fact)
    # A refund before anything else is remembered silently: nothing tells that it stayed behind. And
    # an event that comes once more afterwards makes the log look whole.
    assume(len({fact.event_id for fact in facts}) == len(facts))
    first = {fact.customer: fact.kind for fact in reversed(facts)}
    assume(not {REFUND, CANCEL} & set(first.values()))
    moved_at = data.draw(st.sampled_from(site.arrivals)).appended
    site.arrive(data.draw(ends(facts)))
    report = site.audit(moved_at=moved_at)
    assert report.drifts == []
    assert set(report.skipped) <= {Skip.LOG_START}


@given(st.data())
@PROPERTY
def test_customers_who_are_still_under_other_rules_are_skipped(data: st.DataObject) -> None:
    site, facts = Site("default"), data.draw(SOME)
    for fact in facts:
        site.arrive(fact)
    report = site.audit("orders")
    assert report.drifts == []
    assert report.skipped == {Skip.RULES: report.customers}


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
    site, facts = Site(name), data.draw(histories(customers=1).filter(bool))
    for fact in facts:
        site.arrive(fact)
    site.arrive(data.draw(ends(facts)))
    row = site.run.engine.ledger.rows[0]
    assume(row.judged)
    alter(row, what)
    assert [drift.customer_id for drift in site.audit().drifts] == [facts[0].customer]
