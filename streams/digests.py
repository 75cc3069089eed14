"""Digest ids to the 64 bits under which the ledger remembers them.

Responsible for hashing many ids at once: one by one through a cryptographic digest they would cost
more than decoding. Not meant against an adversary: eight event ids and ten order ids of one
customer are compared, never whole topics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_M = np.uint64(0xC6A4A7935BD1E995)
_R = np.uint64(47)
_SEED = np.uint64(0x9E3779B97F4A7C15)


@numba.njit(cache=True, nogil=True)
def _murmur64(blob, ends, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    # ``blob`` has eight bytes more than it needs: a tail is read as a whole word, and cut. Unsigned
    # indices: a signed one could count from the end, and eight loads would not become one.
    start = np.uint64(0)
    for row in range(len(ends)):
        end = np.uint64(ends[row])
        h = _SEED ^ ((end - start) * _M)
        at = start
        while at < end:
            k = np.uint64(0)
            for j in range(8):
                k |= np.uint64(blob[at + np.uint64(j)]) << np.uint64(8 * j)
            rest = end - at
            if rest < np.uint64(8):
                k &= (np.uint64(1) << (np.uint64(8) * rest)) - np.uint64(1)
            k *= _M
            k ^= k >> _R
            k *= _M
            h = (h ^ k) * _M
            at += np.uint64(8)
        h ^= h >> _R
        h *= _M
        h ^= h >> _R
        out[row] = np.int64(h)
        start = end


def digests_of(ids: Sequence[str]) -> NDArray[np.int64]:
    """Return the 64-bit digest of each id; 0, and only 0, for the empty string.

    The hash is MurmurHash64A over the UTF-8 bytes, its tail read as a whole block padded with
    zeros. Rows keep these numbers, so the function must never change.

    Examples
    --------
    >>> one, same, other, none = digests_of(["o-1", "o-1", "o-2", ""]).tolist()
    >>> one == same, one != other, none
    (True, True, 0)
    """
    joined = "".join(ids)
    lengths = map(len, ids) if joined.isascii() else (len(text.encode()) for text in ids)
    return _digests(joined.encode(), np.fromiter(lengths, np.int64, len(ids)))


def digests_of_bytes(texts: Sequence[bytes]) -> NDArray[np.int64]:
    """Return the 64-bit digest of each text; see `digests_of`.

    Examples
    --------
    >>> digests_of_bytes([b"o-1"]) == digests_of(["o-1"])
    array([ True])
    """
    return _digests(b"".join(texts), np.fromiter(map(len, texts), np.int64, len(texts)))


def _digests(joined: bytes, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    out = np.empty(len(lengths), np.int64)
    _murmur64(np.frombuffer(joined + bytes(8), np.uint8), np.cumsum(lengths), out)
    out[out == 0] = 1
    out[lengths == 0] = 0
    return out
