"""Read the conditions that make an audience.

Responsible for ``SYSTEM=SEGMENT,…`` and for what fulfils it. Must not look anybody up.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from msgspec import Struct

from schemas.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schemas.profiles import Profile
    from schemas.vocabulary import Instant
    from segmenters.rules import Rules


class Condition(Struct, frozen=True):
    """One system, and the segments of it that will do."""

    system: str
    segments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.system}={','.join(self.segments)}"


class Audience(Struct, frozen=True):
    """All conditions have to hold.

    Attributes
    ----------
    conditions
        At least one. The first one's `since` is what is sorted and limited by.
    since, until
        Bounds of that `since`, both inclusive; None: none.

    Examples
    --------
    >>> from schemas.profiles import Profile, Standing
    >>> audience = Audience((Condition("lifecycle", ("silent", "churned")),), since=5)
    >>> audience.has(Profile("c", {"lifecycle": Standing("silent", 7)}, 1, 1))
    True
    >>> audience.has(Profile("c", {"lifecycle": Standing("silent", 4)}, 1, 1))
    False
    """

    conditions: tuple[Condition, ...]
    since: Instant | None = None
    until: Instant | None = None

    def has(self, profile: Profile) -> bool:
        """Say whether a customer is in it."""
        for condition in self.conditions:
            standing = profile.systems.get(condition.system)
            if standing is None or standing.segment not in condition.segments:
                return False
        return self.within(profile.systems[self.conditions[0].system].since)

    def within(self, since: Instant) -> bool:
        """Say whether an instant lies between the bounds."""
        return (self.since is None or since >= self.since) and (
            self.until is None or since <= self.until
        )

    def __str__(self) -> str:
        return " ".join(map(str, self.conditions))


def read_conditions(words: Sequence[str], rules: Rules) -> tuple[Condition, ...]:
    """Read conditions as they are typed.

    Raises
    ------
    UsageError
        When one names no system or segment of the rules.

    Examples
    --------
    >>> from segmenters.rules import defaults
    >>> list(map(str, read_conditions(["lifecycle=silent,churned"], defaults())))
    ['lifecycle=silent,churned']
    """
    systems = {system.key: system.segments for system in rules.systems}
    found = []
    for word in words:
        system, equals, rest = word.partition("=")
        if not equals:
            raise UsageError(f"expected SYSTEM=SEGMENT, got {word!r}, e.g. lifecycle=silent")
        if system not in systems:
            raise UsageError(_unknown("a system", system, systems))
        segments = tuple(dict.fromkeys(rest.split(",")))
        for segment in segments:
            if segment not in systems[system]:
                raise UsageError(_unknown(f"a segment of {system}", segment, systems[system]))
        found.append(Condition(system, segments))
    if len({condition.system for condition in found}) < len(found):
        raise UsageError("expected each system once; several segments of one: lifecycle=new,active")
    return tuple(found)


def _unknown(what: str, came: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(came, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"expected {what}, got {came!r}{hint} (one of {', '.join(names)}; see REWAKE_RULES)"
