"""Write a customer's row and day tiles as one changelog value, and read it back.

Responsible for the bytes of a value and for noticing any that are not as they were written. It must
not know what rows mean, nor where values are kept.

A value is a sequence of 64-bit little-endian words: stamp (`segmenters.terms`) and checksum in one
word, the row, then the tiles, newest day first. How many words a tile has and what is in them
depends on the rules: that part is in ``kernel_template.txt``.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba.extending import register_jitable

from segmenters.measures.tiles import END, give_back_all

HEAD_BYTES: Final = 8


@register_jitable
def checksum(words: Any) -> int:
    """Return a 32-bit checksum of 64-bit words.

    It notices any flipped bit and any two words exchanged.
    """
    total = 0x243F6A88
    for word in words:
        low = word & 0xFFFFFFFF
        high = (word >> 32) & 0xFFFFFFFF
        total = (((total ^ low) * 0x01000193) ^ (total >> 15)) & 0xFFFFFFFF
        total = (((total ^ high) * 0x01000193) ^ (total >> 15)) & 0xFFFFFFFF
    return int(total)


@register_jitable
def lay_out(rows: Any, who: Any, offsets: Any, fixed: int, tile: int) -> None:
    """Fill the offsets of the values of these customers in one buffer."""
    total = 0
    for k in range(len(who)):
        offsets[k] = total
        total += fixed + tile * rows[who[k]].tiles
    offsets[len(who)] = total


@register_jitable
def write_row(rows: Any, row_bytes: Any, i: int, a: int, buffer: Any) -> int:
    """Write the row of a value that begins at byte ``a``; return the word where its tiles begin."""
    size = row_bytes.shape[1]
    b = a + HEAD_BYTES
    first = rows[i].head
    rows[i].head = END  # where tiles lie in the pool is no part of what is known
    for j in range(size):
        buffer[b + j] = row_bytes[i, j]
    rows[i].head = first
    return int((b + size) // 8)


@register_jitable
def seal(words: Any, a: int, z: int, stamp: int) -> None:
    """Write stamp and checksum in front of the value that lies at the bytes from ``a`` to ``z``."""
    proof = checksum(words[(a + HEAD_BYTES) // 8 : z // 8])
    words[a // 8] = (np.int64(proof) << 32) | stamp


@register_jitable
def is_whole(row_bytes: Any, words: Any, a: int, z: int, tile: int, stamp: int) -> bool:
    """Tell whether the bytes from ``a`` to ``z`` are a value as it was written."""
    size = row_bytes.shape[1]
    b = a + HEAD_BYTES
    if z < b + size or (z - b - size) % tile != 0:
        return False
    head = words[a // 8]
    if head & 0xFFFFFFFF != stamp:
        return False
    return bool((head >> 32) & 0xFFFFFFFF == checksum(words[b // 8 : z // 8]))


@register_jitable
def read_row(rows: Any, row_bytes: Any, pool: Any, free: Any, i: int, a: int, buffer: Any) -> int:
    """Read a value's row in place of another; return the word where its tiles begin."""
    size = row_bytes.shape[1]
    b = a + HEAD_BYTES
    give_back_all(rows[i], pool, free)
    for j in range(size):
        row_bytes[i, j] = buffer[b + j]
    return int((b + size) // 8)
