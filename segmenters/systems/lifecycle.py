"""System 1, lifecycle (生命周期): the one campaigns live on.

prospect -> new -> active -> silent -> churned, and reactivated after a return. Responsible for the
parameters, the names, and what is stored; the rule itself is ``lifecycle_course.py``, and what late
facts do is ``lifecycle_late.py``.
"""

# ruff: noqa: ARG004 - every system has the same signatures

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

import msgspec

from schemas.vocabulary import MS_PER_DAY
from segmenters.instants import NEVER
from segmenters.system import Label, System
from segmenters.systems.lifecycle_course import (
    enter,
    judge_plainly,
    silence_ahead,
    stage_at,
    stage_ends_at,
    take_engagement,
    take_order,
    take_removal,
)
from segmenters.systems.lifecycle_late import relive, take_at_clock
from segmenters.systems.value_tier import ValueTier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.money import Currencies

Days = Annotated[int, msgspec.Meta(ge=1, le=3650)]
DaysOrOff = Annotated[int, msgspec.Meta(ge=0, le=3650)]
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]
Ratio = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Bounds = Annotated[tuple[Days, Days], msgspec.Meta(description="least and most days")]


class Cadence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Set thresholds by the customer's own rhythm: a quantile of the gaps, stretched and clamped.

    Parameters
    ----------
    quantile
        Which of the customer's gaps between orders, per cent: 50 is the (lower) median.
    silent_pct, churned_pct
        Silent and churned after so many per cent of that gap.
    min_gaps
        With fewer gaps the fixed days hold.
    silent_days, churned_days
        Least and most days; churned is never before silent.
    """

    quantile: Percent = 50
    silent_pct: Ratio = 200
    churned_pct: Ratio = 400
    min_gaps: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    silent_days: Bounds = (14, 365)
    churned_days: Bounds = (28, 730)


class Compiled(NamedTuple):
    """The parameters in milliseconds; 0 where a limit is off.

    ``silent_*`` are per segment of value_tier.
    """

    silent_purchase: tuple[int, ...]
    silent_engagement: tuple[int, ...]
    cadence_engagement: int
    churned_purchase: int
    churned_engagement: int
    new_time: int
    new_orders: int
    reactivated_time: int
    reactivated_orders: int
    wake_engagements: int
    wake_time: int
    cadence: int
    quantile: int
    silent_pct: int
    churned_pct: int
    min_gaps: int
    silent_least: int
    silent_most: int
    churned_least: int
    churned_most: int


class Lifecycle(System, frozen=True, kw_only=True):
    """Say where a customer stands between first contact and loss.

    Parameters
    ----------
    silent_purchase_days, silent_engagement_days
        Silent when neither an order for so many days nor a qualifying engagement for so many; 0
        engagement days: engagement does not count.
    churned_purchase_days, churned_engagement_days
        The same for churned, counting engagement before the silence.
    new_days, new_orders
        ``new`` ends after so many days (0: no limit) or with this order (2: the second; 0: orders
        do not end it).
    reactivated_days, reactivated_orders
        ``reactivated`` likewise, counting orders after the one that woke the customer.
    wake_engagements, wake_days
        So many qualifying engagements within so many days wake a silent customer; 0: only an order
        does. By default 2, and 0 where engagement does not count.
    by_value
        Other pairs of silent days (purchase, engagement) per segment of ``value_tier``, which has
        to be enabled; they are chosen whenever an order is taken or taken back.
    cadence
        Thresholds from the customer's own rhythm of orders, instead of fixed ones, once enough gaps
        are known.

    Examples
    --------
    >>> from schemas.money import Currencies
    >>> from segmenters.checks import features
    >>> rule = Lifecycle(silent_engagement_days=0, churned_engagement_days=0)
    >>> p = rule.compiled(Currencies("GBP", {}))
    >>> day = 86_400_000
    >>> active = rule.segments.index("active")
    >>> f = features(n=3, lifecycle=active, p=0, silent_after=90 * day, churned_after=180 * day)
    >>> [rule.segments[rule.classify(f, p, t)] for t in (90 * day - 1, 90 * day, 180 * day)]
    ['active', 'silent', 'churned']
    >>> rule.deadline(f, p, 0) == 90 * day
    True
    """

    silent_purchase_days: Days = 90
    silent_engagement_days: DaysOrOff = 60
    churned_purchase_days: Days = 180
    churned_engagement_days: DaysOrOff = 120
    new_days: DaysOrOff = 30
    new_orders: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    reactivated_days: DaysOrOff = 30
    reactivated_orders: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    wake_engagements: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    wake_days: Days = 7
    by_value: dict[str, tuple[Days, DaysOrOff]] = msgspec.field(default_factory=dict)
    cadence: Cadence | None = None

    key: ClassVar[str] = "lifecycle"
    number: ClassVar[int] = 1
    title: ClassVar[Label] = Label("生命周期", "Lifecycle")
    lends: ClassVar[tuple[str, ...]] = ("silence_at",)

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments, by code."""
        return ("prospect", "new", "active", "silent", "churned", "reactivated")

    @property
    def labels(self) -> Mapping[str, Label]:
        """The segments' names for people."""
        return {
            "prospect": Label("潜在客户", "Prospect"),
            "new": Label("新客户", "New"),
            "active": Label("活跃客户", "Active"),
            "silent": Label("沉默客户", "Silent"),
            "churned": Label("流失客户", "Churned"),
            "reactivated": Label("已唤醒客户", "Reactivated"),
        }

    @property
    def needs(self) -> tuple[str, ...]:
        """What customers are worth, where that sets their thresholds."""
        return ("value_tier",) if self.by_value else ()

    @property
    def wakes_after(self) -> int:
        """How many engagements wake a customer; 0 where none do."""
        if self.wake_engagements is not None:
            return self.wake_engagements
        return 2 if self.silent_engagement_days else 0

    @property
    def measures(self) -> tuple[str, ...]:
        """The rhythm of orders, where cadence asks for it."""
        return ("gaps",) if self.cadence else ()

    @property
    def state(self) -> tuple[tuple[Any, ...], ...]:
        """What the customer's own past adds to the rule.

        ``silent_after``, ``engaged_after``, ``churned_after``: thresholds fixed at the last order,
        and ``value_then`` what the customer was worth then. ``silent_at``,
        ``quiet_since``, ``wakes``: when the silence began, the last engagement before it, the
        engagements since. ``react_at``, ``react_no``, ``react_n``: the return, the order that made
        it (0: none did), orders since. ``ended_no``, ``ended_from``: the order that ended new or
        reactivated by count, and which of them. ``entered_*``, ``by_time``: when the segment
        began, whether by a deadline, and whether by time alone; then ``was_*`` is what came before.
        """
        # Compiled code names the rhythm with and without cadence: without, two fields of next to
        # nothing stand in.
        stub = () if self.cadence else (("rhythm", "i1", (1,)), ("rhythm_n", "i1"))
        return (
            *stub,
            ("silent_after", "i8"),
            ("churned_after", "i8"),
            ("engaged_after", "i8"),
            ("silent_at", "i8"),
            ("quiet_since", "i8"),
            ("react_at", "i8"),
            ("entered_at", "i8"),
            ("was_at", "i8"),
            ("was_quiet", "i8"),
            ("wakes", "i8", (max(1, self.wakes_after),)),
            ("react_no", "i4"),
            ("react_n", "i4"),
            ("ended_no", "i4"),
            ("value_then", "i1"),
            ("wakes_n", "i1"),
            ("ended_from", "i1"),
            ("was", "i1"),
            ("by_time", "i1"),
            ("entered_clocked", "i1"),
            ("was_clocked", "i1"),
        )

    @property
    def features(self) -> tuple[str, ...]:
        """What tells the stages apart; the rest of the state is for facts that come."""
        return ("silent_after", "churned_after", "engaged_after", "quiet_since", "react_at")

    def check(self) -> list[tuple[str, str]]:
        """Refuse parameters that contradict each other."""
        return [(name, message) for wrong, name, message in self._contradictions() if wrong]

    def _contradictions(self) -> tuple[tuple[bool, str, str], ...]:
        silent, churned = self.silent_engagement_days, self.churned_engagement_days
        rhythm = self.cadence or Cadence()
        return (
            (
                self.churned_purchase_days < self.silent_purchase_days,
                "churned_purchase_days",
                f"must be at least silent_purchase_days ({self.silent_purchase_days})",
            ),
            (
                0 < churned < silent,
                "churned_engagement_days",
                f"must be 0 or at least silent_engagement_days ({silent})",
            ),
            (self.new_orders == 1, "new_orders", "must be 0 (orders do not end new) or at least 2"),
            (
                self.new_days == 0 and self.new_orders == 0,
                "new_days",
                "new_days and new_orders are both 0: new would never end",
            ),
            (
                self.reactivated_days == 0 and self.reactivated_orders == 0,
                "reactivated_days",
                "reactivated_days and reactivated_orders are both 0: reactivated would never end",
            ),
            (
                bool(self.wake_engagements) and silent == 0,
                "wake_engagements",
                "must be 0 where silent_engagement_days is 0: engagement does not count",
            ),
            (
                rhythm.silent_days[0] > rhythm.silent_days[1],
                "cadence.silent_days",
                "the least must not exceed the most",
            ),
            (
                rhythm.churned_days[0] > rhythm.churned_days[1],
                "cadence.churned_days",
                "the least must not exceed the most",
            ),
            *(
                (
                    segment not in ValueTier().segments,
                    f"by_value.{segment}",
                    f"no such segment; expected one of {', '.join(ValueTier().segments)}",
                )
                for segment in self.by_value
            ),
            *(
                (
                    engagement > 0 and silent == 0,
                    f"by_value.{segment}",
                    "must have 0 engagement days where silent_engagement_days is 0",
                )
                for segment, (_, engagement) in self.by_value.items()
            ),
        )

    def compiled(self, currencies: Currencies) -> Compiled:  # noqa: ARG002  - no money in it
        """Return the parameters in milliseconds."""
        rhythm = self.cadence or Cadence()
        fixed = (self.silent_purchase_days, self.silent_engagement_days)
        pairs = [self.by_value.get(segment, fixed) for segment in ValueTier().segments]
        return Compiled(
            silent_purchase=tuple(purchase * MS_PER_DAY for purchase, _ in pairs),
            silent_engagement=tuple(engagement * MS_PER_DAY for _, engagement in pairs),
            cadence_engagement=self.silent_engagement_days * MS_PER_DAY,
            churned_purchase=self.churned_purchase_days * MS_PER_DAY,
            churned_engagement=self.churned_engagement_days * MS_PER_DAY,
            new_time=self.new_days * MS_PER_DAY,
            new_orders=self.new_orders,
            reactivated_time=self.reactivated_days * MS_PER_DAY,
            reactivated_orders=self.reactivated_orders,
            wake_engagements=self.wakes_after,
            wake_time=self.wake_days * MS_PER_DAY,
            cadence=int(self.cadence is not None),
            quantile=rhythm.quantile,
            silent_pct=rhythm.silent_pct,
            churned_pct=rhythm.churned_pct,
            min_gaps=rhythm.min_gaps,
            silent_least=rhythm.silent_days[0] * MS_PER_DAY,
            silent_most=rhythm.silent_days[1] * MS_PER_DAY,
            churned_least=rhythm.churned_days[0] * MS_PER_DAY,
            churned_most=rhythm.churned_days[1] * MS_PER_DAY,
        )

    @staticmethod
    def classify(f: Any, p: Any, t: int) -> int:
        """Follow time from the segment a fact has left the customer in."""
        return stage_at(f, p, t)

    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int:
        """Return the instant of silence, churn or graduation, whichever comes first."""
        return stage_ends_at(f, p)

    @staticmethod
    def silence_at(row: Any, p: Any) -> int:
        """Return when the customer falls silent if nothing happens; FAR for who is, or never."""
        return silence_ahead(row)

    @staticmethod
    def briefed(row: Any, f: Any, p: Any) -> None:
        """Note what the customer is worth, in case thresholds are to be fixed."""
        row.value_then = f.value_tier

    @staticmethod
    def on_order(row: Any, p: Any, t: int, number: int) -> None:
        """Begin, wake or graduate, and fix the thresholds that hold until the next order."""
        take_order(row, p, t, t, number)

    @staticmethod
    def on_engagement(row: Any, p: Any, t: int, qualifies: bool) -> None:
        """Wake a silent customer, if this engagement is the last that it takes."""
        if qualifies:
            take_engagement(row, p, t)

    @staticmethod
    def on_void(
        row: Any, orders: Any, p: Any, t: int, number: int, order_ts: int, moved: bool
    ) -> None:
        """Take back what a removed order did."""
        take_removal(row, orders, p, t, number, order_ts, moved)

    @staticmethod
    def entered(
        row: Any, f: Any, p: Any, t: int, before: int, moved: int, after: int, clocked: bool
    ) -> None:
        """Note when, and what the silence began with."""
        enter(row, t, before, moved, after, clocked)

    @staticmethod
    def renew(row: Any, p: Any, t: int) -> None:
        """Fix the thresholds anew, and say what they make of the customer."""
        judge_plainly(row, p, t)

    @staticmethod
    def undo(row: Any, orders: Any, p: Any, deed: Any, clock: int) -> bool:
        """Undo the last change, if a late fact disproves it."""
        return relive(row, orders, p, deed, clock)

    @staticmethod
    def on_late(row: Any, orders: Any, p: Any, deed: Any, clock: int) -> None:
        """Take a late fact that undoes nothing."""
        take_at_clock(row, orders, p, deed, clock)

    @staticmethod
    def looked_at(f: Any, p: Any, t: int) -> dict[str, int]:
        """Return orders, the last purchase and engagement, and the thresholds in days."""
        looked = {"n": f.n, "p": f.p, "silent_days": f.silent_after // MS_PER_DAY}
        if f.n:
            looked["days_without_order"] = (t - f.p) // MS_PER_DAY
        if f.engaged_after and f.e != NEVER:
            looked["e"] = f.e
            looked["days_without_engagement"] = (t - f.e) // MS_PER_DAY
        return looked
