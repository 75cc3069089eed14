"""System 12, monetary_tier (消费金额): how much a customer spent in the last 365 days.

Responsible for this one rule. It must not know how spend is remembered.
"""

# ruff: noqa: ARG004 - every system has the same signatures

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import msgspec

from schemas.money import exponent
from segmenters.instants import FAR
from segmenters.system import NONE_LABEL, Label, System

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.money import Currencies

NONE: Final = 0
SMALL: Final = 1
MEDIUM: Final = 2
LARGE: Final = 3


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Spend from which a tier begins, in major units of the base currency."""

    large: Decimal = Decimal(10_000)
    medium: Decimal = Decimal(1_000)


class Compiled(NamedTuple):
    """The parameters in minor units; below ``*_down`` a customer leaves the tier."""

    large: int
    medium: int
    large_down: int
    medium_down: int


class MonetaryTier(System, frozen=True, kw_only=True):
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
    >>> kept = MonetaryTier.classify(features(M365=950_000, monetary_tier=LARGE), p, 0)
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
        wrong = []
        large, medium = self.thresholds.large, self.thresholds.medium
        if not large > medium > 0:
            wrong.append(("thresholds", f"expected large > medium > 0, got {large} and {medium}"))
        if not 0 < self.down_ratio <= 1:
            wrong.append(
                ("down_ratio", f"expected more than 0 and at most 1, got {self.down_ratio}")
            )
        return wrong

    def compiled(self, currencies: Currencies) -> Compiled:
        """Return the parameters in minor units."""
        unit = Decimal(10) ** exponent(currencies.base)
        large, medium = self.thresholds.large * unit, self.thresholds.medium * unit

        def at_least(amount: Decimal) -> int:
            # M is whole minor units, so M < amount means M < the next whole number
            return int(amount.to_integral_value(ROUND_CEILING))

        return Compiled(
            at_least(large),
            at_least(medium),
            at_least(large * self.down_ratio),
            at_least(medium * self.down_ratio),
        )

    @staticmethod
    def classify(f: Any, p: Any, t: int) -> int:
        """Up at the threshold; down below the ratio, tier by tier."""
        spend = f.M365
        if spend >= p.large:
            tier = LARGE
        elif spend >= p.medium:
            tier = MEDIUM
        elif spend > 0:
            tier = SMALL
        else:
            tier = NONE
        held = f.monetary_tier
        if held == LARGE and tier < LARGE:
            if spend >= p.large_down:
                return LARGE
            held = MEDIUM
        if held == MEDIUM and tier < MEDIUM:
            if spend >= p.medium_down:
                return MEDIUM
            held = SMALL
        return tier

    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int:
        """None of its own: only days leaving the window."""
        return FAR

    @staticmethod
    def looked_at(f: Any, p: Any, t: int) -> dict[str, int]:
        """Return the spend."""
        return {"M365": f.M365}
