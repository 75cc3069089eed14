"""Say what the shop sells, and what lies in each basket.

Responsible for goods, prices, reductions, costs, and for totals that equal the sum of their lines.
Must not know customers or days.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import orjson

from schemas.money import exponent
from streams.simulated.wire import in_major

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streams.runs import BoolArray, IntArray
    from streams.simulated.plan import Plan

GOODS: Final = 240
CATEGORIES: Final = ("home", "kitchen", "garden", "toys", "beauty", "stationery", "gifts", "food")
BRANDS: Final = (
    "own label", "own label", "own label", "Aldergate", "Birchwell", "Corvane", "Dunmere",
    "Elmstead", "Fenwick Row", "Greyling", "Harrowby",
)  # fmt: skip
CENTS: Final = (199, 299, 399, 499, 799, 999, 1299, 1499, 1999, 2999, 4999, 8999)
"""List prices as they stand on labels, in hundredths; a currency without hundredths takes them as
whole units: 12.99 pounds, 1299 yen, 12.990 dinars."""
OFF: Final = (0, 10, 20)
"""What a promotion takes off the price, per cent."""
QUANTITIES: Final = (1, 2, 3)
PURSES: Final = ((1, 3), (2, 7), (10, 28))
"""Lines of an order: at least, fewer than; for a small purse, a usual one, a large one."""

_DECK_OF_QUANTITIES: Final = (0, 0, 0, 0, 0, 1, 1, 2)
_DECK_OF_PROMOTIONS: Final = (0,) * 9 + (1, 1, 2)
_DECK_OF_PURSES: Final = (0,) * 10 + (1,) * 8 + (2,) * 2
_REDUCED_IN_TEN: Final = 2
_COSTLESS_IN_TEN: Final = 1


class Catalogue(NamedTuple):
    """Every line that can stand in an order: a good, a reduction, a quantity.

    Attributes
    ----------
    total, gain
        What a line costs the customer and what it leaves the shop, minor units; a gain of 0 where
        the shop does not say what the good cost.
    costed
        Whether it says so.
    items
        The line as JSON, as it stands in an order's items.
    """

    total: IntArray
    gain: IntArray
    costed: BoolArray
    items: Sequence[bytes]


class Baskets(NamedTuple):
    """What was ordered, by number of the order.

    Attributes
    ----------
    first
        Where an order's lines begin; one more entry says where the last one's end.
    lines
        Of all orders, as places in the catalogue.
    promotion
        Place in `OFF`; 0 for none.
    amount, gain
        Sum of the lines, minor units.
    costed
        Whether every line has its cost.
    """

    first: IntArray
    lines: IntArray
    promotion: IntArray
    amount: IntArray
    gain: IntArray
    costed: BoolArray


def sku(good: int) -> bytes:
    """Return the id of a good.

    Examples
    --------
    >>> sku(7)
    b's-0007'
    """
    return b"s-%04d" % good


def stock(plan: Plan) -> Catalogue:
    """Draw the goods, and work out every line that can be made of them."""
    draw = plan.chance(1)
    places = exponent(plan.currency)
    category = draw.integers(0, len(CATEGORIES), GOODS)
    brand = draw.integers(0, len(BRANDS), GOODS)
    price = np.array(CENTS)[draw.integers(0, len(CENTS), GOODS)] * 10 ** max(0, places - 2)
    reduced = draw.integers(0, 10, GOODS) < _REDUCED_IN_TEN
    costless = draw.integers(0, 10, GOODS) < _COSTLESS_IN_TEN
    cost = price * draw.integers(35, 66, GOODS) // 100
    unit = np.where(reduced, price * 80 // 100, price)
    total, gain, items = [], [], []
    for good in range(GOODS):
        for off in OFF:
            discount = int(unit[good]) * off // 100
            for quantity in QUANTITIES:
                paid = int(unit[good]) - discount
                total.append(quantity * paid)
                gain.append(0 if costless[good] else quantity * (paid - int(cost[good])))
                item: dict[str, object] = {
                    "sku": sku(good).decode(),
                    "category": CATEGORIES[category[good]],
                    "brand": BRANDS[brand[good]],
                    "qty": quantity,
                    "unit_price": in_major(int(unit[good]), places).decode(),
                    "list_price": in_major(int(price[good]), places).decode(),
                }
                if discount:
                    item["discount"] = in_major(discount, places).decode()
                if not costless[good]:
                    item["unit_cost"] = in_major(int(cost[good]), places).decode()
                items.append(orjson.dumps(item))
    costed = np.repeat(~costless, len(OFF) * len(QUANTITIES))
    return Catalogue(np.array(total, np.int64), np.array(gain, np.int64), costed, items)


def purses(plan: Plan) -> NDArray[np.int64]:
    """Draw how much each customer tends to buy, as places in `PURSES`."""
    deck = np.array(_DECK_OF_PURSES)
    return deck[plan.chance(2).integers(0, len(deck), plan.customers)]


def fill(plan: Plan, catalogue: Catalogue, purse: IntArray) -> Baskets:
    """Fill a basket for each order.

    Parameters
    ----------
    plan, catalogue
        The shop.
    purse
        By order, its customer's purse.
    """
    draw = plan.chance(3)
    orders = len(purse)
    least, most = np.array(PURSES, np.int64).T
    count = draw.integers(least[purse], most[purse])
    first = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    size = int(first[-1])
    # The product of two numbers prefers small ones: some goods sell, most lie about.
    good = draw.integers(0, GOODS, size) * draw.integers(0, GOODS, size) // GOODS
    quantity = _deal(draw, _DECK_OF_QUANTITIES, size)
    promotion = _deal(draw, _DECK_OF_PROMOTIONS, orders)
    off = np.repeat(promotion, count)
    lines = (good * len(OFF) + off) * len(QUANTITIES) + quantity
    return Baskets(
        first,
        lines,
        promotion,
        _sums(catalogue.total[lines], first),
        _sums(catalogue.gain[lines], first),
        _sums(~catalogue.costed[lines], first) == 0,
    )


def _deal(draw: np.random.Generator, deck: Sequence[int], size: int) -> IntArray:
    cards: IntArray = np.array(deck, np.int64)[draw.integers(0, len(deck), size)]
    return cards


def _sums(values: NDArray[np.generic], first: IntArray) -> IntArray:
    """Sum up the lines of each order."""
    running = np.concatenate([[0], np.cumsum(values)]).astype(np.int64)
    sums: IntArray = running[first[1:]] - running[first[:-1]]
    return sums
