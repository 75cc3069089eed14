"""Try out on copies of one customer what facts and time would do.

Responsible for the sandbox, an engine of the same rules beside the real one, and for the search for
the least that makes a difference. It must not decide anything: every answer is the engine's own,
and no threshold is known here.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from schemas.vocabulary import MS_PER_DAY, Code, Instant, Kind, Minor
from segmenters.batch import EventBatch
from segmenters.damping import FREE, released_at
from segmenters.engine import Engine
from segmenters.instants import FAR, NEVER
from segmenters.pools import END
from segmenters.system import damping_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.changes import Scalar
    from schemas.profiles import Profile
    from segmenters.rules import Rules

WIDTH: Final = 96
"""Copies that are tried out at a time."""
BITS: Final = 44
"""Amounts are searched up to two to this power, in minor units: more than anybody pays."""
PARTS: Final = 8
"""Into so many parts an interval is cut at once in which something changes."""
HORIZON: Final = 4_000 * MS_PER_DAY
"""After so long time alone has done all it can: no parameter is longer than 3,650 days."""

Codes = tuple[Code, ...]
"""A customer's segments in all systems, by code; -1 before the first judgement."""

_UNTOLD: Final = -1


class Try(NamedTuple):
    """One fact to be tried out, at the instant the sandbox stands at."""

    kind: Kind
    amount: Minor = 0
    order: int = 0
    qualifies: bool = True


NOTHING: Final = Try(Kind.ENGAGEMENT, qualifies=False)
"""A fact that has the customer judged and does nothing else."""


class Listed(NamedTuple):
    """One of a customer's last orders.

    Attributes
    ----------
    ts
        When it was made.
    order
        Digest of its id; 0 where it has none.
    left
        What is left of its amount.
    """

    ts: Instant
    order: int
    left: Minor


class Step(NamedTuple):
    """From ``amount`` on, up to the next step, a fact leads to these segments."""

    amount: Minor
    codes: Codes


class Moved(NamedTuple):
    """A change that time alone makes."""

    system: int
    code: Code
    at: Instant


class Sandbox:
    """Copies of one customer at a time.

    Parameters
    ----------
    rules
        The rules in force.

    Attributes
    ----------
    at
        The instant at which facts are tried out: the clock, or the customer's last fact where that
        is younger.
    codes
        The customer's segments then.

    Examples
    --------
    >>> from segmenters.rules import loads
    >>> rules = loads("[systems.monetary_tier]")
    >>> engine = Engine(rules)
    >>> order = EventBatch.from_columns([b"c"], [0], [0], [95_290], [1], [1], [False], ["e"])
    >>> rows = engine.apply(order).dirty
    >>> sandbox = Sandbox(rules)
    >>> sandbox.take(engine.dump_rows(rows)[0][1], clock=0)
    >>> [(step.amount, step.codes) for step in sandbox.steps(Kind.ORDER, 0)]
    [(0, (1,)), (4710, (2,)), (904710, (3,))]
    """

    def __init__(self, rules: Rules) -> None:
        self._systems = rules.systems
        self._earns = None if rules.profits is None else rules.profits.of_minor
        self._one, self._many = Engine(rules), Engine(rules)
        self._keys = [b"%d" % number for number in range(WIDTH)]
        self._value = b""
        self.at: Instant = NEVER
        self.codes: Codes = ()

    def take(self, value: bytes, clock: Instant) -> None:
        """Take a customer by the changelog value of the row, and settle what is due before."""
        self._value, self.at = value, NEVER
        self._reset(self._one, 1)
        self.at = max(clock, int(self._one.ledger.rows["settled"][0]))
        self._one.tick(self.at)
        ((_, self._value),) = self._one.dump_rows(np.zeros(1, np.int64))
        row = self._one.ledger.rows[0]
        self.codes = tuple(int(row[system.key]) for system in self._systems)

    # ---- what is known of the customer

    @property
    def profile(self) -> Profile:
        """What lookups are told."""
        return self._one.profiles(np.zeros(1, np.int64))[0]

    def by_clock(self, system: int) -> bool:
        """Tell whether a deadline made the customer's segment, and no fact."""
        return bool(self._one.ledger.rows[f"{self._systems[system].key}_clocked"][0])

    def held_back(self, system: int) -> tuple[int, Instant] | None:
        """Return the code that damping holds back, and until when; FAR: for ever."""
        key, damping = self._systems[system].key, damping_of(self._systems[system])
        row = self._one.ledger.rows[0]
        if damping is None or row[f"{key}_wanted"] == FREE:
            return None
        wanted = int(row[f"{key}_wanted"])
        left = int(row[f"{key}_left"][wanted])
        return wanted, released_at(damping.compiled(), int(row[f"{key}_since"]), left)

    @property
    def last_engagement(self) -> Instant:
        """The last qualifying engagement, or NEVER."""
        return int(self._one.ledger.rows["e"][0])

    @property
    def orders(self) -> list[Listed]:
        """The last orders, the latest first."""
        ledger, found = self._one.ledger, []
        place = int(ledger.rows["latest"][0])
        while place != END:
            order = ledger.orders.cells[place]
            found.append(Listed(int(order.ts), int(order.id), int(order.left)))
            place = int(order.next)
        return found

    def numbers(self) -> list[dict[str, Scalar]]:
        """Return, per system, the numbers its rule looks at.

        An engine tells them with a change only. So each system has a copy of its own that has not
        been told its segment, and is judged for no other reason than that.
        """
        systems = self._systems
        self._reset(self._many, len(systems))
        for number, system in enumerate(systems):
            self._many.ledger.rows[system.key][number] = _UNTOLD
        self._many.ledger.dues[: len(systems)] = FAR  # or a midnight long past would be told
        outcome = self._many.apply(self._batch([(NOTHING,)] * len(systems)), self.at)
        places = {(self._keys[k], system.key): k for k, system in enumerate(systems)}
        found: list[dict[str, Scalar]] = [{} for _ in systems]
        for key, change in outcome.build_changes(self.at):
            place = places.get((key, change.system))
            if place is not None:
                found[place] = change.features
        return found

    # ---- what would be

    def follow(self, tries: Sequence[Sequence[Try]]) -> list[list[Codes]]:
        """Try out series of facts, each on a copy of its own; at most `WIDTH` of them.

        Returns
        -------
        list of list of tuple
            Per series, the segments after each of its facts.
        """
        self._reset(self._many, len(tries))
        batch = self._batch(tries)
        told = np.full((len(batch), len(self._systems)), _UNTOLD, np.int64)
        records = self._many.apply(batch, self.at).records
        told[records["event"], records["system"]] = records["after"]
        found, facts = [], iter(told.tolist())
        for series in tries:
            codes, path = self.codes, []
            for _, moved in zip(series, facts, strict=False):
                codes = tuple(
                    old if new == _UNTOLD else new for old, new in zip(codes, moved, strict=True)
                )
                path.append(codes)
            found.append(path)
        return found

    def steps(self, kind: Kind, least: Minor) -> list[Step]:
        """Return where the amount of one fact begins to make a difference, from ``least`` on.

        Amounts are doubled, and between two that lead to different segments the search goes on
        until one minor unit makes the difference: every step is one that was tried on both sides.
        A segment reached only between two doublings that agree in everything is not found.
        """
        known: dict[Minor, Codes] = {}
        wanted = [least, *(1 << bit for bit in range(BITS) if 1 << bit > least)]
        while wanted:
            tried = self.follow([(Try(kind, amount),) for amount in wanted])
            known.update(zip(wanted, (path[-1] for path in tried), strict=True))
            edges = pairwise(sorted(known))
            gaps = [(a, z) for a, z in edges if z - a > 1 and known[a] != known[z]][:WIDTH]
            parts = max(2, min(PARTS, WIDTH // max(len(gaps), 1)))
            cuts = {a + (z - a) * part // parts for a, z in gaps for part in range(1, parts)}
            wanted = sorted(cuts.difference(known))
        steps = [Step(least, known[least])]
        for amount in sorted(known):
            if known[amount] != steps[-1].codes:
                steps.append(Step(amount, known[amount]))
        return steps

    def wait(self) -> list[Moved]:
        """Return what time alone changes from here on, in order."""
        self._reset(self._one, 1)
        records = self._one.tick(self.at + HORIZON, inclusive=True).records
        moved = zip(records["system"], records["after"], records["at"], strict=True)
        found = [Moved(int(system), int(code), int(at)) for system, code, at in moved]
        self._reset(self._one, 1)
        return found

    # ---- how

    def _reset(self, engine: Engine, copies: int) -> None:
        engine.load_rows(self._keys[:copies], [self._value] * copies)
        engine.wind()
        engine.clock = self.at  # waiting has moved it far ahead

    def _batch(self, tries: Sequence[Sequence[Try]]) -> EventBatch:
        named = zip(self._keys, tries, strict=False)
        facts = [(key, each) for key, series in named for each in series]
        return EventBatch.from_columns(
            [key for key, _ in facts],
            [self.at] * len(facts),
            [each.kind for _, each in facts],
            [each.amount for _, each in facts],
            [each.order for _, each in facts],
            [0] * len(facts),
            [each.qualifies for _, each in facts],
            [None] * len(facts),
            [0 if self._earns is None else self._earns(each.amount) for _, each in facts],
        )
