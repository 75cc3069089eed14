"""Compute the partition of a key as the Java client does (murmur2).

Responsible for the hash over many keys at once. Must not know topics or records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.runs import IntArray

REPARTITION: Final = (
    "customers move between partitions when a count changes, their state does not: let `rewake "
    "repartition` move it to new topics of one count, as in "
    "docs/how-to/change-the-partition-count.md"
)
"""What to do about partition counts that differ from those of live state."""


@numba.njit(cache=True, nogil=True)
def _murmur2(blob, ends, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    # 32-bit arithmetic in signed 64-bit integers: unsigned ones wrap here and warn interpreted.
    mask = 0xFFFFFFFF
    m = 0x5BD1E995
    start = 0
    for row in range(ends.shape[0]):
        end = ends[row]
        length = end - start
        h = (0x9747B28C ^ length) & mask
        at = start
        while end - at >= 4:
            k = np.int64(blob[at]) | (np.int64(blob[at + 1]) << 8)
            k |= (np.int64(blob[at + 2]) << 16) | (np.int64(blob[at + 3]) << 24)
            k = (k * m) & mask
            k ^= k >> 24
            k = (k * m) & mask
            h = (h * m) & mask
            h ^= k
            at += 4
        rest = end - at
        if rest == 3:
            h ^= np.int64(blob[at + 2]) << 16
        if rest >= 2:
            h ^= np.int64(blob[at + 1]) << 8
        if rest >= 1:
            h ^= np.int64(blob[at])
            h = (h * m) & mask
        h ^= h >> 13
        h = (h * m) & mask
        h ^= h >> 15
        out[row] = h & 0x7FFFFFFF
        start = end


def partitions_of(keys: Sequence[bytes], count: int) -> IntArray:
    """Return the partition of each key on topics with ``count`` partitions.

    Parameters
    ----------
    keys
        Record keys.
    count
        Number of partitions, at least 1.

    Examples
    --------
    >>> partitions_of([b"a", b"customer-17"], 4).tolist()
    [0, 0]
    """
    blob = np.frombuffer(b"".join(keys), np.uint8)
    ends = np.cumsum(np.fromiter(map(len, keys), np.int64, len(keys)))
    out = np.empty(len(keys), np.int64)
    _murmur2(blob, ends, out)
    return out % count
