"""System 12, monetary_tier (消费金额): how much a customer spent in the last 365 days.

Responsible for this one rule. It must not know how spend is remembered.
"""

# ruff: noqa: ARG004 - every system has the same signatures

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from segmenters.instants import FAR
from segmenters.system import NONE_LABEL, DampedSystem, Label
from segmenters.systems.tiers import NONE, Bounds, bounds, faults, tier_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.money import Currencies


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Spend from which a tier begins, in major units of the base currency."""

    large: Decimal = Decimal(10_000)
    medium: Decimal = Decimal(1_000)


class MonetaryTier(DampedSystem, frozen=True, kw_only=True):
    """Sort customers by M(365) into large, medium and small, with hysteresis on the way down.

    Parameters
    ----------
    thresholds
        ``large`` and ``medium``: spend from which the tier begins, base currency, major units.
    down_ratio
        A customer leaves a tier downwards below this share of its threshold, walking one tier at a
        time; ``small`` is left when nothing remains. The first judgement is plain.

    Examples
    --------
    >>> from segmenters.checks import features
    >>> from schemas.money import Currencies
    >>> tier = MonetaryTier()
    >>> p = tier.compiled(Currencies("GBP", {}))
    >>> first = MonetaryTier.classify(features(M365=950_000, monetary_tier=-1), p, 0)
    >>> kept = MonetaryTier.classify(features(M365=950_000, monetary_tier=3), p, 0)
    >>> tier.segments[first], tier.segments[kept]
    ('medium', 'large')
    """

    thresholds: Thresholds = msgspec.field(default_factory=Thresholds)
    down_ratio: Decimal = Decimal("0.9")

    key: ClassVar[str] = "monetary_tier"
    number: ClassVar[int] = 12
    title: ClassVar[Label] = Label("消费金额", "Monetary tier")

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments, by code."""
        return ("none", "small", "medium", "large")

    @property
    def labels(self) -> Mapping[str, Label]:
        """The segments' names for people."""
        return {
            "none": NONE_LABEL,
            "small": Label("小额客户", "Small"),
            "medium": Label("中额客户", "Medium"),
            "large": Label("大额客户", "Large"),
        }

    @property
    def windows(self) -> tuple[int, ...]:
        """The one window: a year."""
        return (365,)

    def check(self) -> list[tuple[str, str]]:
        """Refuse thresholds out of order and ratios that are none."""
        thresholds = self.thresholds
        return faults(("large", thresholds.large), ("medium", thresholds.medium), self.down_ratio)

    def compiled(self, currencies: Currencies) -> Bounds:
        """Return the bounds in minor units."""
        return bounds(currencies, self.thresholds.large, self.thresholds.medium, self.down_ratio)

    @staticmethod
    def classify(f: Any, p: Any, t: int) -> int:
        """Sort by spend; with none left there is no tier."""
        if f.M365 <= 0:
            return NONE
        return tier_of(f.M365, f.monetary_tier, p)

    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int:
        """None of its own: only days leaving the window."""
        return FAR

    @staticmethod
    def looked_at(f: Any, p: Any, t: int) -> dict[str, int]:
        """Return the spend."""
        return {"M365": f.M365}
