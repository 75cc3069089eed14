"""Hold the engine to the oracle on customers of the simulated shop.

Beside histories that hit every edge, these are such as shops have: long, mostly regular, with
engagements in their hundreds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.vocabulary import MS_PER_DAY
from segmenters.engine import Engine
from segmenters.instants import FAR
from tests.oracle import in_output_order
from tests.oracle_late import Feed
from tests.properties.feeding import COMPILED, EXAMPLES, PROPERTY, Run, cut, line_of, run_whole
from tests.properties.histories import RULES, systems_of, timezone_of
from tests.properties.shoppers import arriving_facts, facts_of, held_up, shops
from tests.properties.test_engine_equals_oracle import oracle, rules_of

if TYPE_CHECKING:
    from streams.simulated.shop import Shop

pytestmark = pytest.mark.timeout(900)  # a failure takes long to shrink

NAMES = st.sampled_from(COMPILED)

FEWER = settings(PROPERTY, max_examples=max(1, EXAMPLES // 2))


def end_of(shop: Shop, days: int) -> int:
    """Choose where time ends: so many days after the shop's last one."""
    return shop.plan.until + days * MS_PER_DAY


@given(NAMES, shops(), st.sampled_from((0, 30, 400)), st.data())
@FEWER
def test_the_engine_tells_of_a_shop_what_the_oracle_tells(
    name: str, shop: Shop, days: int, data: st.DataObject
) -> None:
    facts, end = facts_of(shop), end_of(shop, days)
    expected = oracle(name, facts, end)
    assert run_whole(rules_of(name), facts, end).lines == expected
    run = Run(rules_of(name))
    for batch in cut(facts, data.draw(st.sets(st.integers(1, max(len(facts), 1)), max_size=9))):
        run.apply(batch)
    run.tick(end, inclusive=True)
    assert run.lines == expected


@given(NAMES, shops(customers=4))
@FEWER
def test_records_of_a_shop_may_be_held_up_for_days(name: str, shop: Shop) -> None:
    run = Run(rules_of(name))
    feed = Feed(systems_of(RULES[name]), timezone_of(RULES[name]))
    newest = 0
    for fact in arriving_facts(held_up(shop)):
        told, expected = run.apply([fact]), feed.apply(fact)
        if fact.ts > newest + MS_PER_DAY:  # a day has passed: what is due is told
            newest = fact.ts
            told += run.tick(newest)
            expected += feed.tick(newest)
        lines = [line_of(change) for change in told]
        assert in_output_order(lines) == in_output_order(
            {key: value for key, value in line.items() if key != "corrects"} for line in expected
        )
    assert (run.late, run.duplicates) == (feed.late, feed.duplicates)


@given(NAMES, shops(customers=4), st.integers(0, 400))
@FEWER
def test_a_cache_that_is_filled_after_a_recovery_says_no_less_than_before(
    name: str, shop: Shop, days: int
) -> None:
    journal: list[tuple[bytes, bytes]] = []
    run = Run(rules_of(name), journal)
    facts, end = facts_of(shop), end_of(shop, days)
    midnight = facts[0].ts if facts else end
    for fact in [*facts, None]:
        while midnight < (end if fact is None else fact.ts):
            midnight += MS_PER_DAY
            run.tick(midnight)
        if fact is not None:
            run.apply([fact])
    recovered = Engine(run.rules)
    if not journal:
        return
    recovered.load_rows(*map(list, zip(*dict(journal).items(), strict=True)))
    recovered.wind()
    filled = recovered.profiles(np.arange(recovered.customers))
    for profile in filled:
        if profile.systems:
            before = run.cache[profile.customer_id]
            assert (profile.valid_until or FAR) >= (before.valid_until or FAR)
            assert (profile.valid_until or FAR) >= run.engine.clock
