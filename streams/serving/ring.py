"""Hold the last changes that were followed, in bounded room.

Responsible for what a stream can begin with and resume from, and for where each partition stands. A
stream keeps a place here instead of a queue of its own, so that slow readers cost nothing. Must not
know Kafka or HTTP.
"""

from __future__ import annotations

import heapq
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from schemas.vocabulary import Instant

HELD: Final = 20_000
"""Changes held for streams, and for those that resume."""


class Entry(NamedTuple):
    """One change as it was followed.

    Attributes
    ----------
    partition, offset
        Where it is in the topic.
    at
        The instant at which it became so.
    value
        Its JSON.
    system, cause, to
        What streams select by.
    """

    partition: int
    offset: int
    at: Instant
    value: bytes
    system: str
    cause: str
    to: str


Positions = dict[int, int]
"""Partition → the offset that comes next."""


def write_cursor(positions: Mapping[int, int]) -> str:
    """Write positions as the id of an event.

    Examples
    --------
    >>> write_cursor({1: 7, 0: 12})
    '0:12,1:7'
    """
    return ",".join(f"{partition}:{offset}" for partition, offset in sorted(positions.items()))


def read_cursor(written: str) -> Positions:
    """Read positions back.

    Raises
    ------
    ValueError
        When it is no cursor.

    Examples
    --------
    >>> read_cursor("0:12,1:7")
    {0: 12, 1: 7}
    """
    found: Positions = {}
    for part in written.split(","):
        partition, colon, offset = part.strip().partition(":")
        if not (colon and partition.isascii() and partition.isdigit()):
            raise ValueError(written)
        if not (offset.isascii() and offset.isdigit() and len(offset) < 20):
            raise ValueError(written)
        found[int(partition)] = int(offset)
    return found


class Ring:
    """The last changes, numbered from 0 in the order they were followed.

    Parameters
    ----------
    held
        How many are held.
    """

    def __init__(self, held: int = HELD) -> None:
        self._entries: deque[Entry] = deque()
        self._held = held
        self.first = 0
        """Number of the oldest that is held."""
        self.floor: Positions = {}
        """What is held begins here, by partition."""
        self.positions: Positions = {}
        """What comes next, by partition."""

    @property
    def end(self) -> int:
        """Number of the change that comes next."""
        return self.first + len(self._entries)

    def begin(self, positions: Mapping[int, int]) -> None:
        """Begin anew: everything held is forgotten, numbers go on."""
        self.first = self.end
        self._entries.clear()
        self.floor, self.positions = dict(positions), dict(positions)

    def fill(self, back: Mapping[int, Sequence[Entry]], positions: Mapping[int, int]) -> None:
        """Begin with what was read back of each partition, as if it had been followed.

        Partitions are read one after the other: their changes are put in the order of `at`, as far
        as the order of each allows.
        """
        self.begin({p: back[p][0].offset if back.get(p) else at for p, at in positions.items()})
        for entry in heapq.merge(*back.values(), key=lambda each: each.at):
            self.append(entry)
        self.positions = dict(positions)

    def append(self, entry: Entry) -> None:
        """Take one more change."""
        self._entries.append(entry)
        self.positions[entry.partition] = entry.offset + 1
        if len(self._entries) > self._held:
            gone = self._entries.popleft()
            self.first += 1
            self.floor[gone.partition] = gone.offset + 1

    def read(self, number: int, most: int) -> Iterator[Entry]:
        """Give up to so many changes from a number on."""
        begin = number - self.first
        return islice(self._entries, begin, begin + most)

    def tail(self, count: int, fits: Filter) -> tuple[int, Positions]:
        """Return where the last `count` fitting changes begin: a number, and positions."""
        number, positions = self.end, dict(self.positions)
        for entry in reversed(self._entries):
            if count <= 0:
                break
            number -= 1
            positions[entry.partition] = entry.offset
            count -= fits.takes(entry)
        return number, positions

    def lost(self, cursor: Mapping[int, int]) -> bool:
        """Say whether changes behind a cursor are not held any more."""
        return any(cursor.get(partition, 0) < floor for partition, floor in self.floor.items())


class Filter(NamedTuple):
    """Which changes a stream is about; None: any."""

    system: str | None = None
    cause: str | None = None
    to: str | None = None

    def takes(self, entry: Entry) -> bool:
        """Say whether a change is among them."""
        return (
            (self.system is None or entry.system == self.system)
            and (self.cause is None or entry.cause == self.cause)
            and (self.to is None or entry.to == self.to)
        )
