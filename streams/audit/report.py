"""Hold what an audit found.

Responsible for the figures of one audit. Must not compare, and must not word anything for people.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.vocabulary import Instant
    from streams.audit.verdict import Difference, Skip


class Drift(NamedTuple):
    """One customer of whom something is not as it must be."""

    customer_id: str
    partition: int
    differences: list[Difference]


@dataclass
class Report:
    """What an audit found.

    Attributes
    ----------
    rules_version
        The rules in force.
    clocks
        Partition → clock up to which it was audited.
    equal
        Customers whose state and changes are what the oracle says.
    equal_late
        How many of those only in an order in which facts came late.
    cached
        Customers whose cached profile is what the state says.
    drifts
        Customers of whom something is wrong.
    skipped, cache_skipped
        Reason → customers of whom nothing could be said.
    cache_problem
        Why the cache was not compared at all; empty when it was.
    facts, refused, unreadable, records
        Facts recounted, events with a dead letter, events only the oracle could not read, and
        records read in all.
    seconds
        How long it took.
    """

    rules_version: str
    clocks: Mapping[int, Instant]
    equal: int = 0
    equal_late: int = 0
    cached: int = 0
    drifts: list[Drift] = field(default_factory=list)
    skipped: Counter[Skip] = field(default_factory=Counter)
    cache_skipped: Counter[Skip] = field(default_factory=Counter)
    cache_problem: str = ""
    facts: int = 0
    refused: int = 0
    unreadable: int = 0
    records: int = 0
    seconds: float = 0.0

    @property
    def customers(self) -> int:
        """Customers looked at."""
        return self.equal + len(self.drifts) + self.skipped.total()
