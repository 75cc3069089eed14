"""Report how the customers of a history are spread over the segments of an RFM map, by quintiles.

Responsible for three figures a customer (days since the last order, orders, spend), for scoring
them by population quintiles, and for the sizes and means of the segments. It must not read files or
print. What an order is, and what a refund takes from it, is the definition's
(`segmenters.oracle.book`): the report re-reads all facts, and needs windows that no engine keeps.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import numpy as np

from schemas.vocabulary import MS_PER_DAY
from segmenters.oracle.book import ORDER, Calendar, Fact, read_book
from segmenters.reports.quintiles import FIFTHS, Figures, score_ranks, score_values
from segmenters.rfm_map import read_map

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from schemas.vocabulary import Instant, Minor

Cut: TypeAlias = Literal["edges", "rank_first"]
"""``edges`` cuts all three figures at values, ``rank_first`` the orders by rank instead."""

FEW: Final = 500
"""Below so many customers, fifths of them say little."""


class Population(NamedTuple):
    """What is known of the customers who have ordered, in the order of their ids as bytes.

    Attributes
    ----------
    customers
        Their ids.
    days
        Whole days (of 24 h) since the last order.
    orders, spend
        Within the window; spend in minor units.
    """

    customers: Sequence[str]
    days: Figures
    orders: Figures
    spend: Figures


class Band(NamedTuple):
    """The customers of one score: how many, and from which figure to which."""

    score: int
    customers: int
    least: int
    most: int


class Size(NamedTuple):
    """One segment: how many customers, and their means; None where there are none.

    Attributes
    ----------
    spend
        Of all of them together, minor units.
    """

    segment: str
    customers: int
    days: float | None
    orders: float | None
    spend: Minor


class Report(NamedTuple):
    """What `report` found.

    Attributes
    ----------
    bands
        ``R``, ``F``, ``M`` → the scores that occur, best first.
    sizes
        The segments in the order of the map.
    cells
        Scores such as ``"543"`` → customers.
    """

    bands: dict[str, list[Band]]
    sizes: list[Size]
    cells: dict[str, int]

    @property
    def customers(self) -> int:
        """How many customers there are."""
        return sum(self.cells.values())


def positive_orders(facts: Iterable[Fact]) -> Iterable[Fact]:
    """Keep the orders above 0 and nothing else: no refunds, no cancellations."""
    return (fact for fact in facts if fact.kind == ORDER and fact.amount > 0)


def count_population(
    facts: Iterable[Fact],
    at: Instant,
    window_days: int | None,
    calendar: Calendar,
    progress: Callable[[int, int], None] = lambda _done, _whole: None,
) -> Population:
    """Count days, net orders and net spend of each customer at an instant.

    Parameters
    ----------
    facts
        Each customer's in the order in which they are judged; those after ``at`` do not count.
    at
        The instant.
    window_days
        How many business days count, that of ``at`` the last; all for None.
    calendar
        The business days.
    progress
        Called with customers counted and customers in all.

    Examples
    --------
    >>> day = 86_400_000
    >>> facts = [Fact("a", 10 * day, 0, 500), Fact("b", 10 * day, 0, 100, "b1"),
    ...          Fact("b", 11 * day, 2, order_id="b1"), Fact("a", 12 * day, 0, 70)]
    >>> count_population(facts, 21 * day - 1, 10, Calendar("UTC"))  # b has no order left
    Population(customers=['a'], days=array([8]), orders=array([1]), spend=array([70]))
    """
    apart: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        if fact.ts <= at:
            apart[fact.customer].append(fact)
    today = calendar.day(at)
    window = today + 1 if window_days is None else window_days  # no fact is older than day 0
    customers, rows = [], []
    for done, customer in enumerate(sorted(apart, key=str.encode), 1):
        book = read_book(apart[customer], calendar)
        if book.last is not None:
            age = (at - book.last) // MS_PER_DAY
            orders, spend = book.orders_within(window, today), book.spend_within(window, today)
            customers.append(customer)
            rows.append((age, orders, spend))
        progress(done, len(apart))
    return Population(customers, *np.array(rows, np.int64).reshape(-1, 3).T)


def report(population: Population, map_name: str = "A", cut: Cut = "edges") -> Report:
    """Score customers by quintiles and count the segments of their cells.

    Parameters
    ----------
    population
        The customers.
    map_name
        ``A``, ``B``, ``C`` or the path of a map file.
    cut
        How orders are cut; days and spend are always cut at values.

    Raises
    ------
    RulesError
        When there is no such map.

    Examples
    --------
    >>> days, orders = np.arange(10), np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 1])
    >>> found = report(Population(list("abcdefghij"), days, orders, 100 * orders))
    >>> [(size.segment, size.customers) for size in found.sizes if size.customers]
    [('champions', 2), ('loyal', 2), ('need_attention', 2), ('hibernating', 4)]
    >>> found.bands["R"][0]
    Band(score=5, customers=2, least=0, most=1)
    """
    scored = {
        "R": (FIFTHS + 1 - score_values(population.days), population.days),
        "F": (
            (score_ranks if cut == "rank_first" else score_values)(population.orders),
            population.orders,
        ),
        "M": (score_values(population.spend), population.spend),
    }
    r, f, m = (scores for scores, _ in scored.values())
    rfm = read_map(map_name)
    segments = np.array(rfm.cells, np.int64)[25 * (r - 1) + 5 * (f - 1) + m - 1]
    cells = Counter((100 * r + 10 * f + m).tolist())
    return Report(
        {name: _bands(scores, figures) for name, (scores, figures) in scored.items()},
        [_size(name, segments == place, population) for place, name in enumerate(rfm.segments)],
        {str(cell): cells[cell] for cell in sorted(cells, reverse=True)},
    )


def _bands(scores: Figures, figures: Figures) -> list[Band]:
    bands = []
    for score in range(FIFTHS, 0, -1):
        mine = figures[scores == score]
        if len(mine):
            bands.append(Band(score, len(mine), int(mine.min()), int(mine.max())))
    return bands


def _size(segment: str, mine: np.ndarray[tuple[int], np.dtype[np.bool_]], all_: Population) -> Size:
    customers = int(mine.sum())
    if not customers:
        return Size(segment, 0, None, None, 0)
    return Size(
        segment,
        customers,
        float(all_.days[mine].mean()),
        float(all_.orders[mine].mean()),
        int(all_.spend[mine].sum()),
    )
