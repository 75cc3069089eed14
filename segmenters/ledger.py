"""Hold the state of all customers of one partition.

Responsible for the arrays (rows, due column, pools of day tiles and listed orders), their growth by
doubling, and the changelog values. It must not judge: the kernel does, on these arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.errors import ChangelogCorrupt, LayoutChanged
from segmenters.changelog import HEAD_BYTES
from segmenters.cutting import cut
from segmenters.instants import FAR
from segmenters.keys import Keys
from segmenters.pools import Pool, empty, fitted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segmenters.kernel import Kernel
    from segmenters.layout import Layout

FIRST_CAPACITY: Final = 1024
EARLY_MS: Final = 60_000
"""A told ``valid_until`` is looked at again this long before it is reached."""

Rows = NDArray[np.int64]


class Ledger:
    """Rows, dues, tiles and listed orders of one partition.

    ``rows`` is a structured array, one row per customer; ``dues[i]`` the instant at which row ``i``
    must be judged again though nothing happens; ``refresh[i]`` the instant at which its cached
    profile must be looked at again; ``keys`` numbers the customer ids, in UTF-8, as their rows.
    ``tiles`` and ``orders`` have the customers' days and last orders, chained from their rows.
    ``stamp`` stands in front of every changelog value: `segmenters.terms.stamp_of`.
    """

    def __init__(self, layout: Layout, kernel: Kernel, stamp: int) -> None:
        self.layout = layout
        self.stamp = stamp
        self.kernel = kernel
        self.keys = Keys()
        self.opened = 0
        self.rows: Any = np.zeros(0, layout.row).view(np.recarray)
        self.dues = np.zeros(0, np.int64)
        self.refresh = np.zeros(0, np.int64)
        self.stamps = np.zeros(0, np.int64)
        self.tiles: Pool = empty(layout.tile)
        self.orders: Pool = empty(layout.order)
        self._fit_rows(FIRST_CAPACITY)
        self.fit(FIRST_CAPACITY, FIRST_CAPACITY)

    def __len__(self) -> int:
        """Return the number of customers."""
        return len(self.keys)

    @property
    def nbytes(self) -> int:
        """Bytes in use: rows, tiles, listed orders and keys."""
        rows = len(self.keys) * (int(self.rows.itemsize) + 24)
        return rows + self.tiles.nbytes + self.orders.nbytes + self.keys.nbytes

    def rows_of(self, customers: Sequence[bytes]) -> Rows:
        """Return the rows of customers, opening those not seen yet."""
        rows = self.keys.add(customers)
        known = len(self.keys)
        if known > self.opened:
            if known > len(self.rows):
                self._fit_rows(known)
            self.kernel.module.open_rows(self.rows, self.dues, self.refresh, self.opened, known)
            self.opened = known
        return rows

    def blank(self) -> Any:
        """Return the row of a customer nobody has seen yet."""
        rows, none = np.zeros(1, self.layout.row).view(np.recarray), np.zeros(1, np.int64)
        self.kernel.module.open_rows(rows, none, none, 0, 1)
        return rows[0]

    def _fit_rows(self, least: int) -> None:
        capacity = max(least, 2 * len(self.rows))
        for name in ("rows", "dues", "refresh", "stamps"):
            old = getattr(self, name)
            new = np.zeros(capacity, old.dtype)
            new[: len(old)] = old
            if name in ("dues", "refresh"):
                new[len(old) :] = FAR
            setattr(self, name, new.view(np.recarray) if name == "rows" else new)

    def fit(self, tiles: int, orders: int) -> None:
        """Make room for so many new tiles and listed orders, so that the kernel never has to."""
        self.tiles = fitted(self.tiles, tiles)
        self.orders = fitted(self.orders, orders)

    def pack(self, rows: Rows) -> tuple[bytes, ...]:
        """Return the changelog values of rows: stamp, checksum, row and chains in one."""
        offsets = np.zeros(len(rows) + 1, np.int64)
        fixed = HEAD_BYTES + self.rows.itemsize
        self.kernel.module.sizes(self.rows, rows, offsets, fixed)
        buffer = np.empty(int(offsets[-1]), np.uint8)
        self.kernel.module.pack(
            self.rows,
            self._row_bytes(),
            self.tiles.cells,
            self.orders.cells,
            rows,
            offsets,
            buffer,
            buffer.view(np.int64),
            self.stamp,
        )
        return cut(buffer.tobytes(), np.diff(offsets))

    def unpack(self, latest: Mapping[bytes, bytes]) -> None:
        """Restore rows from changelog values by key.

        Raises
        ------
        LayoutChanged
            When a value was written with another layout.
        ChangelogCorrupt
            When a value is truncated, changed or foreign.
        """
        rows = self.rows_of(list(latest))
        values = list(latest.values())
        lengths = np.array([len(value) for value in values], np.int64)
        padded = b"".join(
            value if len(value) % 8 == 0 else value + b"\0" * (-len(value) % 8) for value in values
        )
        offsets = np.zeros(len(values) + 1, np.int64)
        np.cumsum(-(-lengths // 8) * 8, out=offsets[1:])
        self._fit_values(lengths)
        words = np.frombuffer(padded, np.int64)
        ragged = np.flatnonzero(lengths % 8)
        wrong = self.kernel.module.unpack(
            self.rows, self._row_bytes(), self.tiles, self.orders, rows, offsets,
            words.view(np.uint8), words, self.stamp,
        )  # fmt: skip
        if len(ragged):
            wrong = int(ragged[0]) if wrong < 0 else min(wrong, int(ragged[0]))
        if wrong >= 0:
            raise self.explain(values[wrong])

    def _fit_values(self, lengths: NDArray[np.int64]) -> None:
        """Make room for whatever stands behind the rows of values of these lengths, in bytes."""
        chained = int(np.maximum(lengths - HEAD_BYTES - self.rows.itemsize, 0).sum())
        layout = self.layout
        self.fit(chained // (8 * layout.tile_words), chained // (8 * layout.order_words))

    def may_be_row(self, value: bytes) -> bool:
        """Tell whether a value is long enough for a row of whatever layout."""
        return len(value) >= 3 * HEAD_BYTES

    def explain(self, value: bytes) -> Exception:
        """Return the error that says why a changelog value is not one of this ledger's."""
        stamp = int.from_bytes(value[:4], "little")
        got = f"{len(value)} bytes, layout and rules {stamp:08x}"
        wanted = f"expected a changelog row of layout and rules {self.stamp:08x}, got {got}"
        if self.may_be_row(value) and stamp != self.stamp:
            todo = "start the release and rules that wrote it, or rebuild the state by a replay"
            return LayoutChanged(f"{wanted}: {todo}")
        return ChangelogCorrupt(
            f"{wanted} and a checksum that does not fit: rebuild the state by a replay"
        )

    def _row_bytes(self) -> Any:
        plain = self.rows.view(np.ndarray)
        return plain.view(np.uint8).reshape(len(plain), plain.dtype.itemsize)
