"""Make up what customers do: a history whose deadlines fall due soon, then events of now.

Responsible for facts as the oracle reads them and the same facts as they go over the wire. It reads
no clock (what time it is, is an argument) and talks to nobody.

Exact whatever is killed: the result is a function of the facts alone only where no fact can come
late. A history is safe when all of it is appended before a worker starts and fits into one cut of
a lane. Live facts are safe when they are appended within the grace of their ts, in ts order, and a
customer does not change the topic within `APART_MS`: what comes first of two topics within
milliseconds is for the network to say.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from schemas import topics
from streams.partitioner import partitions_of
from tests.oracle_book import CANCEL, DAY_MS, ENGAGEMENT, ORDER, REFUND, Fact
from tests.streams.workbench import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

APART_MS = 3_000
"""Least time between two facts of one customer in different topics."""

_TYPES = {ORDER: "order", REFUND: "refund", CANCEL: "cancel"}
_QUALIFYING = ("product_view", "login", "email_click")
_OTHER = "email_open"


class Deed(NamedTuple):
    """One fact, and the event that tells it."""

    fact: Fact
    event: Event


class Trade:
    """Customers and what they do.

    Parameters
    ----------
    customers
        How many. The first half does nothing but grow old: its deadlines are fired by time. The
        others have the same kinds of history, or none, and take part in the live events.
    partitions
        Partition count of the inputs.
    seed
        Of the random numbers.

    Attributes
    ----------
    names : list of str
        All customers.
    dues : dict
        Customer who does nothing any more → the instant at which something falls due, ms.
    """

    def __init__(self, customers: int, partitions: int, seed: int = 1) -> None:
        self.names = [f"c-{number}" for number in range(customers)]
        self.dues: dict[str, int] = {}
        self._chance = random.Random(seed)
        homes = partitions_of([name.encode() for name in self.names], partitions).tolist()
        self._homes = dict(zip(self.names, homes, strict=True))
        self._lively = self.names[customers // 2 :]
        self._count = 0
        self._before: dict[str, Fact] = {}
        self._orders: dict[str, str] = {}

    def home(self, customer: str) -> int:
        """Name the partition of a customer."""
        return self._homes[customer]

    # ---- history

    def history(self, now: int, span_ms: int) -> list[Deed]:
        """Make the customers' past, in ts order, with deadlines in ``[now, now + span_ms)``.

        By the default rules: new ends, silence by order and by engagement, churn by both, the
        scores' ages; one of eight has no past.
        """
        kinds: list[Callable[[str, int], Iterator[Fact]] | None] = [
            self._newcomer, self._fading, self._fading_reader, self._leaving, self._leaving_reader,
            self._ageing, self._long_gone, None,
        ]  # fmt: skip
        quiet = len(self.names) - len(self._lively)
        facts: list[Fact] = []
        for number, name in enumerate(self.names):
            kind, due = kinds[number % len(kinds)], now + self._chance.randrange(span_ms)
            if kind is None:
                continue
            facts += kind(name, due)
            if number < quiet and kind != self._long_gone:
                self.dues[name] = due
        facts.sort(key=lambda fact: (fact.ts, fact.kind))
        return [self._do(fact) for fact in facts]

    def _newcomer(self, who: str, due: int) -> Iterator[Fact]:
        yield self._order(who, due - 30 * DAY_MS, self._amount())
        # Nothing of the past may have fallen due before the next fact of the past.
        yield self._order(who, due - 12 * DAY_MS, self._amount())
        yield self._visit(who, due - 7 * DAY_MS)

    def _fading(self, who: str, due: int) -> Iterator[Fact]:
        yield self._order(who, due - 90 * DAY_MS, self._amount())

    def _fading_reader(self, who: str, due: int) -> Iterator[Fact]:
        yield self._order(who, due - 100 * DAY_MS, self._amount())
        yield self._visit(who, due - 60 * DAY_MS)

    def _leaving(self, who: str, due: int) -> Iterator[Fact]:
        yield self._order(who, due - 180 * DAY_MS, self._amount())

    def _leaving_reader(self, who: str, due: int) -> Iterator[Fact]:
        yield self._order(who, due - 200 * DAY_MS, self._amount())
        yield self._visit(who, due - 120 * DAY_MS)

    def _ageing(self, who: str, due: int) -> Iterator[Fact]:
        for days in (75, 68, 60):
            yield self._order(who, due - days * DAY_MS, 3 * self._amount())
        yield self._visit(who, due - 5 * DAY_MS)

    def _long_gone(self, who: str, due: int) -> Iterator[Fact]:
        yield self._order(who, due - 380 * DAY_MS, self._amount())

    # ---- now

    def next_deed(self, now: int) -> Deed:
        """Make an event of now: somebody who is not waiting for a deadline does something."""
        who = self._chance.choice(self._lively)
        before, chance = self._before.get(who), self._chance.random()
        engages = chance < 0.4
        if before is not None and now - before.ts < APART_MS:
            engages = before.kind == ENGAGEMENT
        if engages:
            return self._do(self._visit(who, now, qualifies=chance * 10 % 1 < 0.8))
        known = self._orders.get(who)
        if known is not None and chance > 0.94:
            return self._do(self._fact(who, now, REFUND, order_id=known, amount=self._amount()))
        if known is not None and chance > 0.9:
            return self._do(self._fact(who, now, CANCEL, order_id=known))
        return self._do(self._order(who, now, self._amount()))

    # ---- facts

    def _amount(self) -> int:
        """Draw minor units: mostly small, now and then enough for the upper tiers."""
        return int(self._chance.lognormvariate(9, 1.8)) + 1

    def _order(self, who: str, ts: int, amount: int) -> Fact:
        fact = self._fact(who, ts, ORDER, amount=amount)
        self._orders[who] = f"o-{fact.event_id}"
        return fact

    def _visit(self, who: str, ts: int, *, qualifies: bool = True) -> Fact:
        return self._fact(who, ts, ENGAGEMENT, qualifies=qualifies)

    def _fact(self, who: str, ts: int, kind: int, **more: Any) -> Fact:
        self._count += 1
        event_id = f"e-{self._count}"
        if kind == ORDER:
            more["order_id"] = f"o-{event_id}"
        return Fact(who, ts, kind, event_id=event_id, **more)

    def _do(self, fact: Fact) -> Deed:
        self._before[fact.customer] = fact
        return Deed(fact, self.tell(fact))

    def tell(self, fact: Fact) -> Event:
        """Write a fact as it goes over the wire."""
        told: dict[str, Any] = {
            "event_id": fact.event_id, "customer_id": fact.customer, "ts": fact.ts,
        }  # fmt: skip
        if fact.kind == ENGAGEMENT:
            told["kind"] = _QUALIFYING[fact.ts % 3] if fact.qualifies else _OTHER
        else:
            told |= {"type": _TYPES[fact.kind], "order_id": fact.order_id}
            if fact.kind != CANCEL:
                told |= {"amount": f"{fact.amount // 100}.{fact.amount % 100:02}"}
                told["currency"] = "GBP"
        topic = topics.ENGAGEMENTS if fact.kind == ENGAGEMENT else topics.PURCHASES
        key = fact.customer.encode()
        return Event(topic, self._homes[fact.customer], key, orjson.dumps(told))
