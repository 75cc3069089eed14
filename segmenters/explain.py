"""Explain one customer: why here, since when, what would move them, and when time alone does.

Responsible for trying out acts on a copy of the customer and for choosing which of them to name.
It must not know any rule: what an act leads to is found by the engine itself, on the code path of
real facts, so an explanation cannot disagree with what then happens.

Acts are tried as of one instant: one order of any amount, several orders, a refund of any amount,
one of the last orders cancelled, several engagements, and nothing at all until some later instant.
A segment that none of these reaches is said to be reached by no single act.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, TypeAlias

from schemas.changes import Next, Words
from schemas.explanations import (
    Act,
    Cancellation,
    Engagements,
    Explanation,
    HeldBack,
    Maker,
    Neighbour,
    Order,
    Orders,
    Placement,
    Refund,
    Waiting,
    Way,
)
from schemas.money import exponent
from schemas.vocabulary import Code, Kind
from segmenters.instants import FAR, NEVER
from segmenters.phrases import Phrases
from segmenters.probing import BITS, NOTHING, Sandbox, Step, Try

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.changes import Scalar
    from schemas.profiles import Standing
    from schemas.vocabulary import Instant, Minor
    from segmenters.probing import Codes, Moved
    from segmenters.rules import Rules
    from segmenters.system import System

MOST: Final = 60
"""So many orders, or engagements, are tried in a row."""
_MUCH: Final = 1 << BITS

Acts: TypeAlias = dict[tuple[int, Code], list[Act]]
"""Acts by system and the segment they lead to."""


class Explainer:
    """Explains customers, one at a time.

    Parameters
    ----------
    rules
        The rules in force: those under which the rows were written.

    Examples
    --------
    >>> from segmenters.batch import EventBatch
    >>> from segmenters.engine import Engine
    >>> from segmenters.rules import loads
    >>> rules = loads("[systems.monetary_tier]")
    >>> engine = Engine(rules)
    >>> order = EventBatch.from_columns([b"c"], [0], [0], [95_290], [1], [1], [False], ["e"])
    >>> ((_, row),) = engine.dump_rows(engine.apply(order).dirty)
    >>> (tier,) = Explainer(rules).explain("c", row, clock=0).systems
    >>> print(tier.because.en)
    £952.90 spent in the last 365 days
    >>> for there in tier.neighbours:
    ...     print(there.segment, there.ways[0].words.en, there.ways[-1].words.en, sep="; ")
    none; a refund of at least £952.90; nothing new until 1971-01-01 00:00
    medium; an order of £47.10 to £9,047.09; an order of £47.10 to £9,047.09
    large; an order of at least £9,047.10; 10 orders of £952.90 each
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._sandbox = Sandbox(rules)
        self._phrases = Phrases(rules.currencies.base, rules.timezone)

    def explain(self, customer_id: str, row: bytes, clock: Instant) -> Explanation | None:
        """Explain a customer as of the clock, or of the last fact where that is younger.

        Parameters
        ----------
        customer_id
            The customer.
        row
            The changelog value of the row.
        clock
            The clock of the partition.

        Returns
        -------
        Explanation or None
            None for one who has not been judged yet: neither an order nor an engagement so far.

        Raises
        ------
        LayoutChanged, ChangelogCorrupt
            When the row is not one of these rules.
        """
        sandbox = self._sandbox
        sandbox.take(row, clock)
        if min(sandbox.codes) < 0:
            return None
        waits = sandbox.wait()
        acts = self._acts(waits)
        numbers, profile = sandbox.numbers(), sandbox.profile
        currency = self._rules.currencies.base
        return Explanation(
            customer_id,
            sandbox.at,
            currency,
            exponent(currency),
            self._rules.timezone,
            self._rules.version,
            tuple(
                self._placement(
                    place, system, profile.systems[system.key], numbers[place], waits, acts
                )
                for place, system in enumerate(self._rules.systems)
            ),
        )

    def _placement(
        self,
        place: int,
        system: System,
        standing: Standing,
        numbers: dict[str, Scalar],
        waits: Sequence[Moved],
        acts: Acts,
    ) -> Placement:
        segments, labels = system.segments, system.labels
        present = self._sandbox.codes[place]
        moves = (Next(segments[code], at) for where, code, at in waits if where == place)
        return Placement(
            system.key,
            Words(*system.title),
            standing.segment,
            Words(*labels[standing.segment]),
            standing.since,
            self._maker(place, standing.since),
            {name: _known(value) for name, value in numbers.items()},
            self._phrases.numbers(numbers),
            next(moves, None),
            tuple(
                Neighbour(
                    segment,
                    Words(*labels[segment]),
                    tuple(Way(act, self._phrases.act(act)) for act in acts[place, code]),
                )
                for code, segment in enumerate(segments)
                if code != present
            ),
            self._held_back(place, segments),
        )

    def _held_back(self, place: int, segments: Sequence[str]) -> HeldBack | None:
        held = self._sandbox.held_back(place)
        if held is None:
            return None
        code, until = held
        return HeldBack(segments[code], None if until >= FAR else until)

    def _maker(self, place: int, since: Instant) -> Maker:
        if self._sandbox.by_clock(place):
            return "time"
        if any(order.ts == since for order in self._sandbox.orders):
            return "order"
        return "engagement" if since == self._sandbox.last_engagement else "event"

    # ---- which acts lead where

    def _acts(self, waits: Sequence[Moved]) -> Acts:
        sandbox = self._sandbox
        orders = _ranges(sandbox.steps(Kind.ORDER, 0))
        refunds = _ranges(sandbox.steps(Kind.REFUND, 1))
        several, engagements = self._in_a_row()
        found: list[dict[tuple[int, Code], Act]] = [
            {where: Order(*bounds) for where, bounds in orders.items()},
            several,
            engagements,
            {where: Refund(*bounds) for where, bounds in refunds.items()},
            self._cancellations(),
        ]
        # What any fact leads to is not that fact's doing: a deadline is due this very instant.
        ((anyhow,),) = sandbox.follow([(NOTHING,)])
        acts: Acts = defaultdict(list)
        for kind in found:
            for (place, code), act in kind.items():
                if code not in (sandbox.codes[place], anyhow[place]):
                    acts[place, code].append(act)
        for place, code, at in waits:
            if not any(isinstance(act, Waiting) for act in acts[place, code]):
                acts[place, code].append(Waiting(at))
        return acts

    def _in_a_row(self) -> tuple[dict[tuple[int, Code], Act], dict[tuple[int, Code], Act]]:
        """Find how many orders, and how many engagements, it takes."""
        usual = self._usual()
        amounts = (0, _MUCH, usual)
        series = [[Try(Kind.ORDER, amount)] * MOST for amount in amounts]
        *paths, engaged = self._sandbox.follow([*series, [Try(Kind.ENGAGEMENT)] * MOST])
        nothing, much, each = map(_firsts, paths)
        several: dict[tuple[int, Code], Act] = {}
        for where, count in each.items():
            if count == 1:
                continue
            if nothing.get(where) == much.get(where) == count:
                several[where] = Orders(count, None)
            elif usual:
                several[where] = Orders(count, usual)
        return several, {where: Engagements(count) for where, count in _firsts(engaged).items()}

    def _usual(self) -> Minor:
        """Return the median of what the customer's last orders amount to."""
        amounts = sorted(order.left for order in self._sandbox.orders if order.left > 0)
        return amounts[(len(amounts) - 1) // 2] if amounts else 0

    def _cancellations(self) -> dict[tuple[int, Code], Act]:
        """Find what cancelling one of the last orders does; the latest that does it is named."""
        orders = {order.order: order for order in reversed(self._sandbox.orders) if order.order}
        orders_by_age = sorted(orders.values(), key=lambda order: -order.ts)
        tries = [(Try(Kind.CANCEL, order=order.order),) for order in orders_by_age]
        found: dict[tuple[int, Code], Act] = {}
        for order, (codes,) in zip(orders_by_age, self._sandbox.follow(tries), strict=True):
            for where in enumerate(codes):
                found.setdefault(where, Cancellation(order.ts))
        return found


def _ranges(steps: Sequence[Step]) -> dict[tuple[int, Code], tuple[Minor, Minor | None]]:
    """Return, by system and segment, the least amount that leads there and the last that does.

    Where a segment is left and reached again by more, only the first range is told.

    >>> _ranges([Step(0, (1,)), Step(10, (2,)), Step(99, (1,))])
    {(0, 1): (0, 9), (0, 2): (10, 98)}
    """
    found: dict[tuple[int, Code], tuple[Minor, Minor | None]] = {}
    for place in range(len(steps[0].codes)):
        turns = [
            (step.amount, step.codes[place])
            for before, step in zip([None, *steps], steps, strict=False)
            if before is None or before.codes[place] != step.codes[place]
        ]
        ends = [amount - 1 for amount, _ in turns[1:]]
        for (least, code), most in zip(turns, [*ends, None], strict=True):
            found.setdefault((place, code), (least, most))
    return found


def _firsts(path: Sequence[Codes]) -> dict[tuple[int, Code], int]:
    """Return, by system and segment, after how many facts it is first reached.

    >>> _firsts([(1, 0), (2, 0), (1, 0)])
    {(0, 1): 1, (1, 0): 1, (0, 2): 2}
    """
    found: dict[tuple[int, Code], int] = {}
    for count, codes in enumerate(path, 1):
        for where in enumerate(codes):
            found.setdefault(where, count)
    return found


def _known(value: Scalar) -> Scalar:
    """Return None for an instant that has not come, or never will."""
    return None if value in (NEVER, FAR) else value
