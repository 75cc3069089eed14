"""Hold explanations to the engine: what they name happens, and one unit less does not.

Each act named is applied to a fresh engine with the same history. REWAKE_EXAMPLES asks for more,
and of all rules.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.explanations import Cancellation, Engagements, Order, Orders, Refund, Waiting
from segmenters.engine import Engine
from segmenters.explain import Explainer
from segmenters.instants import FAR, NEVER
from segmenters.phrases import Phrases
from tests.oracle_book import CANCEL, ENGAGEMENT, ORDER, REFUND, Fact
from tests.properties.feeding import COMPILED, EXAMPLES, PROPERTY, Run, batch_of, dump, everybody
from tests.properties.histories import ends, histories, late_arrivals
from tests.properties.test_engine_equals_oracle import rules_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.explanations import Act, Explanation
    from segmenters.rules import Rules

pytestmark = pytest.mark.timeout(900)  # a failure takes long to shrink

NAMES = st.sampled_from(COMPILED)


@cache
def explainer_of(name: str) -> Explainer:
    """Share one sandbox between examples: explanations must not leave anything in it."""
    return Explainer(rules_of(name))


class Question(NamedTuple):
    """What may happen to a customer: facts of one instant, or nothing before another one."""

    kind: int = ENGAGEMENT
    amounts: tuple[int, ...] = ()
    order_id: str | None = None
    until: int = NEVER


class Past:
    """A history that can be lived through again and again."""

    def __init__(self, rules: Rules, arrivals: Sequence[Fact | int], end: int) -> None:
        self.rules = rules
        self.arrivals = arrivals
        self.end = end

    def again(self, names: Sequence[str] = ("",)) -> Engine:
        """Live through it on a fresh engine, once for each name put behind the customers' own."""
        engine = Engine(self.rules)
        for ticks, arrivals in groupby(self.arrivals, lambda arrival: isinstance(arrival, int)):
            if ticks:
                for tick in arrivals:
                    engine.tick(tick)
                continue
            facts = list(arrivals)
            named = [
                replace(fact, customer=fact.customer + name) for name in names for fact in facts
            ]
            engine.apply(batch_of(named))
        engine.tick(self.end)
        return engine

    def explain(self, explainer: Explainer) -> list[Explanation]:
        """Explain every customer there is something to say of."""
        explained = [
            explainer.explain(key.decode(), row, self.end) for key, row in dump(self.again())
        ]
        return [explanation for explanation in explained if explanation is not None]

    def answers(
        self, explanation: Explanation, questions: Sequence[Question]
    ) -> dict[Question, dict[str, str]]:
        """Say where the customer is then, by system: each question has a namesake of its own."""
        names = [f" {number}" for number in range(len(questions))]
        engine = self.again(names)
        whose, at = explanation.customer_id, explanation.as_of
        earns = self.rules.profits
        facts = [
            Fact(
                whose + name, at, asked.kind, amount, asked.order_id,
                profit=earns.of_minor(amount) if earns and asked.kind == ORDER else None,
            )
            for name, asked in zip(names, questions, strict=True)
            for amount in asked.amounts
        ]  # fmt: skip
        engine.apply(batch_of(facts))
        found = {}
        for name, asked in sorted(
            zip(names, questions, strict=True), key=lambda pair: pair[1].until
        ):
            if asked.until > NEVER:
                engine.tick(asked.until)
            row = engine.row_of((whose + name).encode())
            (profile,) = engine.profiles(np.array([row]))
            found[asked] = {key: each.segment for key, each in profile.systems.items()}
        return found

    def order_ids(self, customer: str, ts: int) -> set[str]:
        """Name the orders a customer made at an instant."""
        facts = [each for each in self.arrivals if isinstance(each, Fact) and each.kind == ORDER]
        mine = [fact for fact in facts if (fact.customer, fact.ts) == (customer, ts)]
        return {fact.order_id for fact in mine if fact.order_id is not None}


class Bounds(NamedTuple):
    """What leads to a segment if an act is told rightly, and what does not."""

    inside: list[Question]
    outside: list[Question]


def bounds_of(act: Act, past: Past, customer: str) -> Bounds:
    """Turn an act into questions: at its bounds, and one unit on this side of them."""
    match act:
        case Order():
            return amounts(act, ORDER)
        case Refund():
            return amounts(act, REFUND)
        case Orders():
            each = (0, 12_345, 10**9) if act.each is None else (act.each,)
            fewer = (0, 10**9) if act.each is None else each
            return Bounds(
                [Question(ORDER, (amount,) * act.count) for amount in each],
                [Question(ORDER, (amount,) * (act.count - 1)) for amount in fewer],
            )
        case Cancellation():
            names = past.order_ids(customer, act.ordered_at)
            return Bounds([Question(CANCEL, (0,), name) for name in sorted(names)], [])
        case Engagements():
            return Bounds(
                [Question(ENGAGEMENT, (0,) * act.count)],
                [Question(ENGAGEMENT, (0,) * (act.count - 1))],
            )
        case Waiting():  # a tick fires what is due before it
            return Bounds([Question(until=act.until + 1)], [Question(until=act.until)])


def amounts(act: Order | Refund, kind: int) -> Bounds:
    """Ask at both bounds of an amount, and one minor unit beyond them."""
    inside, outside = [act.least], [act.least - 1] if act.least else []
    if act.most is not None:
        inside.append(act.most)
        outside.append(act.most + 1)
    return Bounds(
        [Question(kind, (amount,)) for amount in inside],
        [Question(kind, (amount,)) for amount in outside],
    )


def prove(past: Past, explanation: Explanation) -> int:
    """Prove all acts of an explanation; return how many there were."""
    claims = [
        (
            placement.system,
            there.segment,
            way.act,
            bounds_of(way.act, past, explanation.customer_id),
        )
        for placement in explanation.systems
        for there in placement.neighbours
        for way in there.ways
    ]
    asked = dict.fromkeys(each for *_, bounds in claims for side in bounds for each in side)
    answers = past.answers(explanation, list(asked))
    for system, segment, act, bounds in claims:
        inside = {answers[asked][system] for asked in bounds.inside}
        outside = {answers[asked][system] for asked in bounds.outside}
        shown = (explanation.as_of, system, segment, act)
        if isinstance(act, Cancellation):  # of several orders of one instant, one does it
            assert segment in inside, shown
        else:
            assert inside == {segment}, shown
        assert segment not in outside, shown
    return len(claims)


@given(NAMES, st.data())
@settings(PROPERTY, max_examples=5 * EXAMPLES)
def test_what_is_named_happens_and_one_unit_less_does_not(name: str, data: st.DataObject) -> None:
    facts = data.draw(histories(customers=2))
    past = Past(rules_of(name), facts, data.draw(ends(facts)))
    for explanation in past.explain(explainer_of(name)):
        assert prove(past, explanation)


@given(NAMES, st.data())
@settings(PROPERTY, max_examples=3 * EXAMPLES)
def test_it_happens_after_late_facts_too(name: str, data: st.DataObject) -> None:
    arrivals = data.draw(late_arrivals(data.draw(histories(customers=1))))
    latest = max((each.ts if isinstance(each, Fact) else each for each in arrivals), default=0)
    past = Past(rules_of(name), arrivals, latest)
    for explanation in past.explain(explainer_of(name)):
        assert prove(past, explanation)


@given(NAMES, st.data())
@PROPERTY
def test_what_follows_is_what_lookups_are_told(name: str, data: st.DataObject) -> None:
    facts = data.draw(histories(customers=2))
    past = Past(rules_of(name), facts, data.draw(ends(facts)))
    engine = past.again()
    profiles = {profile.customer_id: profile for profile in engine.profiles(everybody(engine))}
    for explanation in past.explain(explainer_of(name)):
        profile = profiles[explanation.customer_id]
        for placement in explanation.systems:
            standing = profile.systems[placement.system]
            assert (placement.segment, placement.since) == (standing.segment, standing.since)
            if placement.system in profile.next:
                assert placement.next is not None
                told = (profile.next[placement.system], profile.valid_until)
                assert (placement.next.segment, placement.next.at) == told


@given(NAMES, st.data())
@PROPERTY
def test_the_numbers_are_those_of_a_change_of_this_instant(name: str, data: st.DataObject) -> None:
    *before, last = data.draw(histories(customers=1).filter(bool))
    run = Run(rules_of(name))
    run.apply(before)
    told = {change.system: change for change in run.apply([last]) if change.at == last.ts}
    ((key, row),) = dump(run.engine)
    explanation = explainer_of(name).explain(key.decode(), row, NEVER)
    if explanation is None:
        assert not told
        return
    for placement in explanation.systems:
        if placement.system in told and explanation.as_of == last.ts:
            features = told[placement.system].features
            known = {k: None if v in (NEVER, FAR) else v for k, v in features.items()}
            assert placement.numbers == known


def written(phrases: Phrases, number: int) -> list[str]:
    """List the ways in which a number may be written."""
    return [str(number), phrases.money(number), phrases.minute(number)]


@given(NAMES, st.data())
@PROPERTY
def test_every_number_stands_in_the_sentence(name: str, data: st.DataObject) -> None:
    facts = data.draw(histories(customers=1))
    past = Past(rules_of(name), facts, data.draw(ends(facts)))
    phrases = Phrases(rules_of(name).currencies.base, rules_of(name).timezone)
    for explanation in past.explain(explainer_of(name)):
        for placement in explanation.systems:
            for number in placement.numbers.values():
                if isinstance(number, int):
                    ways = written(phrases, number)
                    assert any(way in placement.because.en for way in ways)
                    assert any(way in placement.because.zh for way in ways)
