"""Hold back what a system would tell too soon or too often.

Responsible for dwell, cool-down and re-entry of one system, and for what each customer's damping
remembers; it decides no segment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from segmenters.oracle.book import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class Stay:
    """Remember since when one customer is told to be where she is, and when she left what."""

    since: int = 0
    left: dict[str, int] = field(default_factory=dict)
    held_back: str | None = None


class Damping:
    """Say until when a change is held back.

    Examples
    --------
    >>> damping = Damping({"dwell_days": 7, "cooldown_days": 30})
    >>> damping.holds(Stay(since=0, left={"low": 0}), "low", 10 * DAY_MS)
    True
    >>> damping.holds(Stay(since=0), "low", 7 * DAY_MS)
    False
    """

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.dwell = int(Decimal(str(table.get("dwell_days", 0))) * DAY_MS)
        self.cooldown = int(Decimal(str(table.get("cooldown_days", 0))) * DAY_MS)
        self.returns = table.get("reentry", "allowed") != "never"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Damping) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def holds(self, stay: Stay, wanted: str, at: int) -> bool:
        """Tell whether a change to `wanted` is held back at an instant."""
        if at < stay.since + self.dwell:
            return True
        if wanted not in stay.left:
            return False
        return not self.returns or at < stay.left[wanted] + self.cooldown

    def ends(self, stay: Stay, after: int) -> list[int]:
        """List the instants after `after` at which something may be held back no longer."""
        ends = [stay.since + self.dwell, *(left + self.cooldown for left in stay.left.values())]
        return [end for end in ends if end > after]
