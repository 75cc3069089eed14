"""Hold the engine to the oracle where rules change, also several times and with crashes between."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmenters.changeover import Changeover, kept_days
from segmenters.engine import Engine
from segmenters.instants import NEVER
from segmenters.oracle.late import Feed
from segmenters.oracle.turn import Rules as OracleRules
from segmenters.oracle.turn import change_rules
from segmenters.rules import Rules, loads, recall
from tests.oracle import in_output_order
from tests.oracle_book import Fact
from tests.properties.feeding import EXAMPLES, PROPERTY, Run, dump, line_of
from tests.properties.histories import (
    RULES,
    SMALL,
    SMALL_CHURN,
    SMALL_MONEY,
    SMALL_OTHERS,
    SMALL_RFM,
    histories,
    late_arrivals,
    pack,
    systems_of,
    ticked,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from schemas.changes import Change

pytestmark = [
    pytest.mark.interpreted,
    pytest.mark.timeout(900),  # a failure takes long to shrink
]

PAIRS = SMALL + "\nby_value = { high = [3, 1], mid = [5, 2] }"
WORTH = "thresholds = { high = 100, mid = 10 }"
LAWS = {
    "pack": pack("UTC", PAIRS, WORTH, SMALL_CHURN, SMALL_OTHERS),
    "worth": pack("UTC", PAIRS, WORTH.replace("100", "60"), SMALL_CHURN, SMALL_OTHERS),
    "profit": pack("UTC", SMALL, 'basis = "profit"\n' + WORTH, SMALL_CHURN, SMALL_OTHERS),
    "damped": pack(
        "UTC",
        PAIRS.replace("new_days = 3", "new_days = 5"),
        WORTH + "\ndamping = { dwell_days = 2 }",
        SMALL_CHURN + "\ndamping = { cooldown_days = 3 }",
        SMALL_OTHERS + '\ndamping = { dwell_days = 1, reentry = "never" }',
    ),
    "counts": RULES["small_counts"],
    "cadence": RULES["small_cadence"],
    "longer": RULES["small_counts"]
    .replace("silent_purchase_days = 4", "silent_purchase_days = 6")
    .replace("new_days = 3", "new_days = 9")
    .replace("down_ratio = 0.9", "down_ratio = 0.5"),
    "money": RULES["small_counts"].replace("large = 100,", "large = 90,"),
    "map_b": RULES["small_counts"] + 'map = "B"\n',
    "lifecycle": f"[systems.lifecycle]\n{SMALL}\nnew_orders = 2\nreactivated_orders = 1\n",
    "tiers": f"[systems.monetary_tier]\n{SMALL_MONEY}\n[systems.rfm]\n{SMALL_RFM}\nmap = 'C'\n",
}
"""Rules that may follow each other: all of one time zone, few sets of systems."""
NAMES = st.sampled_from(sorted(LAWS))
KEPT = 730
ONE_ALTERED = {"money": "monetary_tier", "map_b": "rfm"}
"""What differs from `counts`, by rules."""


@cache
def law(name: str) -> Rules:
    """Read rules of a name once."""
    return loads(LAWS[name])


class Shop:
    """Feed an engine and the oracle side by side, through changes of rules."""

    def __init__(self, name: str) -> None:
        self.laws = [law(name)]
        self.run = Run(law(name))
        self.feed = Feed(systems_of(LAWS[name]), "UTC")
        self.rules = {name: self.feed.rules}
        self.sequences: dict[str, int] = {}

    def arrive(self, arrival: Fact | int) -> None:
        """Let a fact or a tick arrive at both."""
        if isinstance(arrival, Fact):
            told, expected = self.run.apply([arrival]), self.feed.apply(arrival)
        else:
            told, expected = self.run.tick(arrival), self.feed.tick(arrival)
        assert self.lines(told) == expected

    def change(self, name: str, slices: int, limit: int) -> bool:
        """Begin with other rules and bring over some slices; tell whether that was all."""
        now, clock = law(name), self.feed.clock
        instant = NEVER if clock is None else clock
        self.begin(now)
        over = Changeover(self.run.engine, self.laws, instant, KEPT)
        rules = self.rules.setdefault(name, OracleRules(systems_of(LAWS[name]), "UTC"))
        for customer in self.feed.customers.values():
            there = customer.name.encode() not in self.run.engine.waiting
            assert there == (customer.rules is self.rules.get(name))
        while over.more and slices:
            waiting = set(self.run.engine.waiting)
            told = self.run.take(over.step(limit))
            moved = waiting - set(self.run.engine.waiting)
            assert 0 < len(moved) <= limit
            expected = []
            for key in moved:
                expected += change_rules(self.feed.customers[key.decode()], rules, instant)
            assert self.lines(told) == in_output_order(expected)
            slices -= 1
        self.feed.rules = rules
        self.laws = [*over.left, now]
        return not over.more

    def begin(self, now: Rules) -> None:
        """Go on under other rules with nothing but the changelog values, as after a crash."""
        old = self.run.engine
        waiting = dict(old.waiting)
        values = {key: value for key, value in dump(old) if key not in waiting} | waiting
        engine = Engine(recall(now.text), patient=True)
        engine.load_rows(list(values), list(values.values()))
        engine.clock = old.clock  # the position record keeps it: a clock never goes back
        self.run.rules, self.run.engine = now, engine

    def lines(self, changes: Sequence[Change]) -> list[dict[str, Any]]:
        """Write changes as the oracle does: what a correction corrects by its sequence."""
        lines = []
        for change in changes:
            line = line_of(change)
            self.sequences[change.id] = change.sequence
            if change.cause == "correction":
                line["corrects"] = self.sequences[change.corrects] if change.corrects else None
            lines.append(line)
        return in_output_order(lines)

    def told_of(self, systems: set[str]) -> list[dict[str, Any]]:
        """List what was told of some systems, but for the sequence, which counts all of them."""
        lines = [line for line in self.run.lines if line["system"] in systems]
        return [{name: line[name] for name in line if name != "sequence"} for line in lines]

    def segments(self) -> dict[str, dict[str, str]]:
        """Give every judged customer's segments, as the profiles show them."""
        return {
            profile.customer_id: {key: each.segment for key, each in profile.systems.items()}
            for profile in self.run.profiles()
            if profile.systems
        }

    def agree(self) -> None:
        """Compare what is known at the end, and what has been counted."""
        assert self.segments() == self.feed.profiles()
        assert self.run.late == self.feed.late
        assert self.run.duplicates == self.feed.duplicates


@given(NAMES, st.data())
@settings(PROPERTY, max_examples=max(1, EXAMPLES // 3))
def test_rules_may_change_at_any_instant(name: str, data: st.DataObject) -> None:
    shop = Shop(name)
    for arrival in data.draw(ticked(data.draw(histories()))):
        shop.arrive(arrival)
        if data.draw(st.integers(0, 5)) == 0:
            assert shop.change(data.draw(NAMES), 10, data.draw(st.integers(1, 3)))
    shop.agree()


@given(NAMES, st.data())
@settings(PROPERTY, max_examples=max(1, EXAMPLES // 3))
def test_crashes_on_the_way_to_other_rules_neither_lose_nor_double(
    name: str, data: st.DataObject
) -> None:
    # Whoever goes on may have yet other rules, also those of before.
    shop = Shop(name)
    for arrival in data.draw(ticked(data.draw(histories(customers=5, moves=12)))):
        shop.arrive(arrival)
        if data.draw(st.integers(0, 7)) == 0:
            while not shop.change(data.draw(NAMES), data.draw(st.integers(0, 3)), 1):
                pass
    shop.agree()


@given(NAMES, st.data())
@settings(PROPERTY, max_examples=max(1, EXAMPLES // 4))
def test_facts_may_come_late_across_a_change_of_rules(name: str, data: st.DataObject) -> None:
    shop = Shop(name)
    for arrival in data.draw(late_arrivals(data.draw(histories(moves=15)))):
        shop.arrive(arrival)
        if data.draw(st.integers(0, 5)) == 0:
            assert shop.change(data.draw(NAMES), 10, 5)
        if data.draw(st.integers(0, 5)) == 0:
            if shop.feed.clock is not None:
                shop.arrive(shop.feed.clock)  # what is due by now may be told now
            shop.run.recover()
    shop.agree()


@given(st.sampled_from(sorted(ONE_ALTERED)), st.data())
@PROPERTY
def test_a_system_whose_own_rules_stand_goes_on_as_if_nothing_had_happened(
    name: str, data: st.DataObject
) -> None:
    # The lifecycle has a long memory, and keeps all of it; so has the other tier.
    arrivals = data.draw(ticked(data.draw(histories().filter(bool))))
    changed, stands = Shop("counts"), Shop("counts")
    place = data.draw(st.integers(0, len(arrivals) - 1))
    for number, arrival in enumerate(arrivals):
        changed.arrive(arrival)
        stands.arrive(arrival)
        if number == place:
            assert changed.change(name, 10, 5)
    kept = {"lifecycle", "monetary_tier", "rfm"} - {ONE_ALTERED[name]}
    assert changed.told_of(kept) == stands.told_of(kept)


def test_days_are_kept_for_the_widest_window_and_the_latest_fact() -> None:
    assert min(kept_days(law(name)) for name in LAWS) == KEPT
