"""Number customers by key, a whole batch at a time.

Responsible for key -> row, exactly (hashes only find the place, keys are compared in full), and for
row -> key. It must not know what rows hold.

A dict of Python's does the same one key at a time and pays for an object per key and per number:
some 150 bytes a customer; this is `nbytes`, about 45 for keys of 16 bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numba
import numpy as np

from segmenters.cutting import cut
from segmenters.jitable import jitable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

UNKNOWN: Final = -1
_SLOTS: Final = 1024
_BYTES: Final = 16 * 1024
_SPARE: Final = 8


class Keys:
    """Keys in the order in which they came, each with its number.

    Open addressing with linear probing, at most two thirds full. A slot is 0 or holds 31 bits of
    the key's hash above its number plus one; the keys themselves lie end to end in one array.

    Examples
    --------
    >>> keys = Keys()
    >>> keys.add([b"a", b"b", b"a"]).tolist(), keys.find([b"b", b"c"]).tolist()
    ([0, 1, 0], [1, -1])
    >>> keys.at(np.array([1, 0])), len(keys)
    ((b'b', b'a'), 2)
    """

    __slots__ = ("_ends", "_slots", "_text", "_used")

    def __init__(self) -> None:
        self._slots = np.zeros(_SLOTS, np.int64)
        self._ends = np.zeros(_SLOTS, np.int64)  # of key k at k + 1
        self._text = np.zeros(_BYTES, np.uint8)
        self._used = 0

    def __len__(self) -> int:
        """Return how many keys there are."""
        return self._used

    @property
    def nbytes(self) -> int:
        """Bytes in use: the slots, and per key its end and its text."""
        return self._slots.nbytes + 8 * self._used + int(self._ends[self._used])

    def find(self, wanted: Sequence[bytes]) -> Numbers:
        """Return the numbers of keys, `UNKNOWN` where there is none."""
        return self._look(*_joined(wanted), adding=False)[0]

    def add(self, wanted: Sequence[bytes]) -> Numbers:
        """Return the numbers of keys; those not seen before get the next ones."""
        text, ends = _joined(wanted)
        numbers, unknown = self._look(text, ends, adding=False)
        if unknown:
            self._make_room(unknown, len(text))
            numbers, _ = self._look(text, ends, adding=True)
        return numbers

    def at(self, numbers: Numbers) -> tuple[bytes, ...]:
        """Return the keys of numbers."""
        lengths = self._ends[numbers + 1] - self._ends[numbers]
        text = np.empty(int(lengths.sum()), np.uint8)
        _gather(self._ends, self._text, numbers, text)
        return cut(text.tobytes(), lengths)

    def _look(self, text: Any, ends: Numbers, *, adding: bool) -> tuple[Numbers, int]:
        numbers = np.empty(len(ends), np.int64)
        self._used, unknown = _number(
            self._slots, self._ends, self._text, text, ends, numbers, self._used, adding
        )
        return numbers, unknown

    def _make_room(self, keys: int, size: int) -> None:
        count = self._used + keys
        if 3 * count > 2 * len(self._slots):
            slots = np.zeros(1 << (3 * count // 2).bit_length(), np.int64)
            _move(self._slots, slots)
            self._slots = slots
        self._ends = _fit(self._ends, count + 1)
        self._text = _fit(self._text, int(self._ends[self._used]) + size + _SPARE)


def _fit(array: Any, least: int) -> Any:
    if least <= len(array):
        return array
    grown = np.zeros(max(least, 2 * len(array)), array.dtype)
    grown[: len(array)] = array
    return grown


def _joined(keys: Sequence[bytes]) -> tuple[Any, Numbers]:
    """Return keys end to end, and where each ends."""
    text = np.frombuffer(b"".join((*keys, bytes(_SPARE))), np.uint8)
    return text, np.cumsum(np.fromiter(map(len, keys), np.int64, len(keys)))


# ---- compiled; plain Python computes the same: signed integers, of which no product overflows
#
# Texts end in eight bytes that belong to no key, so that all of a key can be read in words.
# Unsigned indices: signed ones may count from the end, and eight loads would not become one.


@jitable
def _word(text: Any, at: int, left: int) -> Any:
    """Return the next eight bytes, of which ``left`` count, as one word."""
    word = np.uint64(0)
    for j in range(8):
        word |= np.uint64(text[np.uint64(at + j)]) << np.uint64(8 * j)
    if left < 8:
        word &= (np.uint64(1) << np.uint64(8 * left)) - np.uint64(1)
    return word


@jitable
def _hash(text: Any, start: int, end: int) -> Any:
    """Return 31 bits: 32-bit words, multiplied and folded as in FNV and MurmurHash2."""
    h = np.int64(0x1234567 ^ (end - start))
    for at in range(start, end, 8):
        word = _word(text, at, end - at)
        h = ((h ^ np.int64(word & np.uint64(0xFFFFFFFF))) * 0x5BD1E995) & 0xFFFFFFFF
        h ^= h >> 15
        h = ((h ^ np.int64(word >> np.uint64(32))) * 0x5BD1E995) & 0xFFFFFFFF
        h ^= h >> 15
    h = (h * 0x2C1B3C6D) & 0xFFFFFFFF
    return (h ^ (h >> 13)) & 0x7FFFFFFF


@numba.njit(cache=True)
def _number(slots, ends, known, text, stops, numbers, used, adding):  # type: ignore[no-untyped-def]
    """Fill in numbers; return how many keys there are then, and how many have no number.

    In one piece: handing the arrays on to a function per key costs as much as all the rest.
    """
    mask = len(slots) - 1
    unknown = 0
    start = 0
    for k in range(len(stops)):
        length = stops[k] - start
        code = _hash(text, start, stops[k])
        at = code & mask
        number = UNKNOWN
        while number == UNKNOWN:
            slot = slots[np.uint64(at)]
            if slot == 0:
                break
            if slot >> 32 == code:
                number = (slot & 0xFFFFFFFF) - 1
                first = ends[np.uint64(number)]
                if ends[np.uint64(number + 1)] - first != length:
                    number = UNKNOWN
                j = 0
                while j < length and number != UNKNOWN:
                    left = length - j
                    if _word(known, first + j, left) != _word(text, start + j, left):
                        number = UNKNOWN
                    j += 8
            at = (at + 1) & mask
        if number == UNKNOWN and adding:
            number = used
            for j in range(length):
                known[ends[used] + j] = text[start + j]
            ends[used + 1] = ends[used] + length
            used += 1
            slots[np.uint64(at)] = (code << 32) | used
        unknown += number == UNKNOWN
        numbers[k] = number
        start = stops[k]
    return used, unknown


@numba.njit(cache=True)
def _move(old, new):  # type: ignore[no-untyped-def]
    mask = len(new) - 1
    for slot in old:
        if slot != 0:
            at = (slot >> 32) & mask
            while new[at] != 0:
                at = (at + 1) & mask
            new[at] = slot


@numba.njit(cache=True)
def _gather(ends, known, numbers, text):  # type: ignore[no-untyped-def]
    at = 0
    for number in numbers:
        for j in range(ends[number], ends[number + 1]):
            text[at] = known[j]
            at += 1
