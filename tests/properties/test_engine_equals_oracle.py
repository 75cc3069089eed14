"""Hold the engine to the oracle on random histories, however the facts are fed.

Cuts into batches, ticks, interleavings, redeliveries and recoveries are drawn at random; whatever
is drawn, the changes must be the oracle's, line for line. REWAKE_EXAMPLES asks for more examples.
"""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmenters.engine import FORESIGHT
from segmenters.instants import FAR
from segmenters.rules import Rules, loads
from tests.oracle import run as oracle_run
from tests.oracle_book import DAY_MS, Fact
from tests.properties.feeding import EXAMPLES, PACKS, PROPERTY, Run, cut, dump, run_whole
from tests.properties.histories import RULES, ends, histories, systems_of, ticked, timezone_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.changes import Change
    from schemas.profiles import Profile
    from tests.properties.feeding import Line

pytestmark = [
    pytest.mark.interpreted,
    pytest.mark.timeout(900),  # a failure takes long to shrink
]

NAMES = st.sampled_from(PACKS)
AGES = 4_000 * DAY_MS
"""After so long time has done all it can."""


@cache
def rules_of(name: str) -> Rules:
    """Read the rules of a name once: each set of systems is a kernel of its own."""
    return loads(RULES[name])


def oracle(name: str, facts: Sequence[Fact], end: int) -> list[Line]:
    """Give what must be told of facts until the end of time; eight event ids are remembered."""
    text = RULES[name]
    return oracle_run(facts, systems_of(text), timezone_of(text), end, remembered=8)


@given(NAMES, st.data())
@settings(PROPERTY, max_examples=5 * EXAMPLES)
def test_the_engine_tells_what_the_oracle_tells(name: str, data: st.DataObject) -> None:
    facts = data.draw(histories())
    end = data.draw(ends(facts))
    assert run_whole(rules_of(name), facts, end).lines == oracle(name, facts, end)


@given(NAMES, st.data())
@PROPERTY
def test_batches_may_be_cut_anywhere(name: str, data: st.DataObject) -> None:
    facts = data.draw(histories())
    end = data.draw(ends(facts))
    places = data.draw(st.sets(st.integers(1, max(len(facts), 1))))
    run = Run(rules_of(name))
    for batch in cut(facts, places):
        run.apply(batch)
    run.tick(end, inclusive=True)
    assert run.lines == oracle(name, facts, end)


@given(NAMES, st.data())
@PROPERTY
def test_ticks_decide_when_it_is_told_and_nothing_else(name: str, data: st.DataObject) -> None:
    facts = data.draw(histories())
    end = data.draw(ends(facts))
    run = Run(rules_of(name))
    for arrival in data.draw(ticked(facts)):
        if isinstance(arrival, Fact):
            run.apply([arrival])
        else:
            run.tick(arrival, limit=data.draw(st.sampled_from((1, 2, 5_000))))
    run.tick(end, inclusive=True, limit=data.draw(st.sampled_from((1, 2, 5_000))))
    assert run.lines == oracle(name, facts, end)
    assert run.late == 0


@given(NAMES, st.data())
@PROPERTY
def test_customers_may_come_in_any_order(name: str, data: st.DataObject) -> None:
    facts = data.draw(histories())
    end = data.draw(ends(facts))
    queues = [
        list(own)
        for _, own in groupby(sorted(facts, key=lambda f: f.customer), key=lambda f: f.customer)
    ]
    shuffled = []
    while queues:
        queue = data.draw(st.sampled_from(queues))
        shuffled.append(queue.pop(0))
        queues = [left for left in queues if left]
    assert run_whole(rules_of(name), shuffled, end).lines == oracle(name, facts, end)


@given(NAMES, st.data())
@PROPERTY
def test_a_redelivery_of_any_of_the_last_eight_changes_nothing(
    name: str, data: st.DataObject
) -> None:
    facts = [fact for fact in data.draw(histories(customers=1)) if fact.event_id is not None]
    end = data.draw(ends(facts))
    run = Run(rules_of(name))
    seen: list[Fact] = []
    for fact in facts:
        run.apply([fact])
        if fact not in seen[-8:]:
            seen.append(fact)
        again = data.draw(st.lists(st.sampled_from(seen[-8:]), max_size=3))
        before, told, duplicates = dump(run.engine), len(run.told), run.duplicates
        run.apply(again)
        assert dump(run.engine) == before
        assert (len(run.told), run.duplicates) == (told, duplicates + len(again))
    run.tick(end, inclusive=True)
    assert run.lines == oracle(name, facts, end)


@given(NAMES, st.data())
@PROPERTY
def test_a_recovery_at_any_point_leaves_everything_equal(name: str, data: st.DataObject) -> None:
    facts = data.draw(histories())
    end = data.draw(ends(facts))
    run = Run(rules_of(name))
    for arrival in data.draw(ticked(facts)):
        if data.draw(st.integers(0, 3)) == 0:
            run.tick(run.engine.clock)
            before = dump(run.engine), run.profiles()
            run.recover()
            assert (dump(run.engine), run.profiles()) == before
        if isinstance(arrival, Fact):
            run.apply([arrival])
        else:
            run.tick(arrival)
    run.recover()
    run.tick(end, inclusive=True)
    assert run.lines == oracle(name, facts, end)


@given(NAMES, st.data())
@PROPERTY
def test_the_changelog_alone_brings_everything_back(name: str, data: st.DataObject) -> None:
    # Only rows called dirty are written; old values of a key stand before newer ones.
    facts = data.draw(histories())
    end = data.draw(ends(facts))
    run = Run(rules_of(name), journal=[])
    for arrival in data.draw(ticked(facts)):
        if isinstance(arrival, Fact):
            run.apply([arrival])
        else:
            run.tick(arrival)
    run.recover()
    run.tick(end, inclusive=True)
    assert run.lines == oracle(name, facts, end)


@given(NAMES, st.data())
@PROPERTY
def test_a_profile_holds_until_the_instant_it_names(name: str, data: st.DataObject) -> None:
    # It is the instant of the next change or, more than eight dues ahead, one before that.
    facts = data.draw(histories())
    end = data.draw(ends(facts))
    run = run_whole(rules_of(name), facts, end)
    for profile in run.profiles():
        until = profile.valid_until
        look = run.copied()
        if until is None:
            assert changes_of(profile, look.tick(end + AGES)) == []
            continue
        dues = 0
        while (due := int(look.engine.ledger.dues[look.row_of(profile)])) < until:
            assert changes_of(profile, look.tick(due, inclusive=True)) == []
            dues += 1
        changes = changes_of(profile, look.tick(until, inclusive=True))
        assert all(change.at == until for change in changes)
        if profile.next or dues < FORESIGHT:
            assert {change.system: change.to for change in changes} == profile.next != {}


@given(NAMES, st.data())
@PROPERTY
def test_what_the_cache_was_told_is_true_and_never_runs_out(name: str, data: st.DataObject) -> None:
    run = Run(rules_of(name))
    for arrival in data.draw(ticked(data.draw(histories()))):
        if isinstance(arrival, Fact):
            run.apply([arrival])
        else:
            run.tick(arrival)
        for profile in run.profiles():
            if not profile.systems:
                continue
            cached = run.cache[profile.customer_id]
            assert (cached.systems, cached.sequence) == (profile.systems, profile.sequence)
            assert cached.version <= profile.version
            # Told too early it is looked at again before it is reached; too late would be wrong.
            assert run.engine.clock <= (cached.valid_until or FAR) <= (profile.valid_until or FAR)


def changes_of(profile: Profile, changes: Sequence[Change]) -> list[Change]:
    """Choose the changes of one customer."""
    return [change for change in changes if change.customer_id == profile.customer_id]
