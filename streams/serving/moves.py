"""Count who moved from which segment to which between two instants.

Responsible for the last changes of segment in bounded room: 22 bytes each, without a customer's id.
Must not know Kafka, Redis or HTTP.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from schemas.changes import Change
    from schemas.vocabulary import Instant

HELD: Final = 1_000_000
"""Changes held."""

_ROW: Final = np.dtype(
    [("who", "u8"), ("at", "i8"), ("system", "i2"), ("before", "i2"), ("after", "i2")]
)
_NOWHERE: Final = -1
"""Code of no segment: a customer seen for the first time."""


class Move(NamedTuple):
    """So many customers were in one segment, and are in another.

    Attributes
    ----------
    before
        None where they were not known yet.
    """

    before: str | None
    after: str
    customers: int


class Moves:
    """The last changes, in the order they were followed.

    Parameters
    ----------
    held
        How many are held.
    """

    def __init__(self, held: int = HELD) -> None:
        self._rows: NDArray[np.void] = np.zeros(min(held, 1024), _ROW)
        self._held = held
        self._count = 0
        self._systems: dict[str, int] = {}
        self._segments: dict[str, int] = {}
        self._names: list[str] = []
        self._cut: frozenset[int] = frozenset()
        self._lost: Instant | None = None

    def begin(self, cut: frozenset[int]) -> None:
        """Begin anew.

        Parameters
        ----------
        cut
            Partitions whose past is not followed.
        """
        self._count = 0
        self._cut, self._lost = cut, None

    def __len__(self) -> int:
        return min(self._count, self._held)

    @property
    def since(self) -> Instant | None:
        """The instant after which all changes are held; None: all that ever were told."""
        return self._lost

    def take(self, change: Change, partition: int) -> None:
        """Take one more change."""
        if partition in self._cut:
            # What came before the first that is followed is not known, and was not later.
            self._cut -= {partition}
            self._lose(change.at)
        place = self._count % self._held
        if self._count >= self._held:
            self._lose(int(self._rows[place]["at"]))
        elif place == len(self._rows):
            more = min(len(self._rows), self._held - len(self._rows))
            self._rows = np.concatenate([self._rows, np.zeros(more, _ROW)])
        self._rows[place] = (
            _digest(change.customer_id),
            change.at,
            self._systems.setdefault(change.system, len(self._systems)),
            self._code(change.from_),
            self._code(change.to),
        )
        self._count += 1

    def _lose(self, at: Instant) -> None:
        self._lost = at if self._lost is None else max(self._lost, at)

    def _code(self, segment: str | None) -> int:
        if segment is None:
            return _NOWHERE
        code = self._segments.setdefault(segment, len(self._segments))
        if code == len(self._names):
            self._names.append(segment)
        return code

    def between(self, system: str, since: Instant, until: Instant) -> list[Move]:
        """Return the net moves in a system: who came back to where they were is no move.

        Parameters
        ----------
        system
            Key of the system.
        since, until
            Changes after the first and up to the second count.

        Returns
        -------
        list of Move
            The largest first.
        """
        return count(self.cut(system, since, until), self._names)

    def names(self) -> list[str]:
        """Return the segments by their codes in what `cut` returns."""
        return list(self._names)

    def cut(self, system: str, since: Instant, until: Instant) -> NDArray[np.void]:
        """Return a copy of the changes that `between` counts, the oldest first."""
        code = self._systems.get(system)
        place = self._count % self._held if self._count > self._held else 0
        parts = []
        for rows in (self._rows[place : len(self)], self._rows[:place]):
            fits = (rows["system"] == code) & (rows["at"] > since) & (rows["at"] <= until)
            parts.append(rows[fits] if code is not None else rows[:0])
        return np.concatenate(parts)


def count(rows: NDArray[np.void], names: Sequence[str]) -> list[Move]:
    """Count the net moves in what `Moves.cut` returned; may be called in any thread."""
    if not len(rows):
        return []
    first, last = _ends(rows["who"])
    before, after = rows["before"][first], rows["after"][last]
    moved = before != after
    found, counts = np.unique(
        np.stack([before[moved], after[moved]], axis=1), axis=0, return_counts=True
    )
    moves = [
        Move(None if a == _NOWHERE else names[a], names[b], customers)
        for (a, b), customers in zip(found.tolist(), counts.tolist(), strict=True)
    ]
    return sorted(moves, key=lambda move: (-move.customers, move.before or "", move.after))


def _ends(who: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each value comes first, and where last."""
    order = np.argsort(who, kind="stable")
    sorted_ = who[order]
    begins = np.flatnonzero(np.r_[True, sorted_[1:] != sorted_[:-1]])
    lasts = np.r_[begins[1:], len(who)] - 1
    return order[begins], order[lasts]


def _digest(customer_id: str) -> int:
    return int.from_bytes(blake2b(customer_id.encode(), digest_size=8).digest(), "little")
