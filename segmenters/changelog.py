"""Write a customer's row, day tiles and listed orders as one changelog value, and read it back.

Responsible for the bytes of a value and for noticing any that are not as they were written. It must
not know what rows mean, nor where values are kept.

A value is a sequence of 64-bit little-endian words: stamp (`segmenters.terms`) and checksum in one
word, the row, the tiles, newest day first, then the listed orders, the latest first; the row says
how many there are of either. How many words each has and what is in them depends on the rules: that
part is in ``kernel_template.txt``.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from segmenters.jitable import jitable
from segmenters.measures.orders import LISTED
from segmenters.pools import END, give_back

HEAD_BYTES: Final = 8


@jitable
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


@jitable
def lay_out(rows: Any, who: Any, offsets: Any, fixed: int, tile: int, order: int) -> None:
    """Fill the offsets of the values of these customers in one buffer."""
    total = 0
    for k in range(len(who)):
        offsets[k] = total
        row = rows[who[k]]
        total += fixed + tile * int(row.tiles) + order * int(row.listed)
    offsets[len(who)] = total


@jitable
def write_row(rows: Any, row_bytes: Any, i: int, a: int, buffer: Any) -> int:
    """Write the row of a value that begins at byte ``a``; return the word where its tiles begin."""
    size = row_bytes.shape[1]
    b = a + HEAD_BYTES
    head, latest = rows[i].head, rows[i].latest
    rows[i].head = END  # where chains lie in their pools is no part of what is known
    rows[i].latest = END
    for j in range(size):
        buffer[b + j] = row_bytes[i, j]
    rows[i].head = head
    rows[i].latest = latest
    return int((b + size) // 8)


@jitable
def seal(words: Any, a: int, z: int, stamp: int) -> None:
    """Write stamp and checksum in front of the value that lies at the bytes from ``a`` to ``z``."""
    proof = checksum(words[(a + HEAD_BYTES) // 8 : z // 8])
    words[a // 8] = (np.int64(proof) << 32) | stamp


@jitable
def is_whole(row_bytes: Any, words: Any, a: int, z: int, stamp: int) -> bool:
    """Tell whether the bytes from ``a`` to ``z`` are as they were written, a row at least."""
    b = a + HEAD_BYTES
    if z < b + row_bytes.shape[1]:
        return False
    head = words[a // 8]
    if head & 0xFFFFFFFF != stamp:
        return False
    return bool((head >> 32) & 0xFFFFFFFF == checksum(words[b // 8 : z // 8]))


@jitable
def read_row(
    rows: Any, row_bytes: Any, tiles: Any, orders: Any, i: int, a: int, buffer: Any
) -> int:
    """Read a value's row in place of another; return the word where its tiles begin."""
    size = row_bytes.shape[1]
    b = a + HEAD_BYTES
    give_back(tiles, rows[i].head)
    give_back(orders, rows[i].latest)
    for j in range(size):
        row_bytes[i, j] = buffer[b + j]
    rows[i].head = END
    rows[i].latest = END
    return int((b + size) // 8)


@jitable
def has_room(row: Any, words: int, tile: int, order: int) -> bool:
    """Tell whether ``words`` are just as many as the row has tiles and listed orders."""
    tiles, listed = int(row.tiles), int(row.listed)
    return bool(tiles >= 0 and 0 <= listed <= LISTED and words == tile * tiles + order * listed)
