"""System 13, aov_tier (客单价): what an order of a customer was worth in the last 365 days.

Responsible for this one rule. It must not know how orders and spend are remembered.
"""

# ruff: noqa: ARG004 - every system has the same signatures

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import msgspec

from schemas.money import exponent
from segmenters.instants import FAR
from segmenters.system import NONE_LABEL, DampedSystem, Label
from segmenters.systems.tiers import NONE, Bounds, faults, tier_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.money import Currencies

FINEST: Final = 4
"""Decimals of a minor unit that a bound may have: what is compared must fit 64 bits."""


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Average order from which a tier begins, in major units of the base currency."""

    high: Decimal = Decimal(500)
    medium: Decimal = Decimal(100)


class Compiled(NamedTuple):
    """The bounds per order, in parts of a minor unit; ``parts`` of them make one."""

    top: int
    middle: int
    top_down: int
    middle_down: int
    parts: int


class AovTier(DampedSystem, frozen=True, kw_only=True):
    """Sort customers by M(365) per order into high, medium and low, with hysteresis downwards.

    Nothing is divided: spend is compared with so many times the threshold, exactly.

    Parameters
    ----------
    thresholds
        ``high`` and ``medium``: average order from which the tier begins, base currency, major
        units.
    down_ratio
        A customer leaves a tier downwards below this share of its threshold, tier by tier. The
        first judgement is plain.

    Examples
    --------
    >>> from segmenters.checks import features
    >>> from schemas.money import Currencies
    >>> rule = AovTier()
    >>> p = rule.compiled(Currencies("GBP", {}))
    >>> f = features(F365=3, M365=149_999, aov_tier=-1)
    >>> rule.segments[rule.classify(f, p, 0)]
    'medium'
    """

    thresholds: Thresholds = msgspec.field(default_factory=Thresholds)
    down_ratio: Decimal = Decimal("0.9")

    key: ClassVar[str] = "aov_tier"
    number: ClassVar[int] = 13
    title: ClassVar[Label] = Label("客单价", "Average order value")

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments, by code."""
        return ("none", "low", "medium", "high")

    @property
    def labels(self) -> Mapping[str, Label]:
        """The segments' names for people."""
        return {
            "none": NONE_LABEL,
            "low": Label("低客单价客户", "Low"),
            "medium": Label("中客单价客户", "Medium"),
            "high": Label("高客单价客户", "High"),
        }

    @property
    def windows(self) -> tuple[int, ...]:
        """The one window: a year."""
        return (365,)

    def check(self) -> list[tuple[str, str]]:
        """Refuse thresholds out of order, ratios that are none, and bounds too fine to compare."""
        thresholds = self.thresholds
        wrong = faults(("high", thresholds.high), ("medium", thresholds.medium), self.down_ratio)
        finest = max(_decimals(bound) for bound in self._bounds())
        if not wrong and finest > FINEST:
            wanted = f"expected thresholds that times down_ratio have at most {FINEST} decimals"
            wrong.append(("thresholds", f"{wanted}, got {finest}"))
        return wrong

    def _bounds(self) -> tuple[Decimal, ...]:
        high, medium = self.thresholds.high, self.thresholds.medium
        return high, medium, high * self.down_ratio, medium * self.down_ratio

    def compiled(self, currencies: Currencies) -> Compiled:
        """Return the bounds in parts of minor units, so fine that all are whole."""
        unit = Decimal(10) ** exponent(currencies.base)
        in_minor = [bound * unit for bound in self._bounds()]
        parts = 10 ** max(_decimals(bound) for bound in in_minor)
        top, middle, top_down, middle_down = (int(bound * parts) for bound in in_minor)
        return Compiled(top, middle, top_down, middle_down, parts)

    @staticmethod
    def classify(f: Any, p: Any, t: int) -> int:
        """Sort by spend against so many orders of the threshold."""
        orders = f.F365
        spend = f.M365 * p.parts
        if orders <= 0 or spend <= 0:
            return NONE
        b = Bounds(p.top * orders, p.middle * orders, p.top_down * orders, p.middle_down * orders)
        return tier_of(spend, f.aov_tier, b)

    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int:
        """None of its own: only days leaving the window."""
        return FAR

    @staticmethod
    def looked_at(f: Any, p: Any, t: int) -> dict[str, int]:
        """Return spend and orders."""
        return {"M365": f.M365, "F365": f.F365}


def _decimals(figure: Decimal) -> int:
    """Return how many decimals a figure has, zeros at its end apart."""
    places = figure.normalize().as_tuple().exponent
    return max(0, -int(places))
