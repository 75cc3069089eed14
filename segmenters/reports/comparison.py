"""Compare what two sets of rules make of the same history.

Responsible for who ends in which segment under the one and under the other, system by system, and
for how much each would have told. It must not run the engine, read files or print.

One set is called ``rules``, the other ``other``. A customer's segment at the end is the one told
last: every judgement that differs from what was told is a change, so the changes say it all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from hashlib import blake2b
from heapq import nsmallest
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from schemas.changes import Change
    from segmenters.rules import Rules
    from segmenters.system import Label, System

Pair: TypeAlias = tuple[str | None, str | None]
"""A customer's segments under rules and other; None where one has never judged the customer."""


class Sample(NamedTuple):
    """A customer who ends elsewhere, with the change that led there under each; None: none did."""

    customer_id: str
    rules: Change | None
    other: Change | None


class Shared(NamedTuple):
    """A system that both enable.

    Attributes
    ----------
    counts
        Customers of each pair that occurs, in the order of the segments.
    samples
        Some customers of each pair that differs.
    """

    key: str
    title: Label
    counts: dict[Pair, int]
    samples: dict[Pair, list[Sample]]

    @property
    def customers(self) -> int:
        """How many customers either has judged."""
        return sum(self.counts.values())

    @property
    def moved(self) -> int:
        """How many end in another segment."""
        return sum(count for (mine, other), count in self.counts.items() if mine != other)

    @property
    def rows(self) -> dict[str | None, int]:
        """Customers of each segment under rules."""
        rows: Counter[str | None] = Counter()
        for (mine, _), count in self.counts.items():
            rows[mine] += count
        return dict(rows)


class Apart(NamedTuple):
    """A system that only one of the two enables, and the sizes of its segments."""

    key: str
    title: Label
    side: Literal["rules", "other"]
    sizes: dict[str, int]


class Comparison(NamedTuple):
    """What `compare` found.

    Attributes
    ----------
    systems
        In the order in which they are judged; those of other alone come last.
    told
        (system, cause) → changes under rules and under other.
    """

    systems: list[Shared | Apart]
    told: dict[tuple[str, str], tuple[int, int]]


def compare(
    rules: Rules,
    changes: Sequence[Change],
    other: Rules,
    other_changes: Sequence[Change],
    samples: int = 3,
) -> Comparison:
    """Compare the changes that two sets of rules have made of one history, to the same end of time.

    Parameters
    ----------
    rules, other
        The two sets.
    changes, other_changes
        What each has told; each customer's in the order of their sequence.
    samples
        How many customers to name of each pair of segments that differ. They are taken by lot, and
        by the same lot each time.

    Examples
    --------
    >>> from schemas.changes import Change, Words
    >>> from segmenters.rules import loads
    >>> rules = loads("[systems.lifecycle]")
    >>> def told(customer, to):
    ...     what = (1, customer, "lifecycle", None, to, 0, 0, "clock", None, None, "")
    ...     return Change("", *what, Words("", ""))
    >>> mine = [told("a", "active"), told("b", "active")]
    >>> found = compare(rules, mine, rules, [told("a", "active"), told("b", "silent")])
    >>> found.systems[0].counts
    {('active', 'active'): 1, ('active', 'silent'): 1}
    >>> found.told
    {('lifecycle', 'clock'): (2, 2)}
    """
    mine, theirs = _told_last(changes), _told_last(other_changes)
    counterpart = {system.key: system for system in other.systems}
    own = {system.key for system in rules.systems}
    systems: list[Shared | Apart] = []
    for system in rules.systems:
        key = system.key
        if key in counterpart:
            found = _pairs(mine[key], theirs[key])
            order = _in_order(found, system, counterpart[key])
            counts = {pair: len(found[pair]) for pair in order}
            named = {
                pair: [Sample(c, mine[key].get(c), theirs[key].get(c)) for c in _lot(who, samples)]
                for pair in order
                if pair[0] != pair[1]
                for who in [found[pair]]
            }
            systems.append(Shared(key, system.title, counts, named))
        else:
            systems.append(Apart(key, system.title, "rules", _sizes(system, mine[key])))
    systems += [
        Apart(system.key, system.title, "other", _sizes(system, theirs[system.key]))
        for system in other.systems
        if system.key not in own
    ]
    return Comparison(systems, _count(changes, other_changes))


def _told_last(changes: Iterable[Change]) -> Mapping[str, dict[str, Change]]:
    """Return, by system and customer, the change told last."""
    last: dict[str, dict[str, Change]] = defaultdict(dict)
    for change in changes:
        last[change.system][change.customer_id] = change
    return last


def _pairs(mine: Mapping[str, Change], theirs: Mapping[str, Change]) -> dict[Pair, list[str]]:
    pairs: dict[Pair, list[str]] = defaultdict(list)
    for customer in mine.keys() | theirs.keys():
        one, two = mine.get(customer), theirs.get(customer)
        pairs[one.to if one else None, two.to if two else None].append(customer)
    return pairs


def _in_order(pairs: Iterable[Pair], system: System, other: System) -> list[Pair]:
    """Order pairs by the segments of the two systems; who was never judged comes last."""
    ranks = [
        {segment: rank for rank, segment in enumerate((*each.segments, None))}
        for each in (system, other)
    ]
    return sorted(pairs, key=lambda pair: (ranks[0][pair[0]], ranks[1][pair[1]]))


def _lot(customers: Iterable[str], size: int) -> list[str]:
    """Draw some customers: the smallest digests, so that nothing about an id makes it likelier."""
    return nsmallest(size, customers, key=lambda c: blake2b(c.encode(), digest_size=8).digest())


def _sizes(system: System, last: Mapping[str, Change]) -> dict[str, int]:
    counts = Counter(change.to for change in last.values())
    return {segment: counts[segment] for segment in system.segments if counts[segment]}


def _count(
    changes: Iterable[Change], other_changes: Iterable[Change]
) -> dict[tuple[str, str], tuple[int, int]]:
    """Count both sides' changes by system and cause."""
    mine, theirs = (
        Counter((change.system, change.cause) for change in each)
        for each in (changes, other_changes)
    )
    return {kind: (mine[kind], theirs[kind]) for kind in sorted(mine.keys() | theirs.keys())}
