"""Put a shop's history together: orders, what goes back, and all that happens around.

Responsible for one table of events in the order in which they happened, and for the order in which
their records arrive. Must not know how events are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from schemas.vocabulary import MS_PER_DAY, Kind
from streams.simulated.catalogue import fill, purses, stock
from streams.simulated.defects import arrive, draw_defects
from streams.simulated.touches import around, newsletters
from streams.simulated.visits import plan_visits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.runs import IntArray
    from streams.simulated.catalogue import Baskets, Catalogue
    from streams.simulated.defects import Arrivals
    from streams.simulated.plan import Plan
    from streams.simulated.touches import Touches
    from streams.simulated.visits import Visits

NOTHING: Final = -1
"""Stands where an event has no order, no habit or no good."""
HOURS: Final = (
    2,
    1,
    1,
    1,
    1,
    2,
    4,
    8,
    12,
    14,
    15,
    16,
    18,
    16,
    14,
    13,
    14,
    17,
    21,
    24,
    24,
    18,
    10,
    5,
)
"""How many of the shop's visits fall into each hour of the day, by weight."""

_HOUR_MS: Final = 3_600_000
_REFUNDED: Final = 60
_CANCELLED: Final = 20
_WHOLE: Final = 55
_LINKED: Final = 85
"""Orders in a thousand; then of refunds in a hundred."""


class Events(NamedTuple):
    """What happened, a column each, in the order in which it did.

    Attributes
    ----------
    customer
        Number of the customer.
    ts
        Epoch milliseconds.
    kind
        `schemas.vocabulary.Kind`.
    order
        Number of the order; `NOTHING` for engagements and unlinked refunds.
    amount
        Minor units of the plan's currency; 0 for cancellations and engagements.
    habit
        Of engagements the place in `streams.simulated.touches.HABITS`.
    good
        Number of the good an engagement was about.
    """

    customer: IntArray
    ts: IntArray
    kind: IntArray
    order: IntArray
    amount: IntArray
    habit: IntArray
    good: IntArray


class Shop(NamedTuple):
    """A shop with its history.

    Attributes
    ----------
    plan
        What was wanted.
    kinds
        By number of the customer, the place of the kind in `streams.simulated.plan.KINDS`.
    catalogue, baskets
        What there is to buy, and what was bought, by number of the order.
    events
        The history; an event's number is its place here.
    arrivals
        What becomes of the records of these events.
    """

    plan: Plan
    kinds: NDArray[np.int8]
    catalogue: Catalogue
    baskets: Baskets
    events: Events
    arrivals: Arrivals


def open_shop(plan: Plan) -> Shop:
    """Make up a shop and its history.

    Examples
    --------
    >>> from streams.simulated.plan import Plan
    >>> shop = open_shop(Plan(customers=20, days=90, seed=3))
    >>> len(shop.kinds), bool((shop.events.ts[1:] >= shop.events.ts[:-1]).all())
    (20, True)
    """
    kinds, visits = plan_visits(plan)
    ts = _instants(plan, visits)
    placed = np.flatnonzero(visits.buys & (ts >= plan.start) & (ts < plan.until))
    placed = placed[np.argsort(ts[placed], kind="stable")]  # orders are numbered as they come
    catalogue = stock(plan)
    customer, ordered = visits.customer[placed], ts[placed]
    baskets = fill(plan, catalogue, purses(plan)[customer])
    since = np.full(plan.customers, plan.until)
    np.minimum.at(since, visits.customer, ts)
    events = _in_order(
        plan,
        _orders(customer, ordered, baskets),
        *_taken_back(plan, customer, ordered, catalogue, baskets),
        _engagements(around(plan, visits, ts)),
        _engagements(newsletters(plan, since)),
    )
    defects = draw_defects(plan.chance(8), len(events.ts))
    return Shop(plan, kinds, catalogue, baskets, events, arrive(events.ts, defects))


def customer_id(customer: int) -> bytes:
    """Return the id of a customer.

    Examples
    --------
    >>> customer_id(17)
    b'c-0000017'
    """
    return b"c-%07d" % customer


def _instants(plan: Plan, visits: Visits) -> IntArray:
    """Choose the time of day of each visit: little at night, most in the evening."""
    draw = plan.chance(6)
    edges = np.cumsum(HOURS)
    hour = np.searchsorted(edges, draw.integers(0, edges[-1], len(visits.day)), side="right")
    within = draw.integers(0, _HOUR_MS, len(visits.day))
    ts: IntArray = plan.start + visits.day * MS_PER_DAY + hour * _HOUR_MS + within
    return ts


def _orders(customer: IntArray, ts: IntArray, baskets: Baskets) -> Events:
    return _purchases(Kind.ORDER, customer, ts, np.arange(len(ts)), baskets.amount)


def _taken_back(
    plan: Plan, customer: IntArray, ordered: IntArray, catalogue: Catalogue, baskets: Baskets
) -> tuple[Events, Events]:
    """Draw refunds, whole or in part, linked or not, and cancellations; of an order one of them."""
    draw = plan.chance(7)
    orders = len(ordered)
    fate = draw.integers(0, 1000, orders)
    whole = draw.integers(0, 100, orders) < _WHOLE
    linked = draw.integers(0, 100, orders) < _LINKED
    back = ordered + draw.integers(2 * MS_PER_DAY, 30 * MS_PER_DAY, orders)
    soon = ordered + draw.integers(5 * 60_000, 36 * _HOUR_MS, orders)
    # In part: what the first line cost, or half where there is no other.
    first = catalogue.total[baskets.lines[baskets.first[:-1]]]
    part = np.where(np.diff(baskets.first) > 1, first, baskets.amount // 2)
    amount = np.where(whole, baskets.amount, part)
    number = np.arange(orders)
    named = np.where(linked, number, NOTHING)
    refunded = fate < _REFUNDED
    cancelled = (fate >= _REFUNDED) & (fate < _REFUNDED + _CANCELLED)
    refunds = _purchases(Kind.REFUND, customer, back, named, amount)
    cancels = _purchases(Kind.CANCEL, customer, soon, number, np.zeros(orders, np.int64))
    return _where(refunded, refunds), _where(cancelled, cancels)


def _purchases(
    kind: Kind, customer: IntArray, ts: IntArray, order: IntArray, amount: IntArray
) -> Events:
    nothing = np.full(len(ts), NOTHING, np.int64)
    return Events(customer, ts, np.full(len(ts), kind, np.int64), order, amount, nothing, nothing)


def _engagements(touches: Touches) -> Events:
    size = len(touches.ts)
    return Events(
        touches.customer,
        touches.ts,
        np.full(size, Kind.ENGAGEMENT, np.int64),
        np.full(size, NOTHING, np.int64),
        np.zeros(size, np.int64),
        touches.habit,
        touches.good,
    )


def _in_order(plan: Plan, *parts: Events) -> Events:
    """Join events, leave out what lies outside the span, and sort by instant and kind."""
    joined = Events(*[np.concatenate(column) for column in zip(*parts, strict=True)])
    within = _where((joined.ts >= plan.start) & (joined.ts < plan.until), joined)
    order = np.lexsort((within.kind, within.ts))
    return Events(*[column[order] for column in within])


def _where(chosen: NDArray[np.bool_], events: Events) -> Events:
    return Events(*[column[chosen] for column in events])
