"""System 8, churn_risk (流失风险): who is about to fall silent, by the customer's own rhythm.

Responsible for this one rule. It must not know how days are remembered, nor when silence begins:
the lifecycle lends it that.
"""

# ruff: noqa: ARG004 - every system has the same signatures

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, NamedTuple

import msgspec
import numpy as np

from schemas.vocabulary import MS_PER_DAY
from segmenters.calendar import day_start
from segmenters.instants import FAR
from segmenters.jitable import jitable
from segmenters.pools import END
from segmenters.system import NONE_LABEL, DampedSystem, Label
from segmenters.systems.lifecycle_course import ACTIVE, NEW, REACTIVATED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.money import Currencies

NONE: Final = 0
LOW: Final = 1
MEDIUM: Final = 2
HIGH: Final = 3

Days = Annotated[int, msgspec.Meta(ge=1, le=3650)]
Times = Annotated[int, msgspec.Meta(ge=1, le=100)]


class Compiled(NamedTuple):
    """The parameters in milliseconds; ``fade_days`` in days."""

    high_gaps: int
    high_least: int
    medium_gaps: int
    medium_least: int
    medium_time: int
    before_silence: int
    fade_days: int
    fade_events: int
    fade_pct: int


class ChurnRisk(DampedSystem, frozen=True, kw_only=True):
    """Say how likely a customer who is not silent yet will soon be.

    G is the customer's usual gap between days with orders (`segmenters.measures.day_gaps`); where
    it is unknown, what names it does not hold.

    Parameters
    ----------
    high_gaps, high_least_days
        High once nothing was bought for so many times G, and for so many days.
    medium_gaps, medium_least_days
        Medium likewise.
    medium_days
        Medium once nothing was bought for so many days, whatever G.
    before_silence_days
        High from so many days before the instant at which the lifecycle turns silent.
    fade_days, fade_events, fade_pct
        High while engagement fades: the last so many days had at most so many per cent of the
        qualifying engagements of those before, which had so many or more.

    Examples
    --------
    >>> from segmenters.checks import features
    >>> from schemas.money import Currencies
    >>> rule, day = ChurnRisk(), 86_400_000
    >>> p = rule.compiled(Currencies("GBP", {}))
    >>> f = features(lifecycle=2, p=0, gap=10, lifecycle_silence_at=90 * day, fade_from=FAR)
    >>> [rule.segments[rule.classify(f, p, at * day)] for at in (19, 20, 30)]
    ['low', 'medium', 'high']
    """

    high_gaps: Times = 3
    high_least_days: Days = 14
    medium_gaps: Times = 2
    medium_least_days: Days = 7
    medium_days: Days = 90
    before_silence_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 15
    fade_days: Annotated[int, msgspec.Meta(ge=1, le=180)] = 30
    fade_events: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 5
    fade_pct: Annotated[int, msgspec.Meta(ge=0, le=99)] = 30

    key: ClassVar[str] = "churn_risk"
    number: ClassVar[int] = 8
    title: ClassVar[Label] = Label("流失风险", "Churn risk")
    borrows: ClassVar[tuple[tuple[str, str], ...]] = (("lifecycle", "silence_at"),)

    @property
    def needs(self) -> tuple[str, ...]:
        """The lifecycle: only who is not silent can be at risk of it."""
        return ("lifecycle",)

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments, by code."""
        return ("none", "low", "medium", "high")

    @property
    def labels(self) -> Mapping[str, Label]:
        """The segments' names for people."""
        return {
            "none": NONE_LABEL,
            "low": Label("低流失风险", "Low"),
            "medium": Label("中流失风险", "Medium"),
            "high": Label("高流失风险", "High"),
        }

    @property
    def measures(self) -> tuple[str, ...]:
        """The usual gap, and engagements by day."""
        return ("day_gaps", "engaged")

    @property
    def engaged_days(self) -> int:
        """The days that are compared, and those they are compared with."""
        return 2 * self.fade_days

    @property
    def features(self) -> tuple[str, ...]:
        """The usual gap in days; -1 where it is unknown."""
        return ("gap",)

    @property
    def surveyed(self) -> tuple[str, ...]:
        """The next span of time in which engagement fades, or the present one."""
        return ("fade_from", "fade_until")

    def check(self) -> list[tuple[str, str]]:
        """Refuse a medium risk that begins after the high one."""
        if self.medium_gaps > self.high_gaps:
            return [("medium_gaps", f"must be at most high_gaps ({self.high_gaps})")]
        if self.medium_least_days > self.high_least_days:
            most = f"must be at most high_least_days ({self.high_least_days})"
            return [("medium_least_days", most)]
        return []

    def compiled(self, currencies: Currencies) -> Compiled:  # noqa: ARG002  - no money in it
        """Return the parameters in milliseconds."""
        return Compiled(
            self.high_gaps * MS_PER_DAY,
            self.high_least_days * MS_PER_DAY,
            self.medium_gaps * MS_PER_DAY,
            self.medium_least_days * MS_PER_DAY,
            self.medium_days * MS_PER_DAY,
            self.before_silence_days * MS_PER_DAY,
            self.fade_days,
            self.fade_events,
            self.fade_pct,
        )

    @staticmethod
    def classify(f: Any, p: Any, t: int) -> int:
        """Look at the rhythm, the coming silence, and whether engagement fades."""
        if f.lifecycle not in (NEW, ACTIVE, REACTIVATED):
            return NONE
        if t >= high_at(f, p) or f.fade_from <= t < f.fade_until:
            return HIGH
        return MEDIUM if t >= medium_at(f, p) else LOW

    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int:
        """Return the next of the instants at which a risk begins, or engagement ends to fade."""
        if f.lifecycle not in (NEW, ACTIVE, REACTIVATED):
            return FAR
        due = FAR
        for instant in (high_at(f, p), medium_at(f, p), f.fade_from, f.fade_until):
            if t < instant < due:
                due = instant
        return int(due)

    @staticmethod
    def survey(row: Any, pool: Any, today: int, starts: Any, p: Any) -> Any:
        """Find when engagement fades next, if none comes."""
        return fading(row, pool, today, starts, p)

    @staticmethod
    def looked_at(f: Any, p: Any, t: int) -> dict[str, int]:
        """Return the last order, the usual gap, and when silence begins."""
        looked = {"n": f.n, "p": f.p}
        if f.n:
            looked["days_without_order"] = (t - f.p) // MS_PER_DAY
        if f.gap >= 0:
            looked["usual_gap_days"] = f.gap
        if f.lifecycle_silence_at < FAR:
            looked["silence_at"] = f.lifecycle_silence_at
        if f.fade_from <= t < f.fade_until:
            looked["engagement_fades_until"] = f.fade_until
        return looked


@jitable
def high_at(f: Any, p: Any) -> int:
    """Return from when on the risk is high, if nothing happens and engagement does not fade."""
    instant = FAR
    if f.lifecycle_silence_at < FAR:
        instant = f.lifecycle_silence_at - p.before_silence
    if f.gap >= 0:
        instant = min(instant, f.p + max(f.gap * p.high_gaps, p.high_least))
    return int(instant)


@jitable
def medium_at(f: Any, p: Any) -> int:
    """Return from when on it is at least medium."""
    instant = f.p + p.medium_time
    if f.gap >= 0:
        instant = min(instant, f.p + max(f.gap * p.medium_gaps, p.medium_least))
    return int(instant)


@jitable
def fading(row: Any, pool: Any, today: int, starts: Any, p: Any) -> tuple[int, int]:
    """Return the first span of days, from today on, in which engagement fades if none comes.

    Returns
    -------
    begin, end
        Instants; the span that lasts begins today. FAR and FAR where there is none.
    """
    days, span = p.fade_days, 2 * p.fade_days
    by_age = np.zeros(span, np.int64)
    k = row.head
    while k != END and today - pool[k].day < span:
        age = today - pool[k].day
        if age >= 0:
            by_age[age] += pool[k].engaged
        k = pool[k].next
    recent = by_age[:days].sum()
    earlier = by_age[days:].sum()
    if recent + earlier < p.fade_events:
        return FAR, FAR
    begun = -1
    for later in range(span + 1):
        fades = earlier >= p.fade_events and 100 * recent <= p.fade_pct * earlier
        if fades and begun < 0:
            begun = later
        if begun >= 0 and not fades:
            return day_start(today + begun, starts), day_start(today + later, starts)
        # A day later the last of the recent days is one of the earlier, and the last of these gone.
        if later < days:
            recent -= by_age[days - 1 - later]
            earlier += by_age[days - 1 - later]
        if later < span:
            earlier -= by_age[span - 1 - later]
    return FAR, FAR
