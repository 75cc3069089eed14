"""Re-read one customer's facts into days, orders and money, from nothing, every time.

Responsible for what the facts of a customer add up to: the business calendar, the net orders, the
lists of remembered orders, spend by local day. It decides no segment, and it shares no code with
the engine: it exists so that the engine can be found wrong.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

ORDER, REFUND, CANCEL, ENGAGEMENT = 0, 1, 2, 3
DAY_MS = 86_400_000
LISTED_ORDERS = 10
TIMED_ORDERS = 21
RHYTHM_REACH = 730
RHYTHM_DAYS = 11
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Fact:
    """State one event: `ts` in ms UTC, `kind` 0 order, 1 refund, 2 cancel, 3 engagement.

    `amount` is in minor units of the base currency; `qualifies` is read for engagements alone.
    `profit` is an order's, in the same units; None where nobody has said it.
    """

    customer: str
    ts: int
    kind: int
    amount: int = 0
    order_id: str | None = None
    event_id: str | None = None
    qualifies: bool = True
    profit: int | None = None


class Calendar:
    """Say which local day an instant lies on, and when a local day begins.

    Days are numbered from 1970-01-01 = 0. A day begins at the first instant of its local date, so
    in a zone whose clocks jump at midnight it begins at 01:00.

    >>> sao_paulo = Calendar("America/Sao_Paulo")
    >>> day = date(2018, 11, 4).toordinal() - EPOCH_DAY
    >>> (EPOCH + timedelta(milliseconds=sao_paulo.start(day))).isoformat()
    '2018-11-04T03:00:00+00:00'
    """

    def __init__(self, timezone: str) -> None:
        self.zone = ZoneInfo(timezone)
        self.start = lru_cache(maxsize=None)(self._start)
        self.day = lru_cache(maxsize=1 << 18)(self._day)

    def _local(self, instant: int) -> datetime:
        return (EPOCH + timedelta(milliseconds=instant)).astimezone(self.zone)

    def _start(self, day: int) -> int:
        midnight = datetime.fromordinal(day + EPOCH_DAY).replace(tzinfo=self.zone)
        instant = (midnight - EPOCH) // timedelta(milliseconds=1)
        local = self._local(instant)
        if local.replace(tzinfo=None) == midnight.replace(tzinfo=None):
            return instant  # fold=0: of two midnights the first
        # Midnight is skipped: the day begins at the jump, where the later offset comes into force.
        before, after = instant - DAY_MS, instant
        while after - before > 1:
            middle = (before + after) // 2
            if self._local(middle).utcoffset() == local.utcoffset():
                after = middle
            else:
                before = middle
        return after

    def _day(self, instant: int) -> int:
        day = self._local(instant).date().toordinal() - EPOCH_DAY
        # Days do not overlap: a night that repeats an hour across midnight stays on the later day.
        return day + 1 if self.start(day + 1) <= instant else day


class Order(NamedTuple):
    """Hold one order; orders sort by (ts, arrival)."""

    ts: int
    arrival: int
    amount: int
    order_id: str | None
    day: int
    profit: int = 0


class Turn(NamedTuple):
    """Stand between two facts where other rules of the lifecycle came into force.

    The thresholds are fixed anew. Where gaps had not been remembered before, those between the
    listed orders are all that is known.
    """

    paced: bool


class Forget(NamedTuple):
    """Stand between two facts where figures began to be kept that had not been kept before.

    Of profit and of engagements nothing is known from before.
    """

    profit: bool
    engagements: bool


Entry = Order | Turn | Forget | tuple[Fact, int]


@dataclass(slots=True)
class Book:
    """Collect what a customer's facts amount to: read with `read_book`.

    `net` holds all net orders, `listed` those that a refund can name, `timed` those whose gaps
    count, `pace` the orders in `timed` when the thresholds were last fixed; `spend` holds days and
    minor units, `refunded` what was taken back by the arrival number of its order; `removed` is the
    order that the very last fact removed. `profits` are like `spend`, `profit_left` is what is left
    of an order's by arrival number; `engagements` holds a day for each qualifying one. `value` is
    the value segment that held when the thresholds were last fixed, `gap` is G, in days, as it was
    last fixed: both depend on when facts were judged, so the customer says them.
    """

    net: list[Order] = field(default_factory=list)
    listed: list[Order] = field(default_factory=list)
    timed: list[Order] = field(default_factory=list)
    spend: list[tuple[int, int]] = field(default_factory=list)
    pace: list[Order] = field(default_factory=list)
    refunded: Counter[int] = field(default_factory=Counter)
    engaged: int | None = None
    removed: Order | None = None
    profits: list[tuple[int, int]] = field(default_factory=list)
    profit_left: Counter[int] = field(default_factory=Counter)
    engagements: list[int] = field(default_factory=list)
    value: str | None = None
    gap: int | None = None

    @property
    def orders(self) -> int:
        """Count the lifetime net orders."""
        return len(self.net)

    @property
    def first(self) -> int:
        """Name the instant of the first net order."""
        return self.net[0].ts

    @property
    def last(self) -> int | None:
        """Name the instant of the last net order."""
        return self.net[-1].ts if self.net else None

    def gaps(self) -> list[int]:
        """List the gaps, in ms, that were known when the thresholds were last fixed."""
        return [later.ts - order.ts for order, later in pairwise(self.pace)]

    def orders_within(self, days: int, today: int) -> int:
        """Count the net orders on the last `days` local days up to `today`."""
        return sum(today - days < order.day <= today for order in self.net)

    def spend_within(self, days: int, today: int) -> int:
        """Add the spend, minor units, of the last `days` local days up to `today`."""
        return sum(minor for day, minor in self.spend if today - days < day <= today)

    def profit_within(self, days: int, today: int) -> int:
        """Add the profit, minor units, of the last `days` local days up to `today`."""
        return sum(minor for day, minor in self.profits if today - days < day <= today)

    def usual_gap(self, today: int) -> int | None:
        """Give G, in days: the lower median of the gaps between days; None with fewer than two."""
        days = sorted({o.day for o in self.net if today - RHYTHM_REACH < o.day <= today})
        gaps = sorted(later - day for day, later in pairwise(days[-RHYTHM_DAYS:]))
        return gaps[(len(gaps) + 1) // 2 - 1] if len(gaps) >= 2 else None

    def next_leaving(self, days: int, today: int) -> int | None:
        """Find the earliest local day still within the window of `days` days."""
        return min((day for day, _ in self.spend if today - days < day), default=None)


def read_book(facts: Sequence[Fact], calendar: Calendar) -> Book:
    """Read all facts, in the order they were applied, into a book."""
    return read_entries([enter(fact, place, calendar) for place, fact in enumerate(facts)])


def enter(fact: Fact, arrival: int, calendar: Calendar, margin: Decimal = Decimal(0)) -> Entry:
    """Give a fact its day and its profit, which no other fact can change."""
    day = calendar.day(fact.ts)
    if fact.kind == ORDER:
        profit = fact.profit
        if profit is None:
            profit = int((fact.amount * margin).to_integral_value(ROUND_HALF_EVEN))
        return Order(fact.ts, arrival, fact.amount, fact.order_id, day, profit)
    return fact, day


def read_entries(entries: Sequence[Entry]) -> Book:
    """Read the facts, entered with their days, from the first to the last into a new book."""
    book = Book()
    for entry in entries:
        if isinstance(entry, Order):
            _add(book, entry)
            continue
        if isinstance(entry, Turn):
            book.timed = list(book.timed if entry.paced else book.listed)
            book.pace, book.removed = book.timed, None
            continue
        if isinstance(entry, Forget):
            _forget(book, entry)
            continue
        fact, day = entry
        book.removed = None
        if fact.kind != ENGAGEMENT:
            _take_back(book, fact, day)
        elif fact.qualifies:
            book.engaged = fact.ts if book.engaged is None else max(book.engaged, fact.ts)
            book.engagements.append(day)
    if entries and isinstance(entries[-1], Order):
        book.removed = None
    return book


def _add(book: Book, order: Order) -> None:
    net, listed, timed = book.net, book.listed, book.timed
    if net and order < net[-1]:
        for orders in (net, listed, timed):
            insort(orders, order)
    else:
        net.append(order)
        listed.append(order)
        timed.append(order)
    if len(listed) > LISTED_ORDERS:
        del listed[0]
    if len(timed) > TIMED_ORDERS:
        del timed[0]
    book.spend.append((order.day, order.amount))
    book.profits.append((order.day, order.profit))
    book.profit_left[order.arrival] = order.profit
    book.pace = timed


def _forget(book: Book, entry: Forget) -> None:
    if entry.profit:
        book.profits.clear()
        book.profit_left.clear()
    if entry.engagements:
        book.engagements.clear()


def _take_back(book: Book, fact: Fact, day: int) -> None:
    named = [o for o in book.listed if fact.order_id is not None and o.order_id == fact.order_id]
    if not named:
        if fact.kind == REFUND:
            book.spend.append((day, -abs(fact.amount)))
            book.profits.append((day, -abs(fact.amount)))
        return
    order = named[-1]
    left = max(order.amount - book.refunded[order.arrival], 0)
    taken = abs(fact.amount) if fact.kind == REFUND else left
    book.refunded[order.arrival] += taken
    book.spend.append((order.day, -taken))
    removes = book.refunded[order.arrival] >= order.amount
    lost = book.profit_left[order.arrival] if removes else taken
    book.profit_left[order.arrival] -= lost
    book.profits.append((order.day, -lost))
    if removes:
        _remove(book, order)


def _remove(book: Book, order: Order) -> None:
    last = book.last
    book.timed = book.timed[:]  # the pace stays what it was
    for orders in (book.net, book.listed, book.timed):
        if order in orders:
            orders.remove(order)
    book.removed = order
    if book.last != last:
        book.pace = book.timed
