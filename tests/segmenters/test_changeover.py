"""Customers judged by other rules are moved by field name, or refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from schemas.errors import RulesChanged
from segmenters.batch import EventBatch
from segmenters.changeover import Changeover, check
from segmenters.engine import Engine
from segmenters.rules import Rules, loads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.changes import Change

pytestmark = pytest.mark.interpreted

DAY = 86_400_000
KEPT = 402
THREE = "[systems.lifecycle]\n{}\n[systems.monetary_tier]\n[systems.rfm]\n{}"
PLAIN = loads(THREE.format("", ""))
CADENCE = loads(THREE.format("[systems.lifecycle.cadence]", ""))
MAP_C = loads(THREE.format("", "map = 'C'"))


def bought(engine: Engine, days: Sequence[int], minor: int = 1_000) -> None:
    ids = [engine.customers * 1_000 + day + 1 for day in days]
    kinds, none = [0] * len(days), [False] * len(days)
    batch = EventBatch.from_columns(
        [b"ada"] * len(days), [day * DAY for day in days], kinds, [minor] * len(days), ids, ids,
        none, [str(each) for each in ids],
    )  # fmt: skip
    engine.apply(batch)


def brought_over(old: Engine, rules: Rules, day: int) -> tuple[Engine, list[Change]]:
    engine = Engine(rules, patient=True)
    engine.load_rows(*zip(*old.dump_rows(np.arange(old.customers)), strict=True))
    over, told = Changeover(engine, [old.rules], day * DAY, KEPT), []
    while over.more:
        told += [change for _, change in over.step(1).build_changes(0)]
    return engine, told


@pytest.mark.parametrize("orders", [4, 10, 14])
def test_a_rhythm_nobody_remembered_begins_with_the_listed_orders(orders: int) -> None:
    old = Engine(PLAIN)
    days = [10 * number for number in range(orders)]
    bought(old, days)
    engine, _ = brought_over(old, CADENCE, days[-1])
    row = engine.ledger.rows[0]
    listed = [day * DAY for day in days[-10:]]
    assert row.rhythm[: row.rhythm_n].tolist() == listed
    assert row.silent_after == 20 * DAY  # twice the gap
    back, _ = brought_over(engine, PLAIN, days[-1])
    assert back.ledger.rows[0].silent_after == 90 * DAY


def test_days_are_moved_with_their_customers() -> None:
    old = Engine(PLAIN)
    bought(old, [0, 5, 9], 90_000)
    engine, told = brought_over(old, MAP_C, 20)
    again, _ = brought_over(engine, PLAIN, 20)
    assert [(change.from_, change.to) for change in told] == [("potential_loyalist", "hhh")]
    both = [each.ledger for each in (old, again)]
    first, second = ([(t.day, t.orders, t.spend) for t in each.tiles.cells[1:4]] for each in both)
    assert sorted(first) == sorted(second)
    first, second = ([(o.ts, o.id, o.left) for o in each.orders.cells[1:4]] for each in both)
    assert sorted(first) == sorted(second)


def test_a_segment_that_is_no_more_is_named_where_a_customer_comes_from_and_then_forgotten() -> (
    None
):
    old = Engine(PLAIN)
    bought(old, [0])
    engine, told = brought_over(old, MAP_C, 20)
    assert [(c.system, c.from_, c.to, c.cause, c.play) for c in told] == [
        ("rfm", "new", "hll", "rules", None)
    ]
    late = EventBatch.from_columns(
        [b"ada"] * 3, [DAY] * 3, [0] * 3, [50_000] * 3, [7, 8, 9], [7, 8, 9], [False] * 3, ["l"] * 3
    )
    corrections = [change for _, change in engine.apply(late).build_changes(0)]
    assert [(c.system, c.cause, c.corrects) for c in corrections if c.system == "rfm"] == [
        ("rfm", "correction", None)
    ]


def test_rows_that_a_rule_left_stale_give_their_days_and_orders_back() -> None:
    old = Engine(PLAIN)
    bought(old, [0, 5, 9])
    engine, _ = brought_over(old, MAP_C, 20)
    used = engine.ledger.tiles.nbytes, engine.ledger.orders.nbytes
    for _ in range(5):
        engine.load_rows(*zip(*old.dump_rows(np.arange(1)), strict=True))
        over = Changeover(engine, [PLAIN], 20 * DAY, KEPT)
        over.step()
    assert (engine.ledger.tiles.nbytes, engine.ledger.orders.nbytes) == used
    assert (engine.ledger.rows[0].tiles, engine.ledger.rows[0].listed) == (3, 3)


def test_a_window_wider_than_the_days_kept_is_refused() -> None:
    check(PLAIN, MAP_C, 364)
    with pytest.raises(RulesChanged, match=r"systems\.monetary_tier: .* at most 364 days"):
        check(PLAIN, MAP_C, 363)


#  o at the midnight of day 100, other thresholds at that very instant; at 465 the day leaves
@pytest.mark.parametrize("crashes", [False, True])
def test_a_day_that_begins_as_the_rules_change_still_leaves_its_window(crashes: bool) -> None:
    money = "[systems.monetary_tier]\nthresholds = {{ large = {}, medium = 5 }}"
    old = Engine(loads(money.format(90)))
    bought(old, [100])
    engine, _ = brought_over(old, loads(money.format(80)), 100)
    if crashes:
        values = engine.dump_rows(np.arange(1))
        engine = Engine(engine.rules)
        engine.load_rows(*zip(*values, strict=True))
        engine.wind()
    told = engine.tick(500 * DAY).build_changes(0)
    assert [(change.to, change.at // DAY) for _, change in told] == [("none", 465)]
