"""Feed made-up facts to an engine, in any batches, and write its changes as the oracle does.

Responsible for the way between the oracle's facts and lines and the engine's batches and changes.
It judges nothing.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import Phase, settings

from segmenters.batch import EventBatch
from segmenters.engine import Engine
from tests.oracle import in_output_order
from tests.properties.histories import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from schemas.changes import Change
    from schemas.profiles import Profile
    from segmenters.outcome import Outcome
    from segmenters.rules import Rules
    from tests.oracle_book import Fact

EXAMPLES = int(os.environ.get("REWAKE_EXAMPLES", "25"))
"""How many examples a property is tried on; REWAKE_EXAMPLES asks for more."""

PACKS = os.environ.get("REWAKE_PACKS", ",".join(RULES)).split(",")
"""From which rules of `tests.properties.histories` a property chooses."""

OF_THE_DEFAULT_KERNEL = ("pack", "pack_counts")
"""Rules which need no other kernel than the default pack: it is compiled already."""

COMPILED = PACKS if "REWAKE_EXAMPLES" in os.environ else OF_THE_DEFAULT_KERNEL
"""From which rules a property chooses that is too slow for an interpreted kernel."""

# To explain a failure hypothesis traces every line of a run: minutes, for what shrinking shows too.
PROPERTY = settings(
    max_examples=EXAMPLES, phases=[phase for phase in Phase if phase is not Phase.explain]
)

Line = dict[str, Any]


def batch_of(facts: Sequence[Fact]) -> EventBatch:
    """Turn the oracle's facts into the engine's columns."""
    return EventBatch.from_columns(
        [fact.customer.encode() for fact in facts],
        [fact.ts for fact in facts],
        [fact.kind for fact in facts],
        [fact.amount for fact in facts],
        [digest(fact.order_id) for fact in facts],
        [digest(fact.event_id) for fact in facts],
        [fact.qualifies for fact in facts],
        [fact.event_id for fact in facts],
        [fact.profit or 0 for fact in facts],
    )


def digest(name: str | None) -> int:
    """Give the 64 bits under which an id is remembered: 0 for none. Any good hash will do."""
    if name is None:
        return 0
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little", signed=True)


def line_of(change: Change) -> Line:
    """Write a change as the oracle does."""
    return {
        "customer_id": change.customer_id,
        "system": change.system,
        "from": change.from_,
        "to": change.to,
        "at": change.at,
        "cause": change.cause,
        "sequence": change.sequence,
    }


class Run:
    """Hold an engine, what it has told, and how it has been treated.

    Parameters
    ----------
    rules
        The rules in force.
    journal
        Where the changelog records of dirty rows go, if they are wanted.
    """

    def __init__(self, rules: Rules, journal: list[tuple[bytes, bytes]] | None = None) -> None:
        self.rules = rules
        self.engine = Engine(rules)
        self.journal = journal
        self.told: list[Change] = []
        self.cache: dict[str, Profile] = {}
        self.duplicates = 0
        self.late = 0
        self.refused = 0

    def take(self, outcome: Outcome, seen_at: int = 0) -> list[Change]:
        """Keep what an outcome told."""
        changes = [change for _, change in outcome.build_changes(seen_at)]
        self.told += changes
        self.duplicates += outcome.duplicates
        self.late += outcome.late
        self.refused += len(outcome.rejected)
        if self.journal is not None:
            self.journal += self.engine.dump_rows(outcome.dirty)
        if len(outcome.profile_rows):
            for profile in self.engine.profiles(outcome.profile_rows):
                self.cache[profile.customer_id] = profile
        return changes

    def apply(self, facts: Sequence[Fact]) -> list[Change]:
        """Apply facts as one batch."""
        return self.take(self.engine.apply(batch_of(facts)))

    def tick(self, clock: int, *, inclusive: bool = False, limit: int = 5_000) -> list[Change]:
        """Let time pass to its end, in as many ticks as it takes."""
        changes: list[Change] = []
        more = True
        while more:
            outcome = self.engine.tick(clock, inclusive, limit)
            changes += self.take(outcome)
            more = outcome.more
        return changes

    def recover(self) -> None:
        """Go on with an engine that knows nothing but the changelog values of this one."""
        records = dump(self.engine) if self.journal is None else self.journal
        clock, self.engine = self.engine.clock, Engine(self.rules)
        self.engine.load_rows([key for key, _ in records], [value for _, value in records])
        self.engine.wind()
        # Midnights that had passed without a change are due once more, and again change nothing.
        assert not self.engine.tick(clock).build_changes(clock)

    def copied(self) -> Run:
        """Give a second run that goes on from here; this one stays as it is."""
        other = Run(self.rules)
        other.engine = self.engine
        other.recover()
        return other

    def row_of(self, profile: Profile) -> int:
        """Name the row of a profile's customer."""
        return self.engine.row_of(profile.customer_id.encode())

    def profiles(self) -> list[Profile]:
        """Give the profiles of all customers."""
        return self.engine.profiles(everybody(self.engine))

    @property
    def lines(self) -> list[Line]:
        """List all that was told, as the oracle writes it."""
        return in_output_order(line_of(change) for change in self.told)


def everybody(engine: Engine) -> NDArray[np.int64]:
    """List all rows of an engine."""
    return np.arange(engine.customers)


def dump(engine: Engine) -> list[tuple[bytes, bytes]]:
    """Give all changelog values of an engine."""
    return engine.dump_rows(everybody(engine))


def cut(facts: Sequence[Fact], places: Iterable[int]) -> list[Sequence[Fact]]:
    """Cut facts into batches at places (numbers of facts)."""
    edges = [0, *sorted(set(places) & set(range(1, len(facts)))), len(facts)]
    return [facts[a:z] for a, z in pairwise(edges)]


def run_whole(rules: Rules, facts: Sequence[Fact], end: int) -> Run:
    """Run facts through an engine as one batch, to the end of time."""
    run = Run(rules)
    run.apply(facts)
    run.tick(end, inclusive=True)
    return run
