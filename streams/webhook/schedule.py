"""Say which change may be sent now, and up to where all are done.

Responsible for the order of each customer's changes, the bound on those under way, and the offset
to commit. Must not send, wait or talk to a broker.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, NamedTuple, TypeVar

Content = TypeVar("Content")


class Item(NamedTuple, Generic[Content]):
    """One change on its way.

    Attributes
    ----------
    partition, offset
        Where it stands.
    key
        Whose it is.
    content
        What is sent.
    """

    partition: int
    offset: int
    key: bytes
    content: Content


class Schedule(Generic[Content]):
    """The changes that were fetched and are not done.

    Parameters
    ----------
    abreast
        How many customers' changes may be under way at a time.

    Examples
    --------
    >>> schedule = Schedule[str](abreast=8)
    >>> for offset, key in enumerate([b"ann", b"ann", b"bob"]):
    ...     schedule.take(Item(0, offset, key, "…"))
    >>> schedule.reach(0, 3)
    >>> [item.offset for item in schedule.start()]
    [0, 2]
    >>> schedule.done(0, 2)
    >>> schedule.watermark(0)
    0
    >>> schedule.done(0, 0)
    >>> schedule.watermark(0), [item.offset for item in schedule.start()]
    (1, [1])
    """

    def __init__(self, abreast: int) -> None:
        self._abreast = abreast
        self._ready: deque[Item[Content]] = deque()
        self._waiting: dict[bytes, deque[Item[Content]]] = {}
        # Offsets in the order they were taken, which ascends, so the first is the least.
        self._open: dict[int, dict[int, Item[Content]]] = {}
        self._under_way: set[tuple[int, int]] = set()
        self._reached: dict[int, int] = {}

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    def take(self, item: Item[Content]) -> None:
        """Take a change, behind the others of its customer."""
        self._open.setdefault(item.partition, {})[item.offset] = item
        behind = self._waiting.get(item.key)
        if behind is None:
            self._waiting[item.key] = deque()
            self._ready.append(item)
        else:
            behind.append(item)

    def reach(self, partition: int, position: int) -> None:
        """Take note that all before a position was fetched: what was not taken needs no sending."""
        self._reached[partition] = position

    def start(self) -> list[Item[Content]]:
        """Return the changes that may be sent now; they are under way from here on."""
        room = min(self._abreast - len(self._under_way), len(self._ready))
        started = [self._ready.popleft() for _ in range(max(room, 0))]
        self._under_way.update((item.partition, item.offset) for item in started)
        return started

    def done(self, partition: int, offset: int) -> None:
        """Take note that a change under way was delivered, or written down as not deliverable.

        Of one that was let go meanwhile nothing is noted.
        """
        place = (partition, offset)
        if place not in self._under_way:
            return
        self._under_way.remove(place)
        item = self._open[partition].pop(offset)
        behind = self._waiting[item.key]
        if behind:
            self._ready.append(behind.popleft())
        else:
            del self._waiting[item.key]

    def watermark(self, partition: int) -> int | None:
        """Return the offset to commit: all before it are done. None: nothing was fetched."""
        held = self._open.get(partition)
        return next(iter(held)) if held else self._reached.get(partition)

    def release(self, partition: int) -> list[Item[Content]]:
        """Let a partition go; return those of its changes that were under way.

        A customer is in one partition only, so nobody else's order is touched.
        """
        self._reached.pop(partition, None)
        gone = self._open.pop(partition, {})
        started = [i for i in gone.values() if (partition, i.offset) in self._under_way]
        self._under_way.difference_update((partition, offset) for offset in gone)
        self._ready = deque(item for item in self._ready if item.partition != partition)
        for item in gone.values():
            self._waiting.pop(item.key, None)
        return started
