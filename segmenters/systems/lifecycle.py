"""System 1, lifecycle (生命周期): the one campaigns live on.

prospect -> new -> active -> silent -> churned, and reactivated after a return. Responsible for this
one rule; it must not know how orders and engagements are remembered.
"""

# ruff: noqa: ARG004 - every system has the same signatures

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, NamedTuple

import msgspec
from numba.extending import register_jitable

from schemas.vocabulary import MS_PER_DAY
from segmenters.instants import FAR, NEVER
from segmenters.measures.gaps import gap_quantile
from segmenters.system import Label, System

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.money import Currencies

PROSPECT: Final = 0
NEW: Final = 1
ACTIVE: Final = 2
SILENT: Final = 3
CHURNED: Final = 4
REACTIVATED: Final = 5

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
    """The parameters in milliseconds; 0 where a limit is off."""

    silent_purchase: int
    silent_engagement: int
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
        Other pairs of silent days per value segment; needs ``value_tier``.
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
    >>> f = features(n=3, p=0, lifecycle=ACTIVE, silent_after=90 * day, churned_after=180 * day)
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

        ``silent_after``, ``churned_after``: thresholds fixed at the last order. ``quiet_since``:
        last engagement before the silence. ``react_at``: the return; ``react_ts``, ``react_id``:
        the order that made it, if one did; ``react_n``: orders since. ``ended_*``: the order that
        ended new or reactivated by count, and which of them. ``wakes``: engagements since the
        silence began.
        """
        # Compiled code names the rhythm with and without cadence: without, two fields of next to
        # nothing stand in.
        stub = () if self.cadence else (("rhythm", "i8", (1,)), ("rhythm_n", "i4"))
        return (
            *stub,
            ("silent_after", "i8"),
            ("churned_after", "i8"),
            ("quiet_since", "i8"),
            ("react_at", "i8"),
            ("react_ts", "i8"),
            ("react_id", "i8"),
            ("ended_ts", "i8"),
            ("ended_id", "i8"),
            ("wakes", "i8", (max(1, self.wakes_after),)),
            ("wakes_n", "i4"),
            ("react_n", "i4"),
            ("ended_from", "i4"),
        )

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
            (
                bool(self.by_value),
                "by_value",
                "needs the system value_tier, which this version does not have; remove the table",
            ),
        )

    def compiled(self, currencies: Currencies) -> Compiled:  # noqa: ARG002  - no money in it
        """Return the parameters in milliseconds."""
        rhythm = self.cadence or Cadence()
        return Compiled(
            silent_purchase=self.silent_purchase_days * MS_PER_DAY,
            silent_engagement=self.silent_engagement_days * MS_PER_DAY,
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
        stage = f.lifecycle
        if f.n == 0:
            return PROSPECT
        if stage == CHURNED:
            return CHURNED
        if stage == SILENT:
            return CHURNED if t >= churn_at(f, p, f.quiet_since) else SILENT
        if t >= silence_at(f, p):
            return CHURNED if t >= churn_at(f, p, f.e) else SILENT
        if t >= graduation_at(f, p):
            return ACTIVE
        return int(stage)

    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int:
        """Silence, churn or graduation, whichever comes first from here."""
        stage = f.lifecycle
        if stage in (PROSPECT, CHURNED):
            return FAR
        if stage == SILENT:
            return churn_at(f, p, f.quiet_since)
        return min(silence_at(f, p), graduation_at(f, p))

    @staticmethod
    def on_order(row: Any, p: Any, t: int, order: int) -> None:
        """Begin, wake or graduate, and fix the thresholds that hold until the next order."""
        fix_thresholds(row, p)
        stage = row.lifecycle
        if stage in (SILENT, CHURNED):
            wake(row, t)
            row.react_ts = t
            row.react_id = order
        elif stage == NEW:
            if p.new_orders > 0 and row.n >= p.new_orders:
                end_by_count(row, t, order, NEW)
        elif stage == REACTIVATED:
            row.react_n += 1
            if p.reactivated_orders > 0 and row.react_n >= p.reactivated_orders:
                end_by_count(row, t, order, REACTIVATED)
        elif stage != ACTIVE:
            row.lifecycle = NEW

    @staticmethod
    def on_engagement(row: Any, p: Any, t: int, qualifies: bool) -> None:
        """Count engagements of a silent customer: enough of them within a short time wake."""
        stage = row.lifecycle
        if not qualifies or p.wake_engagements == 0 or stage not in (SILENT, CHURNED):
            return
        if row.wakes_n == p.wake_engagements:
            for k in range(row.wakes_n - 1):
                row.wakes[k] = row.wakes[k + 1]
            row.wakes_n -= 1
        row.wakes[row.wakes_n] = t
        row.wakes_n += 1
        if row.wakes_n == p.wake_engagements and t < row.wakes[0] + p.wake_time:
            wake(row, t)

    @staticmethod
    def on_void(row: Any, p: Any, t: int, order_ts: int, order: int, moved: bool) -> None:
        """Take back what a removed order did: the return it made, or the end of a stage."""
        if row.n == 0:
            return
        if moved:
            fix_thresholds(row, p)
        stage = row.lifecycle
        made_return = order_ts == row.react_ts and order == row.react_id
        if stage == REACTIVATED and made_return:
            if row.react_n > 0:
                follow_up(row)
            else:
                row.lifecycle = SILENT
                row.wakes_n = 0
            return
        if not made_return and order_ts >= row.react_at and row.react_n > 0:
            row.react_n -= 1
        if stage == ACTIVE and order_ts == row.ended_ts and order == row.ended_id:
            if row.ended_from == NEW:
                short = row.n < p.new_orders
            else:
                short = row.react_n < p.reactivated_orders
            if short:
                row.lifecycle = row.ended_from
                row.ended_id = 0

    @staticmethod
    def entered(row: Any, f: Any, p: Any, t: int, before: int, after: int) -> None:
        """Note what the silence began with."""
        row.ended_id = 0
        if after in (SILENT, CHURNED) and before != SILENT:
            row.quiet_since = row.e
            row.wakes_n = 0

    @staticmethod
    def looked_at(f: Any, p: Any, t: int) -> dict[str, int]:
        """Return orders, the last purchase and engagement, and the thresholds in days."""
        looked = {"n": f.n, "p": f.p, "silent_days": f.silent_after // MS_PER_DAY}
        if f.n:
            looked["days_without_order"] = (t - f.p) // MS_PER_DAY
        if p.silent_engagement and f.e != NEVER:
            looked["e"] = f.e
            looked["days_without_engagement"] = (t - f.e) // MS_PER_DAY
        return looked


@register_jitable
def silence_at(f: Any, p: Any) -> int:
    """Return the instant at which a customer who does nothing more falls silent."""
    instant = f.p + f.silent_after
    if p.silent_engagement > 0:
        patience = p.silent_engagement
        if p.cadence:
            patience = min(patience, f.silent_after)
        instant = max(instant, f.e + patience)
    return int(instant)


@register_jitable
def churn_at(f: Any, p: Any, engaged: int) -> int:
    """Return the instant at which a customer, silent since after ``engaged``, is lost."""
    instant = f.p + f.churned_after
    if p.churned_engagement > 0:
        instant = max(instant, engaged + p.churned_engagement)
    return int(instant)


@register_jitable
def graduation_at(f: Any, p: Any) -> int:
    """Return the instant at which new or reactivated ends by time."""
    if f.lifecycle == NEW and p.new_time > 0:
        return int(f.p0 + p.new_time)
    if f.lifecycle == REACTIVATED and p.reactivated_time > 0:
        return int(f.react_at + p.reactivated_time)
    return FAR


@register_jitable
def fix_thresholds(row: Any, p: Any) -> None:
    """Fix the silent and churned thresholds of the customer as of the last order."""
    row.silent_after = p.silent_purchase
    row.churned_after = p.churned_purchase
    if p.cadence and row.rhythm_n > p.min_gaps:
        gap = gap_quantile(row, p.quantile)
        silent = min(max(gap * p.silent_pct // 100, p.silent_least), p.silent_most)
        churned = min(max(gap * p.churned_pct // 100, p.churned_least), p.churned_most)
        row.silent_after = silent
        row.churned_after = max(churned, silent)


@register_jitable
def wake(row: Any, t: int) -> None:
    """Bring a silent or churned customer back."""
    row.lifecycle = REACTIVATED
    row.react_at = t
    row.react_id = 0
    row.react_n = 0
    row.ended_id = 0


@register_jitable
def follow_up(row: Any) -> None:
    """Let the order after a removed return take its place: it would have woken the customer."""
    k = 0
    while row.order_ts[k] < row.react_ts:
        k += 1
    row.react_at = row.order_ts[k]
    row.react_ts = row.order_ts[k]
    row.react_id = row.order_id[k]
    row.react_n -= 1


@register_jitable
def end_by_count(row: Any, t: int, order: int, stage: int) -> None:
    """Graduate a customer by an order, remembering which, in case it is taken back."""
    row.lifecycle = ACTIVE
    row.ended_ts = t
    row.ended_id = order
    row.ended_from = stage
