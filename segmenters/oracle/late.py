"""Say what is told when facts arrive late: the oracle fed with arrivals and ticks.

Responsible for late facts, corrections and the one lifecycle change that a late fact may undo.
What comes in ts order per customer is left to `segmenters.oracle.customer`; ticks only decide when
it is told.

>>> day = 86_400_000
>>> feed = Feed({"lifecycle": {}})
>>> _ = feed.apply(Fact("ada", 0, 0, 100)), feed.tick(91 * day)
>>> feed.apply(Fact("ada", 91 * day, 3, qualifies=False))
[]
>>> late = feed.apply(Fact("ada", 80 * day, 0, 100))  # the purchase turned up after all
>>> [(c["from"], c["to"], c["at"] // day, c["cause"], c["corrects"]) for c in late]
[('silent', 'active', 91, 'correction', 3)]
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from segmenters.oracle.book import DAY_MS, ENGAGEMENT, ORDER, Book, Fact
from segmenters.oracle.customer import Change, Customer, Rules, in_output_order, step
from segmenters.oracle.systems import LATCHED, Life

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Fact", "Feed"]


class Feed:
    """Take arrivals and ticks in any order and tell the changes each of them makes.

    Parameters
    ----------
    systems
        The `[systems]` tables of a rules file, as a plain dict.
    timezone
        IANA name of the zone in which days begin.
    remembered
        How many event ids per customer count as seen; None: all.
    max_lateness_days
        Late facts older than this before the clock are refused.
    """

    def __init__(
        self,
        systems: Mapping[str, Any],
        timezone: str = "UTC",
        *,
        remembered: int | None = 8,
        max_lateness_days: int = 400,
    ) -> None:
        self.rules = Rules(systems, timezone)
        self.remembered = remembered
        self.max_lateness = max_lateness_days * DAY_MS
        self.clock: int | None = None
        self.customers: dict[str, Customer] = {}
        self.too_late: list[Fact] = []
        self.duplicates = 0
        self.late = 0

    def apply(self, fact: Fact) -> list[Change]:
        """Apply one arrival; give the changes it makes, deadlines settled before it included."""
        customer = self.customers.setdefault(
            fact.customer, Customer(self.rules, fact.customer, self.remembered)
        )
        told = len(customer.changes)
        late = bool(customer.facts) and fact.ts < settled(customer)
        now = max(self.clock or 0, settled(customer)) if late else fact.ts
        if fact.event_id in customer.seen:
            self.duplicates += 1
        elif fact.ts < now - self.max_lateness:
            self.too_late.append(fact)
        else:
            customer.remember(fact)
            self.late += late
            if late:
                customer.settle(now)  # a fact in time may have brought back deadlines before it
                take_late(customer, fact, now)
            else:
                customer.apply(fact)
        return customer.changes[told:]

    def tick(self, clock: int, *, inclusive: bool = False) -> list[Change]:
        """Fire all deadlines below the clock, or up to it; it never goes back."""
        self.clock = max(clock, self.clock or clock)
        changes: list[Change] = []
        for customer in self.customers.values():
            told = len(customer.changes)
            customer.settle(self.clock, inclusive=inclusive)
            changes += customer.changes[told:]
        return in_output_order(changes)

    @property
    def changes(self) -> list[Change]:
        """List all changes told so far, per customer in sequence."""
        return in_output_order(change for c in self.customers.values() for change in c.changes)

    def profiles(self) -> dict[str, dict[str, str]]:
        """Give every judged customer's segments as told: customer -> system -> segment."""
        return {name: dict(c.told) for name, c in self.customers.items() if c.told}


def settled(customer: Customer) -> int:
    """Name the instant before which a fact of this customer is late."""
    newest = max(fact.ts for fact in customer.facts)
    return max(newest, customer.changes[-1]["at"]) if customer.changes else newest


def precedes(fact: Fact, at: int, cause: str) -> bool:
    """Tell whether a fact comes before a change: at a deadline's own instant the fact wins."""
    return fact.ts < at or (fact.ts == at and cause == "clock")


def take_late(customer: Customer, fact: Fact, clock: int) -> None:
    """Put a late fact where it belongs, judge at the clock and tell what differs."""
    last = dict(customer.latest)
    before = customer.take(fact, clock)
    if not customer.judged:
        return
    customer.life = late_life(customer, fact, before, clock)
    for change in customer.tell(clock, "correction"):
        corrected = last.get(change["system"])
        preceded = corrected and precedes(fact, corrected["at"], corrected["cause"])
        change["corrects"] = corrected["sequence"] if corrected and preceded else None


def late_life(customer: Customer, fact: Fact, before: Book, clock: int) -> Life | None:
    """Take the lifecycle through a late fact: undo the last change or not, then judge the clock."""
    life, own = customer.life, None
    if life is not None and may_undo(life, fact):
        own = relive(customer, life, before, fact.ts, clock)
    if own is None:
        own = take_at_clock(customer, life, fact, before, clock)
    if own is None:
        return None
    now = customer.rules.lifecycle.by_time(own, customer.book, clock, len(customer.facts))
    if life is not None and life.segment == own.segment == now.segment:
        return now
    by_time = life is not None and own.segment == life.segment
    return replace(now, since=clock, by_time=by_time, cause="correction", before=own)


def may_undo(life: Life, fact: Fact) -> bool:
    """Tell whether the last change was made by time, after the fact, and the one before not."""
    return (
        life.by_time
        and life.before is not None
        and precedes(fact, life.since, life.cause)
        and not precedes(fact, life.before.since, life.before.cause)
    )


def relive(customer: Customer, life: Life, before: Book, at: int, clock: int) -> Life | None:
    """Go back before the last change, apply the fact there and run the deadlines below the clock.

    Gives None where the last change would have happened all the same.
    """
    lifecycle = customer.rules.lifecycle
    now = customer.live_through(life.before, before, at)
    path = [now]
    while now is not None:
        instant = min(lifecycle.deadlines(now, customer.book), default=clock)
        if instant >= clock:
            break
        later = lifecycle.by_time(now, customer.book, instant, len(customer.facts))
        now = step(now, later, instant, "clock", by_time=True)
        path.append(now)
    changed = [p for p in path if p and life.before and p.segment != life.before.segment]
    same = bool(changed) and (changed[0].segment, changed[0].since) == (life.segment, life.since)
    return None if same else now


def take_at_clock(
    customer: Customer, life: Life | None, fact: Fact, before: Book, clock: int
) -> Life | None:
    """Take a late fact at the clock, the latched segments as they are told to be treated."""
    lifecycle, book, place = customer.rules.lifecycle, customer.book, len(customer.facts)
    if life is not None and life.segment in LATCHED and fact.kind == ORDER:
        silent, _, _ = lifecycle.figures(book)
        if fact.ts + silent <= clock:
            return life
    if life is not None and fact.kind == ENGAGEMENT:
        return remember_late_engagement(life, fact, place - 1)
    return lifecycle.after_fact(life, customer.facts, before, book, clock)


def remember_late_engagement(life: Life, fact: Fact, arrival: int) -> Life:
    """Let a late engagement count as the one before the silence, never towards a wake-up."""
    earlier = life.before and outside_wakes(life.before, fact, arrival)
    return replace(outside_wakes(life, fact, arrival), before=earlier)


def outside_wakes(life: Life, fact: Fact, arrival: int) -> Life:
    """Leave an engagement out of the count, and take it as the last before the silence if it is."""
    life = replace(life, uncounted=life.uncounted | {arrival})
    if life.segment in LATCHED and fact.qualifies and fact.ts < life.silent_since:
        return replace(life, engaged_before=max(fact.ts, life.engaged_before or fact.ts))
    return life
