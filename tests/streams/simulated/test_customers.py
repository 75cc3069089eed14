"""The kinds of customers do what their names say."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest

from schemas.vocabulary import MS_PER_DAY, Kind
from segmenters.rules import defaults
from streams.simulated.plan import KINDS, USUAL, CustomerKind, Plan
from streams.simulated.shop import Shop, open_shop
from streams.simulated.touches import HABITS
from streams.simulated.visits import SEASONS

QUALIFYING = [habit.kind in defaults().qualifying for habit in HABITS]


@cache
def shop_of(kind: CustomerKind) -> Shop:
    """Open a shop that has customers of one kind, for two years."""
    return open_shop(Plan(customers=800, days=730, seed=11, shares={kind: 1}))


def days_of_orders(shop: Shop) -> list[np.ndarray]:
    """List, by customer, the days (fractions of the span) on which something was ordered."""
    orders = shop.events.kind == Kind.ORDER
    days = (shop.events.ts[orders] - shop.plan.start) / MS_PER_DAY
    whose = shop.events.customer[orders]
    return [days[whose == customer] for customer in range(shop.plan.customers)]


def days_of_engagements(shop: Shop, *, qualifying: bool = True) -> list[np.ndarray]:
    """List, by customer, the days of engagements that count, or of those that do not."""
    counts = np.array(QUALIFYING)[shop.events.habit] == qualifying
    chosen = (shop.events.kind == Kind.ENGAGEMENT) & counts
    days = (shop.events.ts[chosen] - shop.plan.start) / MS_PER_DAY
    whose = shop.events.customer[chosen]
    return [days[whose == customer] for customer in range(shop.plan.customers)]


def spread(gaps: np.ndarray) -> float:
    """Give the standard deviation in means: 1 for pure chance, 0 for a clockwork."""
    return float(gaps.std() / gaps.mean())


def test_regulars_keep_a_rhythm_of_their_own() -> None:
    gaps = [np.diff(days) for days in days_of_orders(shop_of(CustomerKind.REGULAR))]
    known = [each for each in gaps if len(each) >= 8]
    assert len(known) > 500
    spreads = np.array([spread(each) for each in known])
    assert 0.2 < np.median(spreads) < 0.4
    assert (spreads < 0.7).all()
    means = np.array([each.mean() for each in known])
    assert means.min() < 8
    assert means.max() > 35


def test_regulars_do_not_stop() -> None:
    shop = shop_of(CustomerKind.REGULAR)
    for days in days_of_orders(shop):
        if len(days) >= 8:
            assert shop.plan.days - days[-1] < 3 * np.diff(days).mean()


def test_one_offs_order_once() -> None:
    counts = {len(days) for days in days_of_orders(shop_of(CustomerKind.ONE_OFF))}
    assert counts == {1}


def test_browsers_look_and_never_buy() -> None:
    shop = shop_of(CustomerKind.BROWSING)
    assert set(shop.events.kind.tolist()) == {Kind.ENGAGEMENT}
    assert np.mean([len(days) for days in days_of_engagements(shop)]) > 10


def test_seasonal_customers_peak_in_their_weeks_of_both_years() -> None:
    shop = shop_of(CustomerKind.SEASONAL)
    weeks = {week for first, count in SEASONS for week in range(first, first + count)}
    orders = shop.events.ts[shop.events.kind == Kind.ORDER]
    of_year = [datetime.fromtimestamp(ts / 1000, UTC).timetuple() for ts in orders.tolist()]
    inside = [(day.tm_yday - 1) // 7 in weeks for day in of_year]
    assert np.mean(inside) > 0.9
    assert np.mean(inside) < 1.0, "a few come besides"
    for year in (2024, 2025):
        assert sum(day.tm_year == year for day in of_year) > 0.4 * len(of_year)


def test_a_seasonal_customer_keeps_to_one_season() -> None:
    shop = shop_of(CustomerKind.SEASONAL)
    kept = 0
    for days in days_of_orders(shop):
        week = (days % 365.25) // 7
        kept += any(((week >= a - 1) & (week <= a + n)).mean() > 0.6 for a, n in SEASONS)
    assert kept > 0.9 * shop.plan.customers


def stopped(shop: Shop) -> list[tuple[int, np.ndarray]]:
    """List lapsing customers, with the days of their orders, who stopped long before the end."""
    ordered = enumerate(days_of_orders(shop))
    return [(who, days) for who, days in ordered if len(days) >= 9 and days[-1] < 640]


def test_lapsing_customers_slow_down_before_they_stop() -> None:
    shop = shop_of(CustomerKind.LAPSING)
    lapsed = stopped(shop)
    assert len(lapsed) > 0.8 * shop.plan.customers
    slower, steady = [], []
    for _, days in lapsed:
        gaps = np.diff(days)
        slower.append(gaps[-3:].mean() / gaps[:-4].mean())
        steady.append(spread(gaps[:-4]))
    assert np.quantile(slower, 0.02) > 1.5
    assert 2.5 < np.median(slower) < 4.5
    assert np.median(steady) < 0.4
    last = [np.diff(days)[-4:] for _, days in lapsed]
    assert (np.diff(np.median(last, axis=0)) > 0).all(), "slower with every order"


def test_interest_fades_before_a_lapse_but_mail_is_still_opened() -> None:
    shop = shop_of(CustomerKind.LAPSING)
    engaged = days_of_engagements(shop)
    mail = days_of_engagements(shop, qualifying=False)
    early, late, opened = 0, 0, 0
    for who, days in stopped(shop):
        # As many orders on either side, hence more days on the later one.
        early += ((engaged[who] > days[-9]) & (engaged[who] <= days[-5])).sum()
        late += ((engaged[who] > days[-5]) & (engaged[who] <= days[-1])).sum()
        opened += (mail[who] > days[-1] + 14).sum()
    assert late < 0.5 * early
    assert opened > 0.5 * len(stopped(shop))


def test_nobody_engages_long_after_a_lapse() -> None:
    shop = shop_of(CustomerKind.LAPSING)
    engaged = days_of_engagements(shop)
    after = [(engaged[who] > days[-1] + 21).sum() for who, days in stopped(shop)]
    assert sum(after) == 0


def test_returning_customers_are_silent_for_months_and_then_back() -> None:
    shop = shop_of(CustomerKind.RETURNING)
    engaged = days_of_engagements(shop)
    seen = 0
    for who, days in enumerate(days_of_orders(shop)):
        gaps = np.diff(days)
        longest = int(gaps.argmax())
        if gaps[longest] < 110 or len(days) - longest < 4:
            continue
        seen += 1
        usual = np.delete(gaps, longest)
        assert gaps[longest] > 2.5 * usual.mean()
        # A review, a complaint after the last order; a look around shortly before the next.
        silent = (engaged[who] > days[longest] + 21) & (engaged[who] < days[longest + 1] - 62)
        assert silent.sum() == 0
    assert seen > 0.9 * shop.plan.customers


def test_kinds_come_in_the_shares_that_were_asked_for() -> None:
    shop = open_shop(Plan(customers=1_000, days=30))
    counts = np.bincount(shop.kinds, minlength=len(KINDS))
    assert counts.tolist() == [10 * USUAL[kind] for kind in KINDS]
    ids_of_regulars = np.flatnonzero(shop.kinds == 0)
    assert 400 < ids_of_regulars.mean() < 600, "an id tells nothing"


def test_days_have_nights() -> None:
    orders = shop_of(CustomerKind.ONE_OFF).events
    hours = orders.ts[orders.kind == Kind.ORDER] // 3_600_000 % 24
    assert (hours < 6).mean() < 0.1
    assert ((hours >= 17) & (hours < 23)).mean() > 0.3


@pytest.mark.parametrize("days", [1, 7, 40, 120])
def test_short_spans_have_shops_too(days: int) -> None:
    shop = open_shop(Plan(customers=300, days=days))
    assert len(shop.events.ts) > 0
    assert (shop.events.ts >= shop.plan.start).all()
    assert (shop.events.ts < shop.plan.until).all()
