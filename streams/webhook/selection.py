"""Choose which changes are sent.

Responsible for the filters. Must not send, and must not look at anything but the change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from schemas.changes import Change

VALUE_TIER: Final = "value_tier"
"""The system whose segment says what a customer is worth."""
CONTROL: Final = "control"
"""The arm of a holdout that gets no campaign, so that the others can be held against it."""


class Selection(Struct, frozen=True):
    """Which changes are sent; an empty set stands for all.

    Attributes
    ----------
    systems, causes, from_, to
        What the change's fields may be; a first change comes from ``""``.
    value_tiers
        What the customer's value tier may be.
    with_play
        Only changes with a play: rules, corrections and erasures have none.
    control
        Whether changes of the control arm of a holdout are sent, too.

    Examples
    --------
    >>> from schemas.changes import Change, Words
    >>> change = Change("", 2, "c", "lifecycle", "active", "silent", 0, 0, "clock", None, None, "",
    ...                 Words("沉默客户", "Silent"), segments={"value_tier": "high"})
    >>> Selection(to=frozenset({"silent"}), value_tiers=frozenset({"high"})).takes(change)
    True
    >>> Selection(with_play=True).takes(change)
    False
    """

    systems: frozenset[str] = frozenset()
    causes: frozenset[str] = frozenset()
    from_: frozenset[str] = frozenset()
    to: frozenset[str] = frozenset()
    value_tiers: frozenset[str] = frozenset()
    with_play: bool = False
    control: bool = False

    def takes(self, change: Change) -> bool:
        """Say whether a change is sent."""
        if self.with_play and change.play is None:
            return False
        if not self.control and change.holdout is not None and change.holdout.arm == CONTROL:
            return False
        asked = (
            (self.systems, change.system),
            (self.causes, change.cause),
            (self.from_, change.from_ or ""),
            (self.to, change.to),
            (self.value_tiers, value_tier_of(change) or ""),
        )
        return all(not wanted or said in wanted for wanted, said in asked)


def value_tier_of(change: Change) -> str | None:
    """Return the value tier a change tells of its customer, if any."""
    return change.to if change.system == VALUE_TIER else change.segments.get(VALUE_TIER)
