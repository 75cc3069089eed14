"""Hold the engine to the oracle's account of late facts, arrival by arrival."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import in_output_order
from tests.oracle_book import Fact
from tests.oracle_late import Feed
from tests.properties.feeding import EXAMPLES, PROPERTY, Run, dump, line_of
from tests.properties.histories import (
    RULES,
    histories,
    late_arrivals,
    systems_of,
    timezone_of,
)
from tests.properties.test_engine_equals_oracle import NAMES, rules_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.changes import Change

pytestmark = [
    pytest.mark.interpreted,
    pytest.mark.timeout(900),  # a failure takes long to shrink
]


class Pair:
    """Feed an engine and the oracle side by side, and compare what each arrival makes them tell."""

    def __init__(self, name: str) -> None:
        self.run = Run(rules_of(name))
        self.feed = Feed(systems_of(RULES[name]), timezone_of(RULES[name]))
        self.sequences: dict[str, int] = {}

    def arrive(self, arrival: Fact | int) -> None:
        """Let a fact or a tick arrive at both."""
        if isinstance(arrival, Fact):
            told, expected = self.run.apply([arrival]), self.feed.apply(arrival)
        else:
            told, expected = self.run.tick(arrival), self.feed.tick(arrival)
        assert self.lines(told) == expected

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

    def agree(self) -> None:
        """Compare what has been counted."""
        assert self.run.late == self.feed.late
        assert self.run.duplicates == self.feed.duplicates
        assert self.run.refused == len(self.feed.too_late)


@given(NAMES, st.data())
@settings(PROPERTY, max_examples=3 * EXAMPLES)
def test_late_facts_make_the_changes_the_oracle_tells(name: str, data: st.DataObject) -> None:
    pair = Pair(name)
    for arrival in data.draw(late_arrivals(data.draw(histories()))):
        pair.arrive(arrival)
    pair.agree()


@given(NAMES, st.data())
@PROPERTY
def test_a_recovery_between_late_facts_changes_nothing(name: str, data: st.DataObject) -> None:
    pair = Pair(name)
    for arrival in data.draw(late_arrivals(data.draw(histories(customers=2)))):
        if data.draw(st.integers(0, 3)) == 0:
            if pair.feed.clock is not None:
                pair.arrive(pair.feed.clock)  # what is due by now may be told now
            before = dump(pair.run.engine), pair.run.profiles()
            pair.run.recover()
            assert (dump(pair.run.engine), pair.run.profiles()) == before
        pair.arrive(arrival)
    pair.agree()
