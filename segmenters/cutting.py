"""Cut bytes that were written end to end into one object each.

Responsible for doing that in one call: slices made one by one take twice as long.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


class _Formats(dict[int, str]):
    """Length -> `struct`'s word for so many bytes."""

    def __missing__(self, length: int) -> str:
        word = f"{length}s"
        if length < 4096:  # few lengths come again and again, and these only are kept
            self[length] = word
        return word


_FORMATS = _Formats()


def cut(joined: bytes, lengths: NDArray[Any]) -> tuple[bytes, ...]:
    """Return the pieces of these lengths, which together are the whole.

    Examples
    --------
    >>> import numpy as np
    >>> cut(b"abc", np.array([1, 0, 2]))
    (b'a', b'', b'bc')
    """
    return Struct("".join(map(_FORMATS.__getitem__, lengths.tolist()))).unpack(joined)
