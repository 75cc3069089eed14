"""System 15, value_tier (客户价值): what a customer was worth in the last 365 days.

Responsible for this one rule and for what profit is worked out by. It must not know how spend and
profit are remembered.
"""

# ruff: noqa: ARG004 - every system has the same signatures

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

import msgspec

from schemas.profits import Margins
from segmenters.instants import FAR
from segmenters.system import DampedSystem, Label
from segmenters.systems.tiers import NONE, Bounds, bounds, faults, tier_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.money import Currencies

Category = Annotated[str, msgspec.Meta(min_length=1)]


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Value from which a tier begins, in major units of the base currency."""

    high: Decimal = Decimal(5_000)
    mid: Decimal = Decimal(500)


class Compiled(NamedTuple):
    """The bounds in minor units, and whether profit is what counts."""

    bounds: Bounds
    profit: int


class ValueTier(DampedSystem, frozen=True, kw_only=True):
    """Sort customers by their worth into high, mid and low, with hysteresis on the way down.

    Parameters
    ----------
    basis
        What counts: ``"spend"``, M(365), or ``"profit"``, P(365).
    thresholds
        ``high`` and ``mid``: value from which the tier begins, base currency, major units.
    down_ratio
        A customer leaves a tier downwards below this share of its threshold, tier by tier. The
        first judgement is plain.
    margin
        Profit: share of the price that is earned where an item has no unit_cost, or an order no
        items.
    margins
        The same per category.

    Examples
    --------
    >>> from segmenters.checks import features
    >>> from schemas.money import Currencies
    >>> rule = ValueTier()
    >>> p = rule.compiled(Currencies("GBP", {}))
    >>> judged = (rule.classify(features(n=1, worth=w, value_tier=-1), p, 0) for w in (0, 50_000))
    >>> [rule.segments[code] for code in judged]
    ['low', 'mid']
    """

    basis: Literal["spend", "profit"] = "spend"
    thresholds: Thresholds = msgspec.field(default_factory=Thresholds)
    down_ratio: Decimal = Decimal("0.9")
    margin: Decimal = Decimal("0.3")
    margins: dict[Category, Decimal] = msgspec.field(default_factory=dict)

    key: ClassVar[str] = "value_tier"
    number: ClassVar[int] = 15
    title: ClassVar[Label] = Label("客户价值", "Value tier")

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments, by code."""
        return ("none", "low", "mid", "high")

    @property
    def labels(self) -> Mapping[str, Label]:
        """The segments' names for people."""
        return {
            "none": Label("未购", "No orders"),
            "low": Label("低价值客户", "Low"),
            "mid": Label("中等价值客户", "Mid"),
            "high": Label("高价值客户", "High"),
        }

    @property
    def windows(self) -> tuple[int, ...]:
        """The one window: a year."""
        return (365,)

    @property
    def measures(self) -> tuple[str, ...]:
        """Profit, where it is what counts."""
        return ("profit",) if self.basis == "profit" else ()

    @property
    def aliases(self) -> tuple[tuple[str, str], ...]:
        """What counts, under one name."""
        return (("worth", "P365" if self.basis == "profit" else "M365"),)

    @property
    def costing(self) -> Margins | None:
        """How profit is worked out; None where it does not count."""
        return Margins(self.margin, self.margins) if self.basis == "profit" else None

    def check(self) -> list[tuple[str, str]]:
        """Refuse thresholds out of order, ratios and margins that are none."""
        thresholds = self.thresholds
        wrong = faults(("high", thresholds.high), ("mid", thresholds.mid), self.down_ratio)
        margins = {"margin": self.margin, **{f"margins.{c}": m for c, m in self.margins.items()}}
        for name, margin in margins.items():
            if not 0 <= margin <= 1:
                wrong.append((name, f"expected a share between 0 and 1, got {margin}"))
        return wrong

    def compiled(self, currencies: Currencies) -> Compiled:
        """Return the bounds in minor units."""
        found = bounds(currencies, self.thresholds.high, self.thresholds.mid, self.down_ratio)
        return Compiled(found, int(self.basis == "profit"))

    @staticmethod
    def classify(f: Any, p: Any, t: int) -> int:
        """Sort by worth; one without orders has none."""
        if f.n == 0:
            return NONE
        return tier_of(f.worth, f.value_tier, p.bounds)

    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int:
        """None of its own: only days leaving the window."""
        return FAR

    @staticmethod
    def looked_at(f: Any, p: Any, t: int) -> dict[str, int]:
        """Return the spend or the profit of the year."""
        return {"n": f.n, "P365" if p.profit else "M365": f.worth}
