"""Choose customers by a seeded hash of their ids.

Responsible for a sample that is the same for the same seed wherever ids are met, in the changelog
or in an input log. Must not know what is kept of a customer.
"""

from __future__ import annotations

import heapq
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

_ALL: Final = 1 << 64


class Sample:
    """The customers whose hashes are the lowest, or those named.

    Parameters
    ----------
    size
        How many customers to choose.
    seed
        Another seed chooses others.
    named
        If not empty, exactly these and no others.

    Examples
    --------
    >>> sample = Sample(2, seed=1)
    >>> left_out = [sample.offer(b"c-%d" % n) for n in range(9)]
    >>> sorted(sample.chosen), sum(len(out) for out in left_out)
    ([b'c-4', b'c-8'], 7)
    """

    def __init__(self, size: int, seed: int, named: Collection[bytes] = ()) -> None:
        self.chosen: set[bytes] = set(named)
        self._named = bool(self.chosen)
        self._size = size
        self._salt = seed.to_bytes(16, "little", signed=True)
        self._highest: list[tuple[int, bytes]] = []
        self._bound = _ALL

    def offer(self, key: bytes) -> tuple[bytes, ...]:
        """Take an id into account; return the ids that are out because of it, perhaps itself."""
        if key in self.chosen:
            return ()
        number = self._hash(key)
        if self._named or number >= self._bound:
            return (key,)
        self.chosen.add(key)
        heapq.heappush(self._highest, (-number, key))
        if len(self._highest) <= self._size:
            return ()
        number, out = heapq.heappop(self._highest)
        self._bound = -number
        self.chosen.discard(out)
        return (out,)

    def admits(self, key: bytes) -> bool:
        """Say whether an id belongs to the sample, also one that was never offered.

        With the bound that the offers have set: whoever is met later below it belongs to it, too.
        """
        if key in self.chosen:
            return True
        return not self._named and self._hash(key) < self._bound

    def _hash(self, key: bytes) -> int:
        return int.from_bytes(blake2b(key, digest_size=8, salt=self._salt).digest(), "little")
