"""Write a customer's row and day tiles as one changelog value, and read it back.

Responsible for the bytes of a value and for noticing any that are not as they were written. It must
not know what rows mean, nor where values are kept.

A value is a sequence of 64-bit little-endian words: stamp (`segmenters.terms`) and checksum in one
word, the row, two words per tile, newest day first.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba.extending import register_jitable

from segmenters.measures.tiles import END, give_back_all, take_tile

HEAD_BYTES: Final = 8
TILE_BYTES: Final = 16


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
def write_rows(
    rows: Any,
    row_bytes: Any,
    pool: Any,
    who: Any,
    offsets: Any,
    buffer: Any,
    words: Any,
    stamp: int,
) -> None:
    """Write values into a buffer, of which ``words`` are the 64-bit words."""
    size = row_bytes.shape[1]
    for k in range(len(who)):
        i = who[k]
        a = offsets[k]
        b = a + HEAD_BYTES
        first = rows[i].head
        rows[i].head = END  # where tiles lie in the pool is no part of what is known
        for j in range(size):
            buffer[b + j] = row_bytes[i, j]
        rows[i].head = first
        w = (b + size) // 8
        j = first
        while j != END:
            words[w] = pool[j].spend
            words[w + 1] = (np.int64(pool[j].orders) << 32) | (np.int64(pool[j].day) & 0xFFFFFFFF)
            w += 2
            j = pool[j].next
        proof = checksum(words[b // 8 : offsets[k + 1] // 8])
        words[a // 8] = (np.int64(proof) << 32) | stamp


@register_jitable
def read_rows(
    rows: Any,
    row_bytes: Any,
    pool: Any,
    free: Any,
    who: Any,
    offsets: Any,
    buffer: Any,
    words: Any,
    stamp: int,
) -> int:
    """Read values into rows; return the place of the first that is not one, or -1."""
    size = row_bytes.shape[1]
    for k in range(len(who)):
        a = offsets[k]
        z = offsets[k + 1]
        b = a + HEAD_BYTES
        if z < b + size or (z - b - size) % TILE_BYTES != 0:
            return k
        head = words[a // 8]
        if head & 0xFFFFFFFF != stamp:
            return k
        if (head >> 32) & 0xFFFFFFFF != checksum(words[b // 8 : z // 8]):
            return k
        i = who[k]
        give_back_all(rows[i], pool, free)
        for j in range(size):
            row_bytes[i, j] = buffer[b + j]
        read_tiles(rows[i], pool, free, words[(b + size) // 8 : z // 8])
    return -1


@register_jitable
def read_tiles(row: Any, pool: Any, free: Any, words: Any) -> None:
    """Chain the tiles of a value, as they stand in it."""
    row.head = END
    last = END
    for w in range(0, len(words), 2):
        new = take_tile(free, pool)
        pool[new].spend = words[w]
        pool[new].orders = words[w + 1] >> 32
        pool[new].day = np.int32(words[w + 1] & 0xFFFFFFFF)
        pool[new].next = END
        if last == END:
            row.head = new
        else:
            pool[last].next = new
        last = new
