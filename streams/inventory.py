"""Know what a partition's changelog holds, so that the position record can vouch for it.

Responsible for one number over all rows as they stand in the changelog: a row lost, put back in
time, exchanged or brought in from elsewhere makes another number. Must not read or write records,
and must not know what rows mean. It guards against accidents, not against an adversary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from streams.digests import digests_of_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.runs import IntArray

HEAD_BYTES: Final = 8
"""The head of a row's value, which holds the checksum of the rest; see `segmenters.changelog`."""

_FIRST: Final = 1024
_WORD: Final = (1 << 64) - 1


class Inventory:
    """The rows a changelog partition holds: how many, and a digest of them all.

    The digest is the sum over customers of a hash of key and value, so it does not depend on the
    order in which rows were written, and a row written again replaces its own share.

    Attributes
    ----------
    customers : int
        Rows held.

    Examples
    --------
    >>> there, back = Inventory(), Inventory()
    >>> there.write(np.array([0, 1]), [(b"a", b"8 bytes."), (b"b", b"8 bytes!")])
    >>> there.write(np.array([0]), [(b"a", b"8 other.")])
    >>> back.write(np.array([0, 1]), [(b"b", b"8 bytes!"), (b"a", b"8 other.")])
    >>> back.digest == there.digest, back.customers
    (True, 2)
    """

    __slots__ = ("_shares", "_sum", "customers")

    def __init__(self) -> None:
        self.customers = 0
        self._sum = 0
        self._shares = np.zeros(_FIRST, np.int64)

    @property
    def digest(self) -> int:
        """The digest of all rows, 64 bits."""
        return self._sum & _WORD

    def write(self, rows: IntArray, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Take note of records, which now are what the changelog holds of these rows.

        Parameters
        ----------
        rows
            The engine's row of each record, each at most once.
        records
            Key and value.
        """
        if not len(rows):
            return
        top = int(rows.max()) + 1
        if top > len(self._shares):
            grown = np.zeros(max(top, 2 * len(self._shares)), np.int64)
            grown[: len(self._shares)] = self._shares
            self._shares = grown
        shares = digests_of_bytes([key + value[:HEAD_BYTES] for key, value in records])
        before = self._shares[rows]
        self.customers += int(np.count_nonzero(before == 0))
        self._sum += int(shares.sum()) - int(before.sum())
        self._shares[rows] = shares
