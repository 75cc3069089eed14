"""Decide the segments of lifecycle, monetary_tier and rfm from a re-read book.

Responsible for the rules of three systems, typed a second time from their description; it must not
share a line, a table or a default with the engine's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from segmenters.oracle.book import CANCEL, DAY_MS, ENGAGEMENT, ORDER, REFUND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segmenters.oracle.book import Book, Fact

WINDOW_DAYS = 365
LIVELY = ("new", "active", "reactivated")
LATCHED = ("silent", "churned")


@dataclass(frozen=True, slots=True)
class Life:
    """Remember the path of one customer through the lifecycle: what no list of facts can tell.

    Places are numbers of applied facts: `silence_place` facts had been applied when the silence
    began, `react_place` when the reactivation had been judged. `react_order` and `ended_by` are the
    arrival numbers of the order that reactivated and of the one that ended `ended_from` by count;
    the engagements whose arrival numbers are in `uncounted` came late and count to no wake-up.
    `before` is the path as it was before the last change.
    """

    segment: str
    since: int
    by_time: bool = False
    cause: str = "event"
    engaged_before: int | None = None
    silent_since: int = 0
    silence_place: int = 0
    uncounted: frozenset[int] = frozenset()
    react_at: int = 0
    react_place: int = 0
    react_order: int | None = None
    ended_by: int | None = None
    ended_from: str = ""
    before: Life | None = None


class Lifecycle:
    """Judge the lifecycle; parameters and their defaults as documented."""

    key = "lifecycle"
    names = ("prospect", "new", "active", "silent", "churned", "reactivated")

    def __init__(self, table: Mapping[str, Any]) -> None:
        def days(name: str, default: int) -> int:
            return int(table.get(name, default)) * DAY_MS

        self.silent_purchase = days("silent_purchase_days", 90)
        self.silent_engagement = days("silent_engagement_days", 60)
        self.churned_purchase = days("churned_purchase_days", 180)
        self.churned_engagement = days("churned_engagement_days", 120)
        self.new_time = days("new_days", 30)
        self.new_orders = int(table.get("new_orders", 0))
        self.reactivated_time = days("reactivated_days", 30)
        self.reactivated_orders = int(table.get("reactivated_orders", 0))
        self.wake_engagements = int(
            table.get("wake_engagements", 2 if self.silent_engagement else 0)
        )
        self.wake_time = days("wake_days", 7)
        self.cadence = table.get("cadence")  # a table, even an empty one, switches it on
        self.by_value = {
            value: (int(pair[0]) * DAY_MS, int(pair[1]) * DAY_MS)
            for value, pair in table.get("by_value", {}).items()
        }

    def figures(self, book: Book) -> tuple[int, int, int]:
        """Give S, C and the engagement figure that goes with S, in ms."""
        cadence = self.cadence
        gaps = sorted(book.gaps()) if cadence is not None else []
        if cadence is None or len(gaps) < cadence.get("min_gaps", 3):
            fixed = self.silent_purchase, self.silent_engagement
            silent, engagement = self.by_value.get(book.value or "", fixed)
            return silent, max(self.churned_purchase, silent), engagement
        position = -(-len(gaps) * cadence.get("quantile", 50) // 100)
        gap = gaps[max(position, 1) - 1]
        low, high = cadence.get("silent_days", [14, 365])
        silent = gap * cadence.get("silent_pct", 200) // 100
        silent = min(max(silent, low * DAY_MS), high * DAY_MS)
        low, high = cadence.get("churned_days", [28, 730])
        churned = gap * cadence.get("churned_pct", 400) // 100
        churned = max(min(max(churned, low * DAY_MS), high * DAY_MS), silent)
        return silent, churned, min(self.silent_engagement, silent)

    def silent_at(self, book: Book) -> int:
        """Name the instant at which the silence begins if nothing happens."""
        return self.silent_after(book, book.engaged)

    def silent_after(self, book: Book, engaged: int | None) -> int:
        """Name that instant for one whose last engagement before it is `engaged`."""
        silent, _, engagement = self.figures(book)
        instant = book.net[-1].ts + silent
        if engagement and engaged is not None:
            instant = max(instant, engaged + engagement)
        return instant

    def churned_at(self, book: Book, engaged_before: int | None) -> int:
        """Name the instant at which a silent customer is churned."""
        _, churned, _ = self.figures(book)
        instant = book.net[-1].ts + churned
        if self.churned_engagement and engaged_before is not None:
            instant = max(instant, engaged_before + self.churned_engagement)
        return instant

    def deadlines(self, life: Life, book: Book) -> list[int]:
        """List the instants at which time alone will change the segment."""
        if life.segment == "silent":
            return [self.churned_at(book, life.engaged_before)]
        if life.segment not in LIVELY:
            return []
        ends = [self.silent_at(book)]
        if life.segment == "new" and self.new_time:
            ends.append(book.first + self.new_time)
        if life.segment == "reactivated" and self.reactivated_time:
            ends.append(life.react_at + self.reactivated_time)
        return ends

    def by_time(self, life: Life, book: Book, at: int, place: int) -> Life:
        """Judge what time alone has done by `at`: silence first, then graduation."""
        if life.segment in LIVELY and at >= self.silent_at(book):
            return self.silence(life, book, at, place)
        if life.segment == "silent" and at >= self.churned_at(book, life.engaged_before):
            return replace(life, segment="churned")
        if life.segment == "new" and self.new_time and at >= book.first + self.new_time:
            return replace(life, segment="active", ended_by=None)
        over = life.react_at + self.reactivated_time
        if life.segment == "reactivated" and self.reactivated_time and at >= over:
            return replace(life, segment="active", ended_by=None)
        return life

    def silence(self, life: Life, book: Book, at: int, place: int) -> Life:
        """Enter silent, or churned where that holds too; remember the engagement before it."""
        churned = at >= self.churned_at(book, book.engaged)
        return replace(
            life,
            segment="churned" if churned else "silent",
            engaged_before=book.engaged,
            silent_since=at,
            silence_place=place,
            ended_by=None,
        )

    def plain(self, life: Life, book: Book, at: int, place: int) -> Life:
        """Judge by these rules what was judged by others, from what is remembered.

        The silence counts from the last order and the last engagement before it. One who is not
        silent by these rules is what the last return has made, or else the first order.
        """
        if not book.orders:
            return Life("prospect", at)
        life = replace(life, ended_by=None, by_time=False, before=None)
        latched = life.segment in LATCHED
        engaged = life.engaged_before if latched else book.engaged
        if at >= self.silent_after(book, engaged):
            return replace(
                life,
                segment="churned" if at >= self.churned_at(book, engaged) else "silent",
                engaged_before=engaged,
                silent_since=life.silent_since if latched else at,
                silence_place=place,
            )
        stage, orders, enough = "new", book.orders, self.new_orders
        if life.react_at:
            stage, orders = "reactivated", self.orders_since(life, book)
            enough = self.reactivated_orders
        if enough and orders >= enough:
            stage = "active"
        return self.by_time(replace(life, segment=stage), book, at, place)

    def after_fact(
        self, life: Life | None, facts: Sequence[Fact], before: Book, book: Book, at: int
    ) -> Life | None:
        """Judge the last of `facts` alone at `at`, before what time did; `before` is without it."""
        fact = facts[-1]
        if life is None:
            if fact.kind in (REFUND, CANCEL):
                return None
            return Life("prospect" if fact.kind == ENGAGEMENT else "new", at)
        if fact.kind == ORDER:
            return self._after_order(life, facts, before, book, at)
        if fact.kind == ENGAGEMENT:
            return self._after_engagement(life, facts, at)
        return self._after_removal(life, facts, before, book, at) if book.removed else life

    def _after_order(
        self, life: Life, facts: Sequence[Fact], before: Book, book: Book, at: int
    ) -> Life:
        arrival = len(facts) - 1
        if not before.orders:
            return Life("new", at)
        if life.segment in LATCHED:
            return replace(
                life,
                segment="reactivated",
                react_at=at,
                react_order=arrival,
                react_place=len(facts),
                ended_by=None,
            )
        by_count = (
            life.segment == "new" and self.new_orders and book.orders >= self.new_orders
        ) or (
            life.segment == "reactivated"
            and self.reactivated_orders
            and self.orders_since(life, book) >= self.reactivated_orders
        )
        if by_count:
            return replace(life, segment="active", ended_by=arrival, ended_from=life.segment)
        return life

    def orders_since(self, life: Life, book: Book) -> int:
        """Count the net orders since the reactivation, without the one that made it."""
        return sum(o.arrival >= life.react_place and o.ts >= life.react_at for o in book.net)

    def _after_engagement(self, life: Life, facts: Sequence[Fact], at: int) -> Life:
        if life.segment not in LATCHED or not self.wake_engagements or not facts[-1].qualifies:
            return life
        since = [
            fact.ts
            for arrival, fact in enumerate(facts)
            if arrival >= life.silence_place and arrival not in life.uncounted
            if fact.kind == ENGAGEMENT and fact.qualifies
        ]
        if len(since) < self.wake_engagements:
            return life
        if since[-1] >= since[-self.wake_engagements] + self.wake_time:
            return life
        return replace(
            life,
            segment="reactivated",
            react_at=at,
            react_order=None,
            react_place=len(facts),
            ended_by=None,
        )

    def _after_removal(
        self, life: Life, facts: Sequence[Fact], before: Book, book: Book, at: int
    ) -> Life:
        gone = book.removed.arrival if book.removed else None
        if not book.orders:
            return Life("prospect", at)
        if life.segment == "reactivated" and life.react_order == gone:
            followers = [
                o for o in book.net if o.arrival >= life.react_place and o.ts >= life.react_at
            ]
            if followers:  # without the removed order the next one would have woken the customer
                heir = min(followers, key=lambda o: (o.ts, o.arrival))
                return replace(
                    life, react_at=heir.ts, react_order=heir.arrival, react_place=heir.arrival + 1
                )
            churned = at >= self.churned_at(book, life.engaged_before)
            return replace(
                life,
                segment="churned" if churned else "silent",
                silent_since=at,
                silence_place=len(facts),
            )
        moved = book.last != before.last
        if moved and life.segment in LIVELY and at >= self.silent_at(book):
            return self.silence(life, book, at, len(facts))
        if life.segment == "active" and life.ended_by == gone:
            return self._ungraduate(life, book, at)
        return life

    def _ungraduate(self, life: Life, book: Book, at: int) -> Life:
        if life.ended_from == "new":
            start, length = book.first, self.new_time
            enough = book.orders >= self.new_orders  # orders since then stand in for it
        else:
            start, length = life.react_at, self.reactivated_time
            enough = self.orders_since(life, book) >= self.reactivated_orders
        over = length and at >= start + length
        return life if over or enough else replace(life, segment=life.ended_from, ended_by=None)


class MonetaryTier:
    """Judge the money tier: up at the threshold, down below `down_ratio` of it."""

    key = "monetary_tier"
    names = ("none", "small", "medium", "large")

    def __init__(self, table: Mapping[str, Any], minor: int = 100) -> None:
        thresholds = {"large": 10_000, "medium": 1_000} | dict(table.get("thresholds", {}))
        self.bounds = (
            Decimal(str(thresholds["medium"])) * minor,
            Decimal(str(thresholds["large"])) * minor,
        )
        self.down_ratio = Decimal(str(table.get("down_ratio", "0.9")))

    def judge(self, present: str | None, spend: int) -> str:
        """Name the tier of `spend` minor units for a customer told to be in `present`."""
        medium, large = self.bounds
        plain = 3 if spend >= large else 2 if spend >= medium else 1 if spend > 0 else 0
        if present is None or plain >= self.names.index(present):
            return self.names[plain]
        rank = self.names.index(present)
        keeps = {3: large * self.down_ratio, 2: medium * self.down_ratio, 1: Decimal(1)}
        while rank and spend < keeps[rank]:  # one minor unit keeps small
            rank -= 1
        return self.names[rank]


MAP_A = {
    "champions": "54 55", "loyal": "34 35 44 45", "potential_loyalist": "42 43 52 53", "new": "51",
    "promising": "41", "need_attention": "33", "about_to_sleep": "31 32", "cannot_lose": "15 25",
    "at_risk": "13 14 23 24", "hibernating": "11 12 21 22",
}  # fmt: skip
MAP_B = {
    "champions": "555 554 544 545 454 455 445",
    "loyal": "543 444 435 355 354 345 344 335",
    "potential_loyalist": "553 551 552 541 542 533 532 531 452 451 442 441 431 453 433 432 423 353"
    " 352 351 342 341 333 323",
    "new": "512 511 422 421 412 411 311",
    "promising": "525 524 523 522 521 515 514 513 425 424 413 414 415 315 314 313",
    "need_attention": "535 534 443 434 343 334 325 324",
    "about_to_sleep": "331 321 312 221 213 231 241 251",
    "at_risk": "255 254 245 244 253 252 243 242 235 234 225 224 153 152 145 143 142 135 134 133 125"
    " 124",
    "cannot_lose": "155 154 144 214 215 115 114 113",
    "hibernating": "332 322 233 232 223 222 132 123 122 212 211",
    "lost": "111 112 121 131 141 151",
}


def _cells(by_name: Mapping[str, str]) -> dict[str, str]:
    return {cell: name for name, cells in by_name.items() for cell in cells.split()}


class Rfm:
    """Score recency, frequency and money from 1 to 5 and name the cell of the map in force."""

    key = "rfm"

    def __init__(self, table: Mapping[str, Any], minor: int = 100) -> None:
        self.ages = [int(days) * DAY_MS for days in table.get("recency_days", [30, 60, 90, 180])]
        self.frequency = list(table.get("frequency", [12, 6, 3, 2]))
        self.monetary = [
            Decimal(str(major)) * minor
            for major in table.get("monetary", [10_000, 3_000, 1_000, 200])
        ]
        self.map = table.get("map", "A")
        self.cells = _cells(MAP_B if self.map == "B" else MAP_A)

    @property
    def names(self) -> set[str]:
        """Name all segments of the map in force."""
        eight = {a + b + c for a in "hl" for b in "hl" for c in "hl"}
        return {"none"} | (eight if self.map == "C" else set(self.cells.values()))

    def scores(self, book: Book, today: int, at: int) -> tuple[int, int, int]:
        """Give R, F and M at the instant `at`, on the local day `today`."""
        age = at - book.net[-1].ts
        orders = book.orders_within(WINDOW_DAYS, today)
        spend = book.spend_within(WINDOW_DAYS, today)
        return (
            5 - sum(age >= bound for bound in self.ages),
            1 + sum(orders >= bound for bound in self.frequency),
            1 + sum(spend >= bound for bound in self.monetary),
        )

    def judge(self, book: Book, today: int, at: int) -> str:
        """Name the segment at the instant `at`."""
        if not book.orders:
            return "none"
        r, f, m = self.scores(book, today, at)
        if self.map == "C":
            return "".join("h" if score >= 3 else "l" for score in (r, f, m))
        return self.cells[f"{r}{f}{m}" if self.map == "B" else f"{r}{f}"]

    def deadlines(self, book: Book) -> list[int]:
        """List the instants at which the age of the last order loses a point."""
        return [book.net[-1].ts + age for age in self.ages] if book.orders else []
