"""Say by the oracle what must have come of a customer's facts.

Responsible for the definition (the rules file, read a second time) and for the orders in which
facts may have been applied. Must not use the engine or its reading of the rules.

Facts that came in time give one account, whatever happened meanwhile. Where a fact came late, the
account depends on what had been told before, and in which order two topics were read: that is
written nowhere. So there is one account in time, and some for late facts: for each order in which
the facts may have come, and for each view of the clock that what was told allows.
"""

from __future__ import annotations

import tomllib
from heapq import merge
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from schemas.errors import UsageError
from schemas.money import exponent
from segmenters.oracle.customer import ORDER_OF_JUDGEMENT, Customer, Rules
from segmenters.oracle.late import Feed
from segmenters.oracle.wire import QUALIFYING, Terms, Unreadable, read_engagement, read_purchase
from streams.audit.accounts import Account, Clock, of_customer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from schemas.vocabulary import Instant
    from segmenters.oracle.book import Fact

REMEMBERED: Final = 8
"""How many event ids of a customer count as seen."""
LAG_MS: Final = 60_000
"""By how much one topic may have been behind the other for no reason that is written anywhere."""
_MAPS: Final = ("A", "B", "C")
_NO_BOUND_DAYS: Final = 1_000_000
"""What was too late has a dead letter and is no fact here: the oracle need not refuse it again."""


class Arrival(NamedTuple):
    """A fact and where it stands in the log.

    Attributes
    ----------
    rank
        0 for purchases, 1 for engagements.
    offset
        In its topic-partition.
    appended
        When the broker took it; its own instant where the broker does not say.
    """

    fact: Fact
    rank: int
    offset: int
    appended: Instant


class Witness(NamedTuple):
    """What tells how far a partition's clock was when a fact came.

    Attributes
    ----------
    corrections
        Event id → the clock, where a correction was told: its ``at``.
    told
        (``seen_at``, ``at``) of the customer's changes made by time, in order.
    grace
        By how much a live clock stays behind the append times; None where it follows the facts.
    ended
        When the replay of a history was at its end, and with what clock; None before, and live.
    """

    corrections: Mapping[str, Instant]
    told: Sequence[tuple[Instant, Instant]]
    grace: int | None
    ended: tuple[Instant, Instant] | None

    def unmoved(self, arrival: Arrival) -> Instant | None:  # noqa: ARG002 - one of three views
        """Say that the clock was nowhere before the fact."""
        return None

    def least(self, arrival: Arrival) -> Instant | None:
        """Say up to where it was for certain: what had been told was told."""
        before = [at for seen_at, at in self.told if seen_at < arrival.appended]
        return max(before) + 1 if before else None

    def most(self, arrival: Arrival) -> Instant | None:
        """Say up to where it can have been at most."""
        clock = self.least(arrival)
        if self.grace is not None:
            return max(clock or 0, arrival.appended - self.grace)
        if self.ended is not None and arrival.appended > self.ended[0]:
            return self.ended[1]
        return clock


class Definition(NamedTuple):
    """The rules as the oracle reads them."""

    systems: Mapping[str, Any]
    rules: Rules
    terms: Terms

    def read(self, rank: int, value: bytes | None) -> Fact | None:
        """Read a record's value; None when it is no event."""
        try:
            return (read_engagement if rank else read_purchase)(value, self.terms)
        except Unreadable:
            return None


def read_definition(path: Path | None) -> Definition:
    """Read a rules file that has been found valid, or take the default pack for None.

    Raises
    ------
    UsageError
        As `define`.
    """
    return define({} if path is None else tomllib.loads(path.read_text("utf-8")))


def define(table: Mapping[str, Any]) -> Definition:
    """Take the tables of a rules file as the oracle's; without any, the default pack.

    Raises
    ------
    UsageError
        When they enable what the oracle does not know.

    Examples
    --------
    >>> sorted(define({}).systems)
    ['aov_tier', 'churn_risk', 'frequency_tier', 'lifecycle', 'monetary_tier', 'rfm', 'value_tier']
    """
    systems = table.get("systems", {key: {} for key in ORDER_OF_JUDGEMENT})
    strange = [f"the system {key}" for key in systems if key not in ORDER_OF_JUDGEMENT]
    if systems.get("rfm", {}).get("map", "A") not in _MAPS:
        strange.append("a map of one's own for rfm")
    if strange:
        raise UsageError(
            f"expected rules that can be recounted, got {' and '.join(strange)}; this version's "
            f"audit knows {', '.join(ORDER_OF_JUDGEMENT)}, and maps {', '.join(_MAPS)}"
        )
    engine = table.get("engine", {})
    currency = engine.get("base_currency", "GBP")
    places = exponent(currency)
    rules = Rules(systems, engine.get("business_timezone", "UTC"), 10**places)
    terms = Terms(
        currency,
        places,
        engine.get("rates", {}),
        frozenset(engine.get("qualifying_engagements", QUALIFYING)),
        *((rules.value_tier.margin, rules.value_tier.margins) if rules.reads_profit else ()),
    )
    return Definition(systems, rules, terms)


class Recount:
    """What may have come of one customer's facts.

    Parameters
    ----------
    definition
        The rules.
    arrivals
        The facts, in offset order per topic.
    clock
        Of the partition.
    windows
        In days.
    """

    def __init__(
        self,
        definition: Definition,
        arrivals: Sequence[Arrival],
        clock: Clock,
        windows: Sequence[int],
    ) -> None:
        self._definition = definition
        self._arrivals = arrivals
        self._clock = clock
        self._windows = windows
        self.at = max([0, clock.instant, *(arrival.fact.ts for arrival in arrivals)])

    @property
    def today(self) -> int:
        """Return the local day up to which figures are counted."""
        return self._definition.rules.calendar.day(self.at)

    def in_time(self) -> Account:
        """Give the account of facts that all came in time."""
        name = self._arrivals[0].fact.customer
        customer = Customer(self._definition.rules, name, REMEMBERED)
        for fact, *_ in sorted(self._arrivals, key=lambda a: (a.fact.ts, a.rank, a.offset)):
            if not customer.repeats(fact):
                customer.apply(fact)
        return self._close(customer)

    def late(self, witness: Witness) -> Iterator[tuple[Account, bool]]:
        """Give the accounts of facts that may have come late, and whether any then did."""
        for order in self._orders(witness):
            for clock in (witness.most, witness.least, witness.unmoved):
                yield self._by_arrival(order, clock, witness.corrections)

    def _orders(self, witness: Witness) -> Iterator[list[Arrival]]:
        """Give the orders in which the facts of the two topics may have been applied."""

        def merged(arrival: Arrival) -> tuple[int, int]:
            """Merge by the facts' instants, as what waits in the log is."""
            return (0, arrival.fact.ts)

        def appended(arrival: Arrival) -> tuple[int, int]:
            """Take as they come what came to somebody who waited for it."""
            waited = witness.ended is None or arrival.appended > witness.ended[0]
            return (1, arrival.appended) if waited else merged(arrival)

        yield self._ordered(merged)
        if witness.grace is not None:
            for lags in ((0, 0), (LAG_MS, 0), (0, LAG_MS)):
                yield self._ordered(appended, lags)
        elif witness.ended is not None:
            yield self._ordered(appended)

    def _ordered(
        self, key: Callable[[Arrival], tuple[int, int]], lags: tuple[int, int] = (0, 0)
    ) -> list[Arrival]:
        """Merge the topics by the running maxima of a key, each staying in its own order."""
        keyed = []
        for rank, lag in enumerate(lags):
            mine = [arrival for arrival in self._arrivals if arrival.rank == rank]
            tops = accumulate(map(key, mine), max)
            keyed.append(
                [(when, at + lag, arrival) for (when, at), arrival in zip(tops, mine, strict=True)]
            )
        return [arrival for *_, arrival in merge(*keyed, key=lambda each: each[:2])]

    def _by_arrival(
        self,
        order: Sequence[Arrival],
        clock_before: Callable[[Arrival], Instant | None],
        corrections: Mapping[str, Instant],
    ) -> tuple[Account, bool]:
        feed = Feed({}, remembered=REMEMBERED, max_lateness_days=_NO_BOUND_DAYS)
        feed.rules = self._definition.rules  # its calendar remembers what it has worked out
        for arrival in order:
            clock = corrections.get(arrival.fact.event_id or "", clock_before(arrival))
            if clock is not None:
                feed.tick(min(clock, self._clock.instant), inclusive=self._at_the_end(clock))
            feed.apply(arrival.fact)
        return self._close(feed.customers[order[0].fact.customer]), feed.late > 0

    def _at_the_end(self, clock: Instant) -> bool:
        return self._clock.inclusive and clock >= self._clock.instant

    def _close(self, customer: Customer) -> Account:
        customer.settle(self._clock.instant, inclusive=self._clock.inclusive)
        return of_customer(customer, self.at, self._windows)
