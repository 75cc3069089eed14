"""Compare all that was gathered, customer by customer.

Responsible for what is compared with what, and for whether a difference is excused. Must not read
anything, and must not know Kafka or Redis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.errors import DeliveryError, LayoutChanged
from streams.audit.accounts import Clock, of_rows, told
from streams.audit.cached import Profile
from streams.audit.recount import Recount, Witness
from streams.audit.report import Drift, Report
from streams.audit.verdict import (
    STATE,
    Difference,
    Skip,
    cached_wrongly,
    certain,
    differences,
    judged_by_other_rules,
    may_lack_facts,
    stands_wrong,
    told_wrongly,
    whatever_the_rules,
)

if TYPE_CHECKING:
    from schemas.vocabulary import Instant
    from segmenters.rules import Rules
    from streams.audit.accounts import Account, Holding, Told
    from streams.audit.cached import Cache
    from streams.audit.gather import Evidence, Gathered, Partition
    from streams.audit.recount import Definition
    from streams.settings import Settings

MOST_FACTS: Final = 2_000
"""Customers with more are not recounted: the oracle re-reads all of them at each judgement."""


class Comparing:
    """Compares customer by customer and fills the report.

    Parameters
    ----------
    settings, rules, definition
        See `audit`.
    gathered, cache
        What was read.
    """

    def __init__(
        self,
        settings: Settings,
        rules: Rules,
        definition: Definition,
        gathered: Gathered,
        cache: Cache,
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._definition = definition
        self._gathered = gathered
        self._cache = cache
        self._windows = tuple(sorted({w for system in rules.systems for w in system.windows}))
        clocks = {number: each.record.clock for number, each in gathered.partitions.items()}
        self.report = Report(
            rules.version, clocks, cache_problem=cache.problem, records=gathered.records
        )
        self._recounts: dict[bytes, Recount] = {}
        self._holdings: dict[bytes, Holding] = {}
        self._broken: dict[bytes, DeliveryError] = {}
        self._ended = {} if settings.until is None else _ends(gathered, settings.until)
        for number, partition in gathered.partitions.items():
            self._prepare(number, partition)

    def _prepare(self, number: int, partition: Partition) -> None:
        """Prepare the recounts of one partition, and read its rows."""
        settings, instant = self._settings, partition.record.clock
        clock = Clock(instant, settings.clock == "event" and instant == settings.until)
        rows: dict[bytes, bytes] = {}
        for key, evidence in self._gathered.customers.items():
            if evidence.partition == number:
                self._recounts[key] = Recount(
                    self._definition, evidence.arrivals, clock, self._windows
                )
                if evidence.row is not None:
                    rows[key] = evidence.row
        days = {key: self._recounts[key].today for key in rows}
        holdings, broken = of_rows(self._rules, rows, clock, days)
        self._holdings |= holdings
        self._broken |= broken

    def compare(self, key: bytes) -> None:
        """Compare one customer."""
        report, evidence = self.report, self._gathered.customers[key]
        report.facts += len(evidence.arrivals)
        report.refused += evidence.refused
        report.unreadable += evidence.unreadable
        partition = self._gathered.partitions.get(evidence.partition)
        if partition is None or not (evidence.arrivals or evidence.row):
            report.skipped[Skip.UNKNOWN] += 1
            return
        holding = self._holdings.get(key)
        verdict: list[Difference] | Skip
        found: list[Difference] = []
        if key in self._broken:
            verdict = _unreadable(self._broken[key])
        else:
            verdict = self._recounted(self._recounts[key], evidence, partition, holding)
            complete = partition.changes_whole and verdict is not Skip.LOG_START
            complete = complete and not _begun_elsewhere(evidence, partition)
            if holding is not None:
                found += told_wrongly(holding.stored, evidence.told, complete)
            found += self._cached(key, evidence, holding)
        if not isinstance(verdict, Skip):
            found = verdict + found
        if found:
            report.drifts.append(Drift(key.decode("utf-8", "replace"), evidence.partition, found))
        elif isinstance(verdict, Skip):
            report.skipped[verdict] += 1
        else:
            report.equal += 1

    # ---- against the oracle

    def _recounted(
        self, recount: Recount, evidence: Evidence, partition: Partition, holding: Holding | None
    ) -> list[Difference] | Skip:
        """Compare the state, and the changes told, with what the oracle says."""
        if holding is None:
            return [Difference(STATE, "row", "one", "none: none of its events is in the state")]
        if not evidence.arrivals or len(evidence.arrivals) > MOST_FACTS:
            return Skip.TOO_MANY if evidence.arrivals else Skip.LOG_START
        found = holding.settled._replace(changes=_all_changes(evidence, holding))
        account, others = recount.in_time(), []
        if not differences(account, found):
            return []
        for other, late in recount.late(self._witness(evidence)):
            if not differences(other, found):
                self.report.equal_late += 1
                return []
            others.append((other, late))
        return self._unequal(evidence, partition, holding, account, others, found)

    def _unequal(
        self,
        evidence: Evidence,
        partition: Partition,
        holding: Holding,
        account: Account,
        others: list[tuple[Account, bool]],
        found: Account,
    ) -> list[Difference] | Skip:
        """Say what of a difference nothing explains."""
        excuse = self._excuse(evidence, partition, account, found)
        if excuse is not None:
            return excuse
        listed = certain(account, others, found)
        if not any(change.sequence == 1 for change in evidence.told):
            return whatever_the_rules(account, listed) or Skip.RULES
        if any(each.field not in account.figures for each in listed):
            # Its next tick may put a segment right again that stands wrong in the row.
            listed += [each for each in stands_wrong(account, holding.stored) if each not in listed]
        return listed or Skip.ARRIVAL

    def _witness(self, evidence: Evidence) -> Witness:
        """Collect what tells how far the clock was when a fact came."""
        corrections = {
            each.event_id: each.at
            for each in evidence.told
            if each.cause == "correction" and each.event_id is not None
        }
        told = [(each.seen_at, each.at) for each in evidence.told if each.cause == "clock"]
        live = self._settings.clock == "live"
        ended = self._ended.get(evidence.partition)
        return Witness(corrections, told, self._settings.grace if live else None, ended)

    def _excuse(
        self, evidence: Evidence, partition: Partition, account: Account, found: Account
    ) -> Skip | None:
        """Say what else than a mistake may explain a difference."""
        if judged_by_other_rules(evidence.told, self._rules.version):
            return Skip.RULES
        if _begun_elsewhere(evidence, partition):
            return Skip.LOG_START
        events = {
            arrival.fact.event_id or ""
            for arrival in evidence.arrivals
            if arrival.appended >= partition.since
        }
        if may_lack_facts(
            evidence.told, events, account, found, partition.whole, partition.changes_whole
        ):
            return Skip.LOG_START
        if not self._gathered.letters_whole and self._may_have_been_refused(evidence):
            return Skip.LETTERS
        return None

    def _may_have_been_refused(self, evidence: Evidence) -> bool:
        """Say whether a fact's instant may have made it a dead letter that has been deleted."""
        future, lateness = self._settings.max_future, self._rules.max_lateness_ms
        return any(
            not appended - lateness <= fact.ts <= appended + future
            for fact, _, _, appended in evidence.arrivals
        )

    # ---- against each other

    def _cached(self, key: bytes, evidence: Evidence, holding: Holding | None) -> list[Difference]:
        """Compare the cached profile, unless the cache has not come so far or has moved on."""
        report, cache = self.report, self._cache
        if cache.problem:
            report.cache_skipped[Skip.CACHE_AWAY] += 1
            return []
        if cache.applied.get(evidence.partition, -1) < evidence.offset:
            report.cache_skipped[Skip.CACHE_BEHIND] += 1
            return []
        fields, audiences = cache.profiles.get(key, Profile({}, {}))
        verdict = cached_wrongly(key.decode(), holding, fields, audiences)
        if isinstance(verdict, Skip):
            report.cache_skipped[verdict] += 1
            return []
        report.cached += not verdict
        return verdict


def _ends(gathered: Gathered, until: Instant) -> dict[int, tuple[Instant, Instant]]:
    """Say when partitions had come to the end of a history, by what was told only then."""
    ends: dict[int, tuple[Instant, Instant]] = {}
    for evidence in gathered.customers.values():
        partition = gathered.partitions.get(evidence.partition)
        if partition is None:
            continue
        newest = max(at.running_max or 0 for at in partition.record.inputs.values())
        for change in evidence.told:
            if change.cause == "clock" and change.at > newest:
                before, _ = ends.get(evidence.partition, (change.seen_at, until))
                ends[evidence.partition] = (min(before, change.seen_at), until)
    return ends


def _begun_elsewhere(evidence: Evidence, partition: Partition) -> bool:
    """Tell whether what made a customer's first changes may stand in topics of before a move."""
    told_here = any(change.sequence == 1 for change in evidence.told)
    return bool(partition.record.moved_from) and not told_here


def _all_changes(evidence: Evidence, holding: Holding) -> dict[int, Told]:
    """Put what was told up to the row before what its next tick would tell."""
    last = holding.stored.sequence
    so_far = {each.sequence: told(each) for each in evidence.told if each.sequence <= last}
    return {**so_far, **holding.settled.changes}


def _unreadable(error: DeliveryError) -> list[Difference] | Skip:
    if isinstance(error, LayoutChanged):  # not brought over yet
        return Skip.RULES
    return [Difference(STATE, "row", "readable", f"{error.code}: {error}")]
