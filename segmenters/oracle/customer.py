"""Say what every customer's segments were, by re-reading all facts at every judgement.

Responsible for the order of judgements: facts as applied, and between them every instant at which
time alone can change something. It is slow, it forgets everything between two judgements but the
segments told and the path through the lifecycle, and it shares no code with the engine. Facts come
in ts order per customer here; arrivals in any order are the business of `segmenters.oracle.late`.

>>> bought = Fact("ada", 0, 0, 5_000, "o-1")
>>> for change in run([bought], {"lifecycle": {"new_days": 30}}, "UTC", 91 * 86_400_000):
...     print(change["from"], change["to"], change["at"] // 86_400_000, change["cause"])
None new 0 event
new active 30 clock
active silent 90 clock
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from segmenters.oracle.book import (
    ENGAGEMENT,
    ORDER,
    Book,
    Calendar,
    Entry,
    Fact,
    enter,
    read_entries,
)
from segmenters.oracle.damping import Damping, Stay
from segmenters.oracle.pack import AovTier, ChurnRisk, FrequencyTier, ValueTier
from segmenters.oracle.systems import LIVELY, WINDOW_DAYS, Life, Lifecycle, MonetaryTier, Rfm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Change", "Customer", "Fact", "in_output_order", "profiles", "run"]

Change = dict[str, Any]
Systems = dict[str, Any]
ORDER_OF_JUDGEMENT = (
    "value_tier", "lifecycle", "churn_risk", "frequency_tier", "monetary_tier", "aov_tier", "rfm",
)  # fmt: skip


class Rules:
    """Hold the systems that are enabled, in the order in which they are judged.

    Parameters
    ----------
    systems
        The `[systems]` tables of a rules file, as a plain dict.
    timezone
        IANA name of the zone in which days begin.
    minor
        How many minor units the base currency's major unit has.
    """

    def __init__(self, systems: Mapping[str, Any], timezone: str, minor: int = 100) -> None:
        self.calendar = Calendar(timezone)
        self.enabled = [key for key in ORDER_OF_JUDGEMENT if key in systems]
        self.lifecycle = Lifecycle(systems.get("lifecycle", {}))
        self.monetary_tier = MonetaryTier(systems.get("monetary_tier", {}), minor)
        self.rfm = Rfm(systems.get("rfm", {}), minor)
        self.value_tier = ValueTier(systems.get("value_tier", {}), minor)
        self.churn_risk = ChurnRisk(systems.get("churn_risk", {}))
        self.frequency_tier = FrequencyTier(systems.get("frequency_tier", {}))
        self.aov_tier = AovTier(systems.get("aov_tier", {}), minor)
        self.damping = {
            key: Damping(systems[key].get("damping", {}))
            for key in self.enabled
            if key != "lifecycle"
        }

    @property
    def reads_profit(self) -> bool:
        """Tell whether a system reads profit."""
        return "value_tier" in self.enabled and self.value_tier.basis == "profit"

    @property
    def margin(self) -> Decimal:
        """Give what an order earns where nobody has said it; nothing where nobody asks."""
        return self.value_tier.margin if self.reads_profit else Decimal(0)

    def system(self, key: str) -> Any:
        """Give one of the systems."""
        return getattr(self, key)


class Customer:
    """Follow one customer: all facts applied so far, and what has been told.

    Parameters
    ----------
    rules
        The systems to judge and the calendar.
    name
        The customer's id.
    remembered
        How many of the last event ids count as seen; None remembers all of them.
    """

    def __init__(self, rules: Rules, name: str, remembered: int | None = None) -> None:
        self.rules = rules
        self.name = name
        self.facts: list[Fact] = []
        self.entries: list[Entry] = []
        self.book = Book()
        self.life: Life | None = None
        self.told: dict[str, str] = {}
        self.sequence = 0
        self.judged_at = 0
        self.changes: list[Change] = []
        self.latest: dict[str, Change] = {}
        self.stays: dict[str, Stay] = {}
        self.suppressed: Counter[str] = Counter()
        self.seen: deque[str] = deque(maxlen=remembered)

    @property
    def judged(self) -> bool:
        """Tell whether an order or an engagement has made the first judgement."""
        return any(fact.kind in (ORDER, ENGAGEMENT) for fact in self.facts)

    def repeats(self, fact: Fact) -> bool:
        """Tell whether the fact was seen before, and remember it if not."""
        if fact.event_id in self.seen:
            return True
        self.remember(fact)
        return False

    def remember(self, fact: Fact) -> None:
        """Remember that the fact was seen, if it has an id."""
        if fact.event_id is not None:
            self.seen.append(fact.event_id)

    def apply(self, fact: Fact) -> None:
        """Settle what was due before the fact, then judge the fact; it must not be late."""
        self.settle(fact.ts)
        self.judge_fact(fact)

    def judge_fact(self, fact: Fact) -> None:
        """Take the fact in and judge every system at its instant."""
        before = self.take(fact, fact.ts)
        if not self.judged:
            return
        self.life = self.live_through(self.life, before, fact.ts)
        self.tell(fact.ts, "event")

    def take(self, fact: Fact, at: int) -> Book:
        """Add a fact to the list and read the list anew; give the book as it was before.

        Where an order comes or goes, G is fixed as of `at`; where the fact fixes the thresholds,
        the value segment that holds at `at` goes with them.
        """
        before = self.book
        rules = self.rules
        self.entries.append(enter(fact, len(self.facts), rules.calendar, rules.margin))
        self.facts.append(fact)
        self.book = read_entries(self.entries)
        self.book.value, self.book.gap = before.value, before.gap
        if fact.kind == ORDER or self.book.removed is not None:
            self.book.gap = self.book.usual_gap(rules.calendar.day(at))
        if fact.kind == ORDER or self.book.last != before.last:
            self.fix_value(at)
        return before

    def fix_value(self, at: int) -> None:
        """Remember the value segment that holds at an instant as the one that selects a pair."""
        if "value_tier" in self.rules.enabled:
            self.book.value = self.damped("value_tier", at, self.segment("value_tier", at))

    def live_through(self, life: Life | None, before: Book, at: int) -> Life | None:
        """Take the lifecycle through the last fact, judged at `at`: the fact, then the time."""
        lifecycle, place = self.rules.lifecycle, len(self.facts)
        own = lifecycle.after_fact(life, self.facts, before, self.book, at)
        if own is None:
            return None
        now = lifecycle.by_time(own, self.book, at, place)
        by_time = life is not None and own.segment == life.segment
        return step(own if by_time else life, now, at, "event", by_time=by_time)

    def settle(self, bound: int, *, inclusive: bool = False) -> None:
        """Judge at every instant below `bound` (or at it) where time alone may change something."""
        while self.told or self.life is not None:
            instant = self.next_instant()
            if instant is None or instant > bound or (instant == bound and not inclusive):
                return
            if self.life is not None:
                now = self.rules.lifecycle.by_time(self.life, self.book, instant, len(self.facts))
                self.life = step(self.life, now, instant, "clock", by_time=True)
            self.tell(instant, "clock")

    def next_instant(self) -> int | None:
        """Find the next instant at which time alone may change a segment."""
        calendar, instants = self.rules.calendar, []
        if "rfm" in self.rules.enabled:
            instants += [at for at in self.rules.rfm.deadlines(self.book) if at > self.judged_at]
        if self.rules.enabled != ["lifecycle"]:
            day = self.book.next_leaving(WINDOW_DAYS, calendar.day(self.judged_at))
            if day is not None:
                instants.append(calendar.start(day + WINDOW_DAYS))
        if "lifecycle" in self.rules.enabled and self.life is not None:
            instants += self.rules.lifecycle.deadlines(self.life, self.book)
        if "churn_risk" in self.rules.enabled:
            silent_at = self.silent_at()
            instants += self.rules.churn_risk.deadlines(
                self.book, silent_at, calendar, self.judged_at
            )
        for system, stay in self.stays.items():
            instants += self.rules.damping[system].ends(stay, self.judged_at)
        return min(instants, default=None)

    def silent_at(self) -> int | None:
        """Name the instant at which the customer falls silent if nothing happens."""
        lively = self.life is not None and self.life.segment in LIVELY and self.book.orders
        return self.rules.lifecycle.silent_at(self.book) if lively else None

    def damped(self, system: str, at: int, wanted: str) -> str:
        """Give the segment to tell at an instant where the rule says `wanted`."""
        told = self.told.get(system)
        if told in (None, wanted) or system not in self.stays:
            return wanted
        held = self.rules.damping[system].holds(self.stays[system], wanted, at)
        return told if held and told is not None else wanted

    def move(self, system: str, told: str | None, at: int) -> None:
        """Remember that a customer left a segment at an instant."""
        if system == "lifecycle":
            return
        stay = self.stays.setdefault(system, Stay())
        stay.since, stay.held_back = at, None
        if told is not None:
            stay.left[told] = at

    def count_suppressed(self, system: str, wanted: str, segment: str) -> None:
        """Count a flip once for each segment that is held back in a row."""
        if system not in self.stays:
            return
        stay, held_back = self.stays[system], None if wanted == segment else wanted
        if held_back not in (None, stay.held_back):
            self.suppressed[system] += 1
        stay.held_back = held_back

    def segment(self, system: str, at: int) -> str:
        """Name the segment of one system at an instant."""
        today = self.rules.calendar.day(at)
        if system == "monetary_tier":
            spend = self.book.spend_within(WINDOW_DAYS, today)
            return self.rules.monetary_tier.judge(self.told.get(system), spend)
        if system in ("value_tier", "aov_tier"):
            rule = self.rules.system(system)
            return str(rule.judge(self.told.get(system), self.book, today))
        if system == "frequency_tier":
            return self.rules.frequency_tier.judge(self.book, today)
        if system == "churn_risk":
            lifecycle = self.life.segment if self.life is not None else ""
            silent_at = self.silent_at()
            return self.rules.churn_risk.judge(lifecycle, self.book, today, at, silent_at)
        if system == "rfm":
            return self.rules.rfm.judge(self.book, today, at)
        return self.life.segment if self.life is not None else ""

    def tell(self, at: int, cause: str, judged: Mapping[str, str] | None = None) -> list[Change]:
        """Compare every system, or those judged, with what was told, and tell what differs."""
        self.judged_at = at
        if judged is None:
            judged = {}
            for system in self.rules.enabled:
                wanted = self.segment(system, at)
                judged[system] = self.damped(system, at, wanted)
                self.count_suppressed(system, wanted, judged[system])
        changes: list[Change] = []
        for system, segment in judged.items():
            told = self.told.get(system)
            if segment == told:
                continue
            self.sequence += 1
            self.told[system] = segment
            self.move(system, told, at)
            changes.append({
                "customer_id": self.name, "system": system, "from": told, "to": segment,
                "at": at, "cause": cause, "sequence": self.sequence,
            })  # fmt: skip
            self.latest[system] = changes[-1]
        self.changes += changes
        return changes


def step(life: Life | None, now: Life, at: int, cause: str, *, by_time: bool) -> Life:
    """Date a change of the lifecycle, and keep the path as it was before it."""
    if life is not None and life.segment == now.segment:
        return now
    return replace(now, since=at, by_time=by_time, cause=cause, before=life)


def follow(
    facts: Iterable[Fact],
    systems: Systems,
    timezone: str,
    until: int | None,
    remembered: int | None = None,
) -> dict[str, Customer]:
    """Follow all customers to the end of time, which also fires what is due at that instant."""
    facts = list(facts)
    rules = Rules(systems, timezone)
    end = max((fact.ts for fact in facts), default=0) if until is None else until
    customers: dict[str, Customer] = {}
    latest: dict[str, int] = {}
    for fact in facts:
        if fact.ts > end:
            continue
        if fact.ts < latest.get(fact.customer, fact.ts):
            raise ValueError(f"facts of {fact.customer!r} must come in ts order, got {fact}")
        latest[fact.customer] = fact.ts
        if fact.customer not in customers:
            customers[fact.customer] = Customer(rules, fact.customer, remembered)
        customer = customers[fact.customer]
        if not customer.repeats(fact):
            customer.apply(fact)
    for customer in customers.values():
        customer.settle(end, inclusive=True)
    return customers


def in_output_order(changes: Iterable[Change]) -> list[Change]:
    """Sort changes by instant, customer id as UTF-8 bytes, sequence."""
    return sorted(changes, key=lambda c: (c["at"], c["customer_id"].encode(), c["sequence"]))


def run(
    facts: Iterable[Fact],
    systems: Systems,
    timezone: str = "UTC",
    until: int | None = None,
    *,
    remembered: int | None = None,
) -> list[Change]:
    """List every change of every customer.

    Parameters
    ----------
    facts
        Facts in the order they are applied; per customer by ts.
    systems
        The `[systems]` tables of a rules file, as a plain dict.
    timezone
        IANA name of the zone in which days begin.
    until
        The last instant, ms UTC, deadlines at it included, facts after it ignored; None: the
        largest ts.
    remembered
        How many event ids per customer count as seen; None: all.
    """
    customers = follow(facts, systems, timezone, until, remembered).values()
    return in_output_order(change for customer in customers for change in customer.changes)


def profiles(
    facts: Iterable[Fact],
    systems: Systems,
    timezone: str = "UTC",
    until: int | None = None,
    *,
    remembered: int | None = None,
) -> dict[str, dict[str, str]]:
    """Give every judged customer's segments at the end: customer -> system -> segment."""
    customers = follow(facts, systems, timezone, until, remembered)
    return {name: dict(customer.told) for name, customer in customers.items() if customer.told}
