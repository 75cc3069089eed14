"""Hold explanations to the engine: what they name happens, and one unit less does not.

Each act named is applied to a fresh engine with the same history. REWAKE_EXAMPLES asks for more.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.explanations import Cancellation, Engagements, Order, Orders, Refund, Waiting
from segmenters.explain import Explainer
from segmenters.instants import FAR, NEVER
from segmenters.phrases import Phrases
from tests.oracle_book import CANCEL, ENGAGEMENT, ORDER, REFUND, Fact
from tests.properties.feeding import EXAMPLES, PROPERTY, Run, dump
from tests.properties.histories import ends, histories, late_arrivals
from tests.properties.test_engine_equals_oracle import NAMES, rules_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.explanations import Act, Explanation
    from segmenters.rules import Rules

pytestmark = pytest.mark.timeout(900)  # a failure takes long to shrink


@cache
def explainer_of(name: str) -> Explainer:
    """Share one sandbox between examples: explanations must not leave anything in it."""
    return Explainer(rules_of(name))


class Past:
    """A history that can be lived through again and again."""

    def __init__(self, rules: Rules, arrivals: Sequence[Fact | int], end: int) -> None:
        self.rules = rules
        self.arrivals = arrivals
        self.end = end

    def again(self) -> Run:
        """Live through it on an engine of its own."""
        run = Run(self.rules)
        for arrival in self.arrivals:
            if isinstance(arrival, Fact):
                run.apply([arrival])
            else:
                run.tick(arrival)
        run.tick(self.end)
        return run

    def explain(self, explainer: Explainer) -> list[Explanation]:
        """Explain every customer there is something to say of."""
        explained = [
            explainer.explain(key.decode(), row, self.end) for key, row in dump(self.again().engine)
        ]
        return [explanation for explanation in explained if explanation is not None]

    def segment(
        self, explanation: Explanation, system: str, facts: Sequence[Fact] = (), until: int = NEVER
    ) -> str:
        """Say where the customer is after facts, or when all deadlines before an instant fired."""
        run = self.again()
        if facts:
            run.apply(facts)
        if until > NEVER:
            run.tick(until)
        row = run.engine.row_of(explanation.customer_id.encode())
        (profile,) = [each for each in run.profiles() if run.row_of(each) == row]
        return profile.systems[system].segment


class Proof:
    """One act, tried at its bound and on this side of it."""

    def __init__(self, past: Past, explanation: Explanation, system: str) -> None:
        self.past = past
        self.explanation = explanation
        self.system = system

    def after(self, kind: int, *amounts: int, order_id: str | None = None) -> str:
        """Say where facts of a kind lead, one for each amount."""
        whose, at = self.explanation.customer_id, self.explanation.as_of
        facts = [Fact(whose, at, kind, amount, order_id, None) for amount in amounts]
        return self.past.segment(self.explanation, self.system, facts)

    def bounded(self, act: Order | Refund, kind: int) -> tuple[set[str], set[str]]:
        """Try the bounds of an amount, and what lies one minor unit beyond them."""
        inside, outside = {self.after(kind, act.least)}, set()
        if act.least > 0:
            outside.add(self.after(kind, act.least - 1))
        if act.most is not None:
            inside.add(self.after(kind, act.most))
            outside.add(self.after(kind, act.most + 1))
        return inside, outside

    def orders(self, act: Orders) -> tuple[set[str], set[str]]:
        """Try so many orders, and one fewer."""
        amounts = (0, 12_345, 10**9) if act.each is None else (act.each,)
        inside = {self.after(ORDER, *[amount] * act.count) for amount in amounts}
        fewer = [amount for amount in amounts if amount != 12_345]
        return inside, {self.after(ORDER, *[amount] * (act.count - 1)) for amount in fewer}

    def cancellation(self, act: Cancellation) -> tuple[set[str], set[str]]:
        """Try to cancel the order; of several of one instant, one has to do it."""
        orders = {
            fact.order_id
            for fact in self.past.arrivals
            if isinstance(fact, Fact)
            and (fact.customer, fact.ts) == (self.explanation.customer_id, act.ordered_at)
            and fact.kind == ORDER
        }
        return {self.after(CANCEL, 0, order_id=order) for order in orders}, set()

    def engagements(self, act: Engagements) -> tuple[set[str], set[str]]:
        """Try so many engagements, and one fewer."""
        return (
            {self.after(ENGAGEMENT, *[0] * act.count)},
            {self.after(ENGAGEMENT, *[0] * (act.count - 1))},
        )

    def waiting(self, act: Waiting) -> tuple[set[str], set[str]]:
        """Let the deadline fire, and let time end 1 ms before it does."""
        at = self.past.segment(self.explanation, self.system, until=act.until + 1)
        return {at}, {self.past.segment(self.explanation, self.system, until=act.until)}

    def of(self, act: Act) -> tuple[set[str], set[str]]:
        """Return where the act leads, and where a little less does."""
        match act:
            case Order():
                return self.bounded(act, ORDER)
            case Refund():
                return self.bounded(act, REFUND)
            case Orders():
                return self.orders(act)
            case Cancellation():
                return self.cancellation(act)
            case Engagements():
                return self.engagements(act)
            case Waiting():
                return self.waiting(act)


def prove(past: Past, explanation: Explanation) -> int:
    """Prove all acts of an explanation; return how many there were."""
    proved = 0
    for verdict in explanation.systems:
        proof = Proof(past, explanation, verdict.system)
        for there in verdict.neighbours:
            for way in there.ways:
                inside, outside = proof.of(way.act)
                shown = (explanation.as_of, verdict.system, verdict.segment, there.segment, way.act)
                if isinstance(way.act, Cancellation):
                    assert there.segment in inside, shown
                else:
                    assert inside == {there.segment}, shown
                assert there.segment not in outside, shown
                proved += 1
    return proved


@given(NAMES, st.data())
@settings(PROPERTY, max_examples=2 * EXAMPLES)
def test_what_is_named_happens_and_one_unit_less_does_not(name: str, data: st.DataObject) -> None:
    facts = data.draw(histories(customers=2, moves=15))
    past = Past(rules_of(name), facts, data.draw(ends(facts)))
    for explanation in past.explain(explainer_of(name)):
        assert prove(past, explanation)


@given(NAMES, st.data())
@PROPERTY
def test_it_happens_after_late_facts_too(name: str, data: st.DataObject) -> None:
    arrivals = data.draw(late_arrivals(data.draw(histories(customers=1, moves=12))))
    latest = max(each.ts if isinstance(each, Fact) else each for each in arrivals)
    past = Past(rules_of(name), arrivals, latest)
    for explanation in past.explain(explainer_of(name)):
        assert prove(past, explanation)


@given(NAMES, st.data())
@PROPERTY
def test_what_follows_is_what_lookups_are_told(name: str, data: st.DataObject) -> None:
    facts = data.draw(histories(customers=2))
    past = Past(rules_of(name), facts, data.draw(ends(facts)))
    profiles = {profile.customer_id: profile for profile in past.again().profiles()}
    for explanation in past.explain(explainer_of(name)):
        profile = profiles[explanation.customer_id]
        for verdict in explanation.systems:
            standing = profile.systems[verdict.system]
            assert (verdict.segment, verdict.since) == (standing.segment, standing.since)
            if verdict.system in profile.next:
                assert verdict.next is not None
                told = (profile.next[verdict.system], profile.valid_until)
                assert (verdict.next.segment, verdict.next.at) == told


@given(NAMES, st.data())
@PROPERTY
def test_the_numbers_are_those_of_a_change_of_this_instant(name: str, data: st.DataObject) -> None:
    *before, last = data.draw(histories(customers=1))
    run = Run(rules_of(name))
    run.apply(before)
    told = {change.system: change for change in run.apply([last]) if change.at == last.ts}
    ((key, row),) = dump(run.engine)
    explanation = explainer_of(name).explain(key.decode(), row, NEVER)
    if explanation is None:
        assert not told
        return
    for verdict in explanation.systems:
        if verdict.system in told and explanation.as_of == last.ts:
            features = told[verdict.system].features
            known = {k: None if v in (NEVER, FAR) else v for k, v in features.items()}
            assert verdict.numbers == known


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
        for verdict in explanation.systems:
            for number in verdict.numbers.values():
                if isinstance(number, int):
                    ways = written(phrases, number)
                    assert any(way in verdict.because.en for way in ways)
                    assert any(way in verdict.because.zh for way in ways)
