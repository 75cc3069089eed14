"""Say what shop is wanted.

Responsible for the parameters, their bounds and the shares of the kinds of customers. Must not draw
anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from schemas.errors import Rejected, UsageError
from schemas.money import exponent
from schemas.vocabulary import MS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.vocabulary import Instant

FIRST_BEGIN: Final = date(1991, 1, 1)
LAST_BEGIN: Final = date(2150, 1, 1)
MOST_DAYS: Final = 10_000
MOST_CUSTOMERS: Final = 10_000_000
"""Ids have seven digits."""


class CustomerKind(StrEnum):
    """How somebody uses the shop; the order is that of the numbers in `Shop.kinds`."""

    REGULAR = "regular"
    ONE_OFF = "one-off"
    SEASONAL = "seasonal"
    LAPSING = "lapsing"
    RETURNING = "returning"
    BROWSING = "browsing"


KINDS: Final = tuple(CustomerKind)
USUAL: Final[Mapping[CustomerKind, float]] = {
    CustomerKind.REGULAR: 30,
    CustomerKind.ONE_OFF: 22,
    CustomerKind.SEASONAL: 12,
    CustomerKind.LAPSING: 14,
    CustomerKind.RETURNING: 7,
    CustomerKind.BROWSING: 15,
}
"""How many of a hundred customers are of which kind, where nobody says otherwise."""


@dataclass(frozen=True)
class Plan:
    """What shop is wanted.

    Parameters
    ----------
    customers
        How many there are. Some may do nothing in the span: who buys at Christmas, in summer.
    days
        Span of the history.
    seed
        The same seed, the same shop.
    begin
        Its first day; days are those of UTC.
    currency
        ISO 4217 code of all amounts.
    shares
        Kind → its weight among all weights; a kind left out does not occur.

    Raises
    ------
    UsageError
        When one of them cannot be meant.

    Examples
    --------
    >>> plan = Plan(customers=10, days=30)
    >>> plan.currency, plan.until - plan.start == 30 * 86_400_000
    ('GBP', True)
    """

    customers: int = 2_000
    days: int = 400
    seed: int = 1
    begin: date = date(2024, 1, 1)
    currency: str = "GBP"
    shares: Mapping[CustomerKind, float] = field(default_factory=lambda: USUAL)

    def __post_init__(self) -> None:
        _within("customers", self.customers, 1, MOST_CUSTOMERS)
        _within("days", self.days, 1, MOST_DAYS)
        _within("seed", self.seed, 0, 2**63 - 1)
        if not FIRST_BEGIN <= self.begin <= LAST_BEGIN:
            wanted = f"a day from {FIRST_BEGIN} to {LAST_BEGIN}"
            raise UsageError(f"begin: expected {wanted}, got {self.begin}")
        try:
            exponent(self.currency)
        except Rejected as why:
            raise UsageError(why.detail) from why
        weights = list(self.shares.values())
        if not (all(0 <= weight < float("inf") for weight in weights) and sum(weights) > 0):
            raise UsageError(f"shares: expected weights from 0 on, one above 0, got {weights}")

    @property
    def start(self) -> Instant:
        """The first instant of the span."""
        midnight = datetime(self.begin.year, self.begin.month, self.begin.day, tzinfo=UTC)
        return int(midnight.timestamp()) * 1000

    @property
    def until(self) -> Instant:
        """The first instant behind the span."""
        return self.start + self.days * MS_PER_DAY

    def chance(self, part: int) -> np.random.Generator:
        """Return the source of chance of one part: drawing more in one changes no other."""
        return np.random.default_rng([self.seed, part])

    def sizes(self) -> list[int]:
        """Return how many customers are of each kind, in the order of `KINDS`.

        Examples
        --------
        >>> Plan(customers=10, shares={CustomerKind.REGULAR: 2, CustomerKind.ONE_OFF: 1}).sizes()
        [7, 3, 0, 0, 0, 0]
        """
        weights = [self.shares.get(kind, 0.0) for kind in KINDS]
        wanted = [self.customers * weight / sum(weights) for weight in weights]
        sizes = [int(size) for size in wanted]
        # Whom rounding down left over go where most was cut off.
        by_rest = sorted(range(len(KINDS)), key=lambda place: sizes[place] - wanted[place])
        for place in by_rest[: self.customers - sum(sizes)]:
            sizes[place] += 1
        return sizes


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise UsageError(f"{name}: expected {least:,} to {most:,}, got {value:,}")
