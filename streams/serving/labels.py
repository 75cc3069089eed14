"""Say what systems and segments are called.

Responsible for the names a reader sees, in both languages, as the rules in force have them. Must
not decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.changes import Words
from schemas.lookups import Segment, SystemOfSegments, Systems

if TYPE_CHECKING:
    from segmenters.rules import Rules


class Labels:
    """The names of the rules in force.

    Parameters
    ----------
    rules
        Those the worker has; a segment they do not know is called by its own name.

    Examples
    --------
    >>> from segmenters.rules import loads
    >>> labels = Labels(loads("[systems.lifecycle]"))
    >>> labels.of("lifecycle", "silent").en, labels.of("lifecycle", "odd").en
    ('Silent', 'odd')
    """

    def __init__(self, rules: Rules) -> None:
        self._words = {
            (system.key, segment): Words(label.zh, label.en)
            for system in rules.systems
            for segment, label in system.labels.items()
        }
        self.systems = Systems(
            rules.version,
            rules.engine.base_currency,
            rules.engine.business_timezone,
            tuple(
                SystemOfSegments(
                    system.key,
                    Words(system.title.zh, system.title.en),
                    tuple(
                        Segment(segment, self._words[system.key, segment])
                        for segment in system.segments
                    ),
                )
                for system in rules.systems
            ),
        )

    def of(self, system: str, segment: str) -> Words:
        """Return what a segment is called."""
        return self._words.get((system, segment)) or Words(segment, segment)

    @property
    def keys(self) -> list[str]:
        """The systems."""
        return [each.system for each in self.systems.systems]

    def segments(self, system: str) -> list[str]:
        """Return the segments of a system; none for one the rules do not have."""
        return [segment for key, segment in self._words if key == system]

    def knows(self, system: str, segment: str) -> bool:
        """Say whether the rules have a segment of a system."""
        return (system, segment) in self._words
