"""System 11, frequency_tier (消费频率): how often a customer bought in the last 365 days.

Responsible for this one rule. It must not know how orders are remembered.
"""

# ruff: noqa: ARG004 - every system has the same signatures

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, NamedTuple

import msgspec

from segmenters.instants import FAR
from segmenters.system import NONE_LABEL, DampedSystem, Label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.money import Currencies

NONE: Final = 0
LOW: Final = 1
MEDIUM: Final = 2
HIGH: Final = 3

Count = Annotated[int, msgspec.Meta(ge=1, le=100_000, extra={"unit": "orders"})]


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Orders of the year from which a tier begins."""

    high: Count = 12
    medium: Count = 4


class Compiled(NamedTuple):
    """The parameters, in orders."""

    high: int
    medium: int


class FrequencyTier(DampedSystem, frozen=True, kw_only=True):
    """Sort customers by F(365) into high, medium and low.

    Parameters
    ----------
    thresholds
        ``high`` and ``medium``: orders within 365 days from which the tier begins; one order is
        ``low``.

    Examples
    --------
    >>> from segmenters.checks import features
    >>> from schemas.money import Currencies
    >>> rule = FrequencyTier()
    >>> p = rule.compiled(Currencies("GBP", {}))
    >>> [rule.segments[rule.classify(features(F365=k), p, 0)] for k in (0, 3, 4, 12)]
    ['none', 'low', 'medium', 'high']
    """

    thresholds: Thresholds = msgspec.field(default_factory=Thresholds)

    key: ClassVar[str] = "frequency_tier"
    number: ClassVar[int] = 11
    title: ClassVar[Label] = Label("消费频率", "Frequency tier")

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments, by code."""
        return ("none", "low", "medium", "high")

    @property
    def labels(self) -> Mapping[str, Label]:
        """The segments' names for people."""
        return {
            "none": NONE_LABEL,
            "low": Label("低频次客户", "Low"),
            "medium": Label("中频次客户", "Medium"),
            "high": Label("高频次客户", "High"),
        }

    @property
    def windows(self) -> tuple[int, ...]:
        """The one window: a year."""
        return (365,)

    def check(self) -> list[tuple[str, str]]:
        """Refuse thresholds out of order."""
        high, medium = self.thresholds.high, self.thresholds.medium
        if high > medium > 1:
            return []
        return [("thresholds", f"expected high > medium > 1 (low), got {high} and {medium}")]

    def compiled(self, currencies: Currencies) -> Compiled:  # noqa: ARG002  - no money in it
        """Return the thresholds."""
        return Compiled(self.thresholds.high, self.thresholds.medium)

    @staticmethod
    def classify(f: Any, p: Any, t: int) -> int:
        """Sort by the orders of the year."""
        orders = f.F365
        if orders >= p.high:
            return HIGH
        if orders >= p.medium:
            return MEDIUM
        return LOW if orders >= 1 else NONE

    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int:
        """None of its own: only days leaving the window."""
        return FAR

    @staticmethod
    def looked_at(f: Any, p: Any, t: int) -> dict[str, int]:
        """Return the orders."""
        return {"F365": f.F365}
