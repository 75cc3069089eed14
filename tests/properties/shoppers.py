"""Give customers of a simulated shop as histories for property tests.

Responsible for the way from the shop's columns to the oracle's facts, sound records alone. It
judges nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from schemas.vocabulary import MS_PER_DAY, Kind
from segmenters.rules import defaults
from streams.simulated.defects import WHOLE, Defects, arrive
from streams.simulated.plan import KINDS, Plan
from streams.simulated.records import event_id, order_id
from streams.simulated.shop import NOTHING, customer_id, open_shop
from streams.simulated.touches import HABITS
from tests.oracle_book import Fact
from tests.properties.histories import in_applied_order

if TYPE_CHECKING:
    from streams.simulated.shop import Shop

_QUALIFYING = [habit.kind in defaults().qualifying for habit in HABITS]


def arriving_facts(shop: Shop) -> list[Fact]:
    """List a shop's facts in the order in which they arrive, late and repeated ones among them."""
    event, _, _, broken = shop.arrivals
    whole = event[broken == WHOLE]
    columns = [column[whole].tolist() for column in shop.events]
    return [
        Fact(
            customer_id(customer).decode(),
            ts,
            kind,
            amount,
            None if order == NOTHING else order_id(order).decode(),
            event_id(number).decode(),
            kind != Kind.ENGAGEMENT or _QUALIFYING[habit],
            amount * 3 // 10 if kind == Kind.ORDER else None,
        )
        for number, customer, ts, kind, order, amount, habit, _ in zip(
            whole.tolist(), *columns, strict=True
        )
    ]


def facts_of(shop: Shop) -> list[Fact]:
    """List a shop's facts in the order in which they happened."""
    return in_applied_order(arriving_facts(shop))


def held_up(shop: Shop) -> Shop:
    """Let one record in ten come up to ten days late, and one in fifty twice.

    A few customers of a shop would have hardly any late or repeated records otherwise.
    """
    draw, size = shop.plan.chance(99), len(shop.events.ts)
    late_by = np.where(draw.random(size) < 0.1, draw.integers(0, 10 * MS_PER_DAY, size), 0)
    defects = Defects(late_by, draw.random(size) < 0.02, np.full(size, WHOLE))
    return shop._replace(arrivals=arrive(shop.events.ts, defects))


def plans(customers: int = 6) -> st.SearchStrategy[Plan]:
    """Choose a shop of a few customers, of all kinds or of one."""
    shares = st.sampled_from([dict.fromkeys(KINDS, 1.0), *[{kind: 1.0} for kind in KINDS]])
    return st.builds(
        Plan,
        customers=st.sampled_from((1, (1 + customers) // 2, customers)),
        days=st.sampled_from((90, 400, 800)),
        seed=st.integers(0, 2**32 - 1),
        shares=shares,
    )


def shops(customers: int = 6) -> st.SearchStrategy[Shop]:
    """Choose a shop as `plans` does, and open it."""
    return plans(customers).map(open_shop)
