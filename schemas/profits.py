"""Work out what an order earned, from its items' costs, or from a margin where costs are missing.

Responsible for exact profit in minor units of the base currency. It must not know what profit is
used for, nor remember orders.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from schemas.errors import Reason, Rejected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.events import Item
    from schemas.money import Currencies
    from schemas.vocabulary import Minor

_EXACT: Final = Context(prec=100)
_DIGITS: Final = 18
"""Digits a figure of an item may have before and after its point: what is exact stays cheap."""


class Margins(NamedTuple):
    """Shares of the price that are earned where the cost is not known.

    Attributes
    ----------
    default
        For an order without items, and for categories without a margin of their own.
    by_category
        Category → share.
    """

    default: Decimal
    by_category: Mapping[str, Decimal]


class Profits:
    """Work out the profit of orders.

    Parameters
    ----------
    margins
        Stand in for costs that are not given.
    currencies
        Give what a unit of an order's currency is worth.

    Examples
    --------
    >>> from schemas.events import Item
    >>> from schemas.money import Currencies
    >>> profits = Profits(Margins(Decimal("0.3"), {"tea": Decimal("0.5")}), Currencies("GBP"))
    >>> items = [Item(qty=2, unit_price="10", unit_cost="6.50"), Item(category="tea", unit_price=4)]
    >>> profits.of_order(items, "24", "GBP"), profits.of_order(None, "24", "GBP")
    (900, 720)
    """

    def __init__(self, margins: Margins, currencies: Currencies) -> None:
        self._margins = margins
        self._minor_per_major = currencies.minor_per_major

    def of_order(self, items: Sequence[Item] | None, amount: Any, currency: str) -> Minor:
        """Return an order's profit.

        Parameters
        ----------
        items
            Its lines, prices per piece in the order's currency; None or empty: only the amount is
            known.
        amount
            What was paid, as it was written.
        currency
            ISO 4217 code; the base or one with a rate.

        Raises
        ------
        Rejected
            ``invalid_value`` or ``wrong_type`` for a figure that is no decimal of at least 0,
            ``unknown_currency``.
        """
        if items:
            lines = (self._of_item(item, f"items[{place}]") for place, item in enumerate(items))
            major = sum(lines, Decimal(0))
        else:
            major = _EXACT.multiply(_figure(amount, "amount"), self._margins.default)
        minor = _EXACT.multiply(major, self._minor_per_major(currency))
        return int(minor.to_integral_value(ROUND_HALF_EVEN, _EXACT))

    def of_minor(self, amount: Minor) -> Minor:
        """Return the profit of an order of which only the amount in minor units is known."""
        earned = _EXACT.multiply(Decimal(amount), self._margins.default)
        return int(earned.to_integral_value(ROUND_HALF_EVEN, _EXACT))

    def _of_item(self, item: Item, path: str) -> Decimal:
        if item.unit_price is None:
            detail = f"{path}.unit_price: expected what a piece costs, got none; send it"
            raise Rejected(Reason.INVALID_VALUE, detail)
        discount = Decimal(0)
        if item.discount is not None:
            discount = _figure(item.discount, f"{path}.discount")
        paid = _EXACT.subtract(_figure(item.unit_price, f"{path}.unit_price"), discount)
        if item.unit_cost is None:
            margins = self._margins
            share = margins.by_category.get(item.category or "", margins.default)
            earned = _EXACT.multiply(paid, share)
        else:
            earned = _EXACT.subtract(paid, _figure(item.unit_cost, f"{path}.unit_cost"))
        return _EXACT.multiply(earned, _figure(item.qty, f"{path}.qty"))


def _figure(written: Any, path: str) -> Decimal:
    """Read a decimal of at least 0 as it was written: text, or a JSON integer."""
    if not isinstance(written, (str, int)) or isinstance(written, bool):
        detail = f"{path}: expected a decimal as a number or a string, got {written!r:.60}"
        raise Rejected(Reason.WRONG_TYPE, detail)
    try:
        # Decimal also takes underscores and spaces, which are no JSON.
        figure = Decimal(written if isinstance(written, int) or _is_plain(written) else "NaN")
    except (DecimalException, ValueError):
        figure = Decimal("NaN")
    places = figure.as_tuple().exponent
    if (
        not isinstance(places, int)
        or figure < 0
        or figure.adjusted() >= _DIGITS
        or places < -_DIGITS
    ):
        detail = f"{path}: expected a plain decimal of at least 0, got {str(written)[:60]!r}"
        raise Rejected(Reason.INVALID_VALUE, detail)
    return figure


def _is_plain(written: str) -> bool:
    return written.isascii() and set(written) <= set("0123456789+-.eE")
