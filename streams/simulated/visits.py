"""Say who comes on which day, and how keen they are.

Responsible for the rhythm of each kind of customer. Must not know goods, money or events: a visit
is a day on which a customer means to buy, or only to look.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from streams.simulated.plan import KINDS, CustomerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from streams.runs import BoolArray, IntArray
    from streams.simulated.plan import Plan

DAY: Final = 24 * 60
"""Minutes of a day: rhythms are counted in minutes, visits in days."""
REGULARITY: Final = 12.0
"""Shape of the gamma of gaps; 1 would be pure chance."""
SLOWING: Final = (1.0, 1.5, 2.2, 3.2, 4.5)
"""By how much the gaps of somebody lapsing grow, gap by gap; behind the last comes no order."""
FADING: Final = (100, 60, 35, 15, 5)
"""How keen she is then, per cent: interest fades before the orders stop."""
SEASONS: Final = ((5, 3), (23, 4), (46, 6))
"""First week of the year and number of weeks: for whom one loves, for summer, for Christmas."""
BEYOND: Final = 60 * DAY
"""Visits are planned so far behind the end: who will buy next week looks around today."""

_DECK_OF_SEASONS: Final = (0, 1, 2, 2)
_CASUAL_REACH: Final = 10 * DAY


class Visits(NamedTuple):
    """Visits of all customers, in no particular order.

    Attributes
    ----------
    customer
        Number of the customer.
    day
        Day of the span; below 0 or behind its end is outside.
    reach
        For how many minutes before the visit a customer may look around for it.
    interest
        Per cent of what somebody keen would do around it.
    buys
        Whether the visit ends with an order.
    """

    customer: IntArray
    day: IntArray
    reach: IntArray
    interest: IntArray
    buys: BoolArray


class _Steps(NamedTuple):
    """Numbered steps of many walkers: whose each is, its number, and where each walker begins."""

    owner: IntArray
    number: IntArray
    first: IntArray


def plan_visits(plan: Plan) -> tuple[NDArray[np.int8], Visits]:
    """Draw each customer's kind, and everybody's visits.

    Returns
    -------
    kinds : ndarray of int8
        By number of the customer, the place of the kind in `KINDS`.
    visits : Visits
    """
    draw = plan.chance(0)
    kinds = draw.permutation(np.repeat(np.arange(len(KINDS), dtype=np.int8), plan.sizes()))
    parts = []
    for place, kind in enumerate(KINDS):
        who = np.flatnonzero(kinds == place).astype(np.int64)
        own = _RHYTHMS[kind](plan.chance(100 + place), plan, len(who))
        parts.append(own._replace(customer=who[own.customer]))
    return kinds, Visits(*[np.concatenate(column) for column in zip(*parts, strict=True)])


# ---- the rhythms, each of as many customers of its kind, numbered from 0


def _regular(draw: np.random.Generator, plan: Plan, size: int) -> Visits:
    """Let them keep a rhythm of their own; half of them are customers of old."""
    mean = draw.integers(5, 46, size) * DAY
    span = plan.days * DAY
    joins = draw.integers(0, max(1, span * 7 // 10), size)
    start = np.where(draw.random(size) < 0.5, joins, draw.integers(0, mean))
    steps = _steps(_enough(span, start, mean))
    return _of(steps, _walk(steps, start, _gaps(draw, steps, mean)), mean)


def _one_off(draw: np.random.Generator, plan: Plan, size: int) -> Visits:
    """Let them come once."""
    return _casual(np.arange(size), draw.integers(0, plan.days, size))


def _seasonal(draw: np.random.Generator, plan: Plan, size: int) -> Visits:
    """Let them come in their weeks of each year, and a few of them once besides."""
    season = np.array(_DECK_OF_SEASONS)[draw.integers(0, len(_DECK_OF_SEASONS), size)]
    customers, days = [], []
    end = plan.begin + timedelta(days=plan.days)
    for year in range(plan.begin.year, end.year + 1):
        new_year = (date(year, 1, 1) - plan.begin).days
        for place, (week, weeks) in enumerate(SEASONS):
            mine = np.flatnonzero(season == place)
            who = np.repeat(mine, draw.integers(1, 4, len(mine)))
            customers.append(who)
            days.append(new_year + 7 * week + draw.integers(0, 7 * weeks, len(who)))
    besides = np.flatnonzero(draw.random(size) < 0.15)
    customers.append(besides)
    days.append(draw.integers(0, plan.days, len(besides)))
    return _casual(np.concatenate(customers), np.concatenate(days))


def _lapsing(draw: np.random.Generator, plan: Plan, size: int) -> Visits:
    """Let them keep a rhythm for a while, slow down, lose interest, and stop."""
    span = plan.days * DAY
    mean = draw.integers(5, _longest(plan.days // 17, 6, 22), size) * DAY
    start = draw.integers(0, max(1, span * 15 // 100), size)
    steady = np.maximum(4, span * draw.integers(25, 51, size) // 100 // mean)
    steps = _steps(steady + len(SLOWING) - 1)
    stage = np.clip(steps.number - steady[steps.owner] + 1, 0, len(SLOWING) - 1)
    gaps = _gaps(draw, steps, mean, np.array(SLOWING)[stage])
    visits = _of(steps, _walk(steps, start, gaps), mean)
    return visits._replace(interest=np.array(FADING, np.int64)[stage])


def _returning(draw: np.random.Generator, plan: Plan, size: int) -> Visits:
    """Let them keep a rhythm, be silent for months, and come back to it."""
    span = plan.days * DAY
    mean = draw.integers(5, _longest(plan.days // 12, 6, 31), size) * DAY
    start = draw.integers(0, max(1, span * 15 // 100), size)
    leaves = span * draw.integers(20, 41, size) // 100
    back = leaves + np.minimum(draw.integers(120, 241, size) * DAY, span * 45 // 100)
    steps = _steps(_enough(span, start, mean))
    minutes = _walk(steps, start, _gaps(draw, steps, mean))
    visits = _of(steps, minutes, mean)
    since = minutes - back[steps.owner]
    # Nobody looks around while she is silent.
    reach = np.where(since >= 0, np.minimum(visits.reach, since + DAY), visits.reach)
    present = (minutes < leaves[steps.owner]) | (since >= 0)
    return Visits(
        visits.customer[present],
        visits.day[present],
        reach[present],
        visits.interest[present],
        visits.buys[present],
    )


def _browsing(draw: np.random.Generator, plan: Plan, size: int) -> Visits:
    """Let them look now and then, by pure chance, and never buy."""
    mean = draw.integers(7, 61, size) * DAY
    start = draw.integers(0, plan.days * DAY, size)
    steps = _steps(_enough(plan.days * DAY, start, mean))
    visits = _of(steps, _walk(steps, start, _gaps(draw, steps, mean, shape=1.0)), mean)
    return visits._replace(buys=np.zeros(len(visits.buys), np.bool_))


_RHYTHMS: Final[Mapping[CustomerKind, Callable[[np.random.Generator, Plan, int], Visits]]] = {
    CustomerKind.REGULAR: _regular,
    CustomerKind.ONE_OFF: _one_off,
    CustomerKind.SEASONAL: _seasonal,
    CustomerKind.LAPSING: _lapsing,
    CustomerKind.RETURNING: _returning,
    CustomerKind.BROWSING: _browsing,
}


# ---- walking


def _longest(wanted: int, least: int, most: int) -> int:
    """Bound a rhythm, so that a short span has room for all that is to happen."""
    return min(max(wanted, least), most)


def _enough(span: int, start: IntArray, mean: IntArray) -> IntArray:
    """Return for each how many steps surely reach the end."""
    left = np.maximum(0, span + BEYOND - start)
    enough: IntArray = left * 3 // (2 * mean) + 8
    return enough


def _steps(counts: IntArray) -> _Steps:
    first = np.cumsum(counts) - counts
    owner = np.repeat(np.arange(len(counts)), counts)
    return _Steps(owner, np.arange(len(owner)) - first[owner], first)


def _gaps(
    draw: np.random.Generator,
    steps: _Steps,
    mean: IntArray,
    stretch: NDArray[np.float64] | float = 1.0,
    shape: float = REGULARITY,
) -> IntArray:
    """Draw the gap before each step, whole minutes; before the first there is none."""
    drawn = draw.gamma(shape, 1 / shape, len(steps.owner)) * mean[steps.owner] * stretch
    return np.where(steps.number == 0, 0, np.rint(drawn).astype(np.int64))


def _walk(steps: _Steps, start: IntArray, gaps: IntArray) -> IntArray:
    """Return the minute of each step."""
    total = np.cumsum(gaps)
    minutes: IntArray = total - total[steps.first][steps.owner] + start[steps.owner]
    return minutes


def _of(steps: _Steps, minutes: IntArray, mean: IntArray) -> Visits:
    """Turn steps into visits of people who are keen and buy."""
    own = mean[steps.owner]
    before = np.diff(minutes, prepend=0)
    reach = np.where(steps.number == 0, own, np.minimum(before, 2 * own))
    return Visits(
        steps.owner,
        minutes // DAY,
        reach,
        np.full(len(own), 100, np.int64),
        np.ones(len(own), np.bool_),
    )


def _casual(customer: IntArray, day: IntArray) -> Visits:
    """Turn single days into visits of people who are keen and buy."""
    size = len(customer)
    return Visits(
        customer,
        day,
        np.full(size, _CASUAL_REACH, np.int64),
        np.full(size, 100, np.int64),
        np.ones(size, np.bool_),
    )
