"""Sort a figure into three tiers that are entered at a threshold and left below a share of it.

Responsible for the hysteresis that several systems share, for its bounds and for what is wrong with
them. It must not know what the figure is.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from schemas.money import exponent
from segmenters.jitable import jitable

if TYPE_CHECKING:
    from schemas.money import Currencies

NONE: Final = 0
BOTTOM: Final = 1
MIDDLE: Final = 2
TOP: Final = 3


class Bounds(NamedTuple):
    """Figures from which a tier begins; below ``*_down`` a customer leaves it."""

    top: int
    middle: int
    top_down: int
    middle_down: int


def bounds(currencies: Currencies, top: Decimal, middle: Decimal, down_ratio: Decimal) -> Bounds:
    """Return bounds in minor units of the base currency, from major units."""
    unit = Decimal(10) ** exponent(currencies.base)

    def at_least(amount: Decimal) -> int:
        # The figure is whole minor units: below the amount is below the next whole number.
        return int((amount * unit).to_integral_value(ROUND_CEILING))

    return Bounds(
        at_least(top), at_least(middle), at_least(top * down_ratio), at_least(middle * down_ratio)
    )


def faults(
    top: tuple[str, Decimal | int], middle: tuple[str, Decimal | int], down_ratio: Decimal
) -> list[tuple[str, str]]:
    """Return what is wrong with thresholds and their ratio, as `System.check` does.

    Examples
    --------
    >>> faults(("high", 5), ("mid", 50), Decimal(1))
    [('thresholds', 'expected high > mid > 0, got 5 and 50')]
    """
    wrong = []
    if not top[1] > middle[1] > 0:
        wanted = f"expected {top[0]} > {middle[0]} > 0"
        wrong.append(("thresholds", f"{wanted}, got {top[1]} and {middle[1]}"))
    if not 0 < down_ratio <= 1:
        wrong.append(("down_ratio", f"expected more than 0 and at most 1, got {down_ratio}"))
    return wrong


@jitable
def tier_of(figure: int, held: int, b: Any) -> int:
    """Return the tier of a figure: up at the threshold, down below the ratio, tier by tier.

    Parameters
    ----------
    figure
        What is sorted.
    held
        The tier told before; below BOTTOM the judgement is plain.
    b
        The bounds.

    Examples
    --------
    >>> b = Bounds(100, 10, 90, 9)
    >>> [tier_of(figure, TOP, b) for figure in (100, 90, 89, 9, 8)]
    [3, 3, 2, 2, 1]
    """
    if figure >= b.top:
        return TOP
    if held == TOP:
        if figure >= b.top_down:
            return TOP
        held = MIDDLE
    if figure >= b.middle or (held == MIDDLE and figure >= b.middle_down):
        return MIDDLE
    return BOTTOM
