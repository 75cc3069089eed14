"""Keep cells of one kind, chained per customer, in one array that all customers share.

Responsible for chains: taking a cell, linking it, giving it back to be used again. It must not know
what cells hold, nor what a chain is for. The pool is grown between batches, never inside one.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from segmenters.jitable import jitable

END: Final = -1
BLANK: Final = 0
"""The first cell of a pool stays empty: what a new one is a copy of, whatever fields it has."""


class Pool(NamedTuple):
    """All cells of one kind.

    Attributes
    ----------
    cells
        A structured array with a field ``next``.
    links
        That field: the place of the cell that follows in its chain, or `END`.
    free
        The head of the chain of cells given back, and the number of cells ever used.
    """

    cells: Any
    links: Any
    free: Any

    @property
    def nbytes(self) -> int:
        """Bytes of the cells in use, and of those given back."""
        return int(self.free[1]) * int(self.cells.itemsize)


def empty(cell: np.dtype[Any]) -> Pool:
    """Return a pool without cells in use.

    Examples
    --------
    >>> pool = fitted(empty(np.dtype([("day", "i4"), ("next", "i4")])), 8)
    >>> older = insert(pool, END, END)
    >>> newer = insert(pool, END, older)
    >>> (older, newer, int(pool.links[newer])), len(pool.cells), pool.nbytes
    ((1, 2, 1), 9, 24)
    """
    cells = np.zeros(BLANK + 1, cell)
    return Pool(cells.view(np.recarray), cells["next"], np.array([END, BLANK + 1], np.int64))


def fitted(pool: Pool, more: int) -> Pool:
    """Return a pool with room for ``more`` cells, so that compiled code never has to make it."""
    least = int(pool.free[1]) + more
    if least <= len(pool.cells):
        return pool
    cells = np.zeros(max(least, 2 * len(pool.cells)), pool.cells.dtype)
    cells[: len(pool.cells)] = pool.cells
    return Pool(cells.view(np.recarray), cells["next"], pool.free)


def only_links(pool: Pool) -> Pool:
    """Return a pool seen for its chains alone: the same type whatever its cells hold."""
    return Pool(pool.links, pool.links, pool.free)


@jitable
def insert(pool: Any, before: int, following: int) -> int:
    """Return a blank cell between two of a chain; ``END`` for ``before`` makes it the first."""
    new = pool.free[0]
    if new != END:
        pool.free[0] = pool.links[new]
    else:
        new = pool.free[1]
        pool.free[1] += 1
    pool.cells[new] = pool.cells[BLANK]
    pool.links[new] = following
    if before != END:
        pool.links[before] = new
    return int(new)


@jitable
def remove(pool: Any, before: int, k: int) -> int:
    """Give back the cell ``k``, which follows ``before``; return the one that follows it."""
    following = pool.links[k]
    if before != END:
        pool.links[before] = following
    pool.links[k] = pool.free[0]
    pool.free[0] = k
    return int(following)


@jitable
def give_back(pool: Any, first: int) -> None:
    """Give back a whole chain."""
    k = first
    while k != END:
        k = remove(pool, END, k)
