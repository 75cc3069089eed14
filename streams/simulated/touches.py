"""Say what customers do besides buying: looking, searching, clicking, opening mail.

Responsible for engagements around visits, which fade as interest does, and for newsletters opened,
which go on: no sign of life. Must not know money.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from schemas.vocabulary import MS_PER_DAY
from streams.simulated.catalogue import GOODS
from streams.simulated.visits import DAY

if TYPE_CHECKING:
    from streams.runs import IntArray
    from streams.simulated.plan import Plan
    from streams.simulated.visits import Visits

_MINUTE_MS: Final = 60_000


class Habit(NamedTuple):
    """One thing customers do around a visit.

    Attributes
    ----------
    kind
        As it stands in the event.
    channel
        Where it is done.
    often
        Its weight among all.
    nearest, farthest
        How many minutes before the visit; below 0 after it. No farthest: as long before as the
        customer looks around at all.
    """

    kind: str
    channel: str
    often: int
    nearest: int
    farthest: int | None


HABITS: Final = (
    Habit("login", "web", 3, 35, 60),
    Habit("search", "web", 4, 20, 35),
    Habit("product_view", "web", 8, 5, 20),
    Habit("cart", "web", 5, 1, 5),
    Habit("app_open", "app", 2, 60, None),
    Habit("product_view", "app", 3, 60, None),
    Habit("email_click", "email", 3, 60, None),
    Habit("review", "web", 1, -20 * DAY, -2 * DAY),
    Habit("support_contact", "web", 1, -10 * DAY, -60),
    # Nothing a customer does, though systems send it along.
    Habit("push_received", "app", 2, 60, None),
    Habit("email_open", "email", 0, 0, 0),
)
"""The last one is not drawn with the others: newsletters come every week, to everybody."""
MAIL: Final = len(HABITS) - 1
SHOWING_GOODS: Final = ("product_view", "cart", "review")

_DECK: Final = tuple(n for n, habit in enumerate(HABITS) for _ in range(habit.often))
_SENT: Final = 9 * 60
"""Minute of the day at which newsletters go out."""


class Touches(NamedTuple):
    """Engagements: whose, when, what (place in `HABITS`) and which good was looked at."""

    customer: IntArray
    ts: IntArray
    habit: IntArray
    good: IntArray


def around(plan: Plan, visits: Visits, ts: IntArray) -> Touches:
    """Draw what is done around visits.

    Parameters
    ----------
    plan
        The shop.
    visits, ts
        All visits, and the instant of each.
    """
    draw = plan.chance(4)
    owner = np.repeat(np.arange(len(ts)), draw.integers(1, 9, len(ts)))
    habit = np.array(_DECK)[draw.integers(0, len(_DECK), len(owner))]
    nearest = np.array([each.nearest for each in HABITS])[habit]
    farthest = np.array([each.farthest or 0 for each in HABITS])[habit]
    roams = np.array([each.farthest is None for each in HABITS])[habit]
    reach = np.maximum(visits.reach[owner], nearest + 60)
    before = draw.integers(nearest * _MINUTE_MS, np.where(roams, reach, farthest) * _MINUTE_MS)
    done = draw.integers(0, 100, len(owner)) < visits.interest[owner]
    done &= visits.buys[owner] | (nearest >= 0)  # who bought nothing reviews nothing
    owner, habit = owner[done], habit[done]
    good = draw.integers(0, GOODS, len(owner))
    return Touches(visits.customer[owner], ts[owner] - before[done], habit, good)


def newsletters(plan: Plan, since: IntArray) -> Touches:
    """Draw who opens which of the weekly newsletters.

    Parameters
    ----------
    plan
        The shop.
    since
        By customer, the instant from which on they get them.
    """
    draw = plan.chance(5)
    weeks = plan.days // 7 + 1
    opened = draw.integers(0, weeks // 4 + 1, plan.customers)
    owner = np.repeat(np.arange(plan.customers), opened)
    day = draw.integers(0, weeks, len(owner)) * 7
    # Most mail is opened within the hour, some in the evening, some on another day.
    slow = np.array((60, 60, 60, 12 * 60, 3 * DAY))[draw.integers(0, 5, len(owner))]
    delay = draw.integers(0, slow * _MINUTE_MS)
    ts = plan.start + day * MS_PER_DAY + _SENT * _MINUTE_MS + delay
    reached = ts >= since[owner]
    size = int(np.count_nonzero(reached))
    return Touches(
        owner[reached], ts[reached], np.full(size, MAIL, np.int64), np.zeros(size, np.int64)
    )
