"""Decide value_tier, frequency_tier, aov_tier and churn_risk from a re-read book.

Responsible for the rules of these four systems, typed a second time from their description; it must
not share a line, a table or a default with the engine's.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from segmenters.oracle.book import DAY_MS
from segmenters.oracle.systems import LIVELY, WINDOW_DAYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmenters.oracle.book import Book, Calendar


def walk_down(present: str | None, names: tuple[str, ...], value: int, bounds: list[Decimal],
              ratio: Decimal, lowest: int) -> str:  # fmt: skip
    """Name the tier: up at a bound, down only below `ratio` of it, tier by tier.

    `bounds` are those above the tier numbered `lowest`, which holds below all of them.
    """
    plain = lowest + sum(value >= bound for bound in bounds)
    rank = plain if present is None else max(plain, names.index(present))
    while rank > plain and value < ratio * bounds[rank - lowest - 1]:
        rank -= 1
    return names[rank]


class ValueTier:
    """Judge the value of a customer by spend or by profit."""

    key = "value_tier"
    names = ("none", "low", "mid", "high")

    def __init__(self, table: Mapping[str, Any], minor: int = 100) -> None:
        self.basis = table.get("basis", "spend")
        thresholds = {"high": 5_000, "mid": 500} | dict(table.get("thresholds", {}))
        self.bounds = [Decimal(str(thresholds[name])) * minor for name in ("mid", "high")]
        self.down_ratio = Decimal(str(table.get("down_ratio", "0.9")))
        self.margin = Decimal(str(table.get("margin", "0.30")))
        self.margins = {name: Decimal(str(m)) for name, m in table.get("margins", {}).items()}

    def judge(self, present: str | None, book: Book, today: int) -> str:
        """Name the tier for a customer told to be in `present`."""
        if not book.orders:
            return "none"
        within = book.profit_within if self.basis == "profit" else book.spend_within
        value = within(WINDOW_DAYS, today)
        return walk_down(present, self.names, value, self.bounds, self.down_ratio, 1)


class FrequencyTier:
    """Judge how often a customer buys; it remembers nothing."""

    key = "frequency_tier"
    names = ("none", "low", "medium", "high")

    def __init__(self, table: Mapping[str, Any]) -> None:
        thresholds = {"high": 12, "medium": 4} | dict(table.get("thresholds", {}))
        self.bounds = [Decimal(str(thresholds[name])) for name in ("medium", "high")]

    def judge(self, book: Book, today: int) -> str:
        """Name the tier on the local day `today`."""
        orders = book.orders_within(WINDOW_DAYS, today)
        return self.names[(orders >= 1) + sum(orders >= bound for bound in self.bounds)]


class AovTier:
    """Judge the size of a customer's orders, compared as spend with a bound times orders."""

    key = "aov_tier"
    names = ("none", "low", "medium", "high")

    def __init__(self, table: Mapping[str, Any], minor: int = 100) -> None:
        thresholds = {"high": 500, "medium": 100} | dict(table.get("thresholds", {}))
        self.bounds = [Decimal(str(thresholds[name])) * minor for name in ("medium", "high")]
        self.down_ratio = Decimal(str(table.get("down_ratio", "0.9")))

    def judge(self, present: str | None, book: Book, today: int) -> str:
        """Name the tier for a customer told to be in `present`."""
        orders = book.orders_within(WINDOW_DAYS, today)
        spend = book.spend_within(WINDOW_DAYS, today)
        if not orders or spend <= 0:
            return "none"
        bounds = [bound * orders for bound in self.bounds]
        return walk_down(present, self.names, spend, bounds, self.down_ratio, 1)


class ChurnRisk:
    """Judge how near a customer who still buys is to falling silent."""

    key = "churn_risk"
    names = ("none", "low", "medium", "high")

    def __init__(self, table: Mapping[str, Any]) -> None:
        def number(name: str, default: int) -> Decimal:
            return Decimal(str(table.get(name, default)))

        self.high_gaps, self.medium_gaps = number("high_gaps", 3), number("medium_gaps", 2)
        self.high_least = number("high_least_days", 14) * DAY_MS
        self.medium_least = number("medium_least_days", 7) * DAY_MS
        self.medium_time = number("medium_days", 90) * DAY_MS
        self.before_silence = number("before_silence_days", 15) * DAY_MS
        self.fade_days = int(table.get("fade_days", 30))
        self.fade_events = number("fade_events", 5)
        self.fade_pct = number("fade_pct", 30)

    def high_from(self, book: Book, silent_at: int) -> list[int]:
        """List the instants from each of which on the risk is high."""
        ends = [silent_at - self.before_silence]
        gap = None if book.gap is None else book.gap * DAY_MS
        if gap is not None:
            ends.append(book.net[-1].ts + max(self.high_gaps * gap, self.high_least))
        return [-int(-end // 1) for end in ends]

    def medium_from(self, book: Book) -> list[int]:
        """List the instants from each of which on the risk is at least medium."""
        ends = [book.net[-1].ts + self.medium_time]
        gap = None if book.gap is None else book.gap * DAY_MS
        if gap is not None:
            ends.append(book.net[-1].ts + max(self.medium_gaps * gap, self.medium_least))
        return [-int(-end // 1) for end in ends]

    def fades(self, book: Book, today: int) -> bool:
        """Tell whether far fewer engagements came lately than in as many days before."""
        lately = sum(today - self.fade_days < day <= today for day in book.engagements)
        start = today - self.fade_days
        earlier = sum(start - self.fade_days < day <= start for day in book.engagements)
        return earlier >= self.fade_events and 100 * lately <= self.fade_pct * earlier

    def judge(self, lifecycle: str, book: Book, today: int, at: int, silent_at: int | None) -> str:
        """Name the risk of one who is in `lifecycle` and falls silent at `silent_at`."""
        if lifecycle not in LIVELY or silent_at is None:
            return "none"
        if at >= min(self.high_from(book, silent_at)) or self.fades(book, today):
            return "high"
        return "medium" if at >= min(self.medium_from(book)) else "low"

    def deadlines(
        self, book: Book, silent_at: int | None, calendar: Calendar, at: int
    ) -> list[int]:
        """List the instants after `at` at which time alone may change the risk."""
        if silent_at is None:
            return []
        today = calendar.day(at)
        shifts = {day + self.fade_days * times for day in book.engagements for times in (1, 2)}
        shifting = min((day for day in shifts if day > today), default=None)
        instants = self.high_from(book, silent_at) + self.medium_from(book)
        if shifting is not None:
            instants.append(calendar.start(shifting))
        return [instant for instant in instants if instant > at]
