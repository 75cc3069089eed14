"""Score figures from 1 to 5 by the fifth of the population in which they lie.

Responsible for where the cuts fall, exactly. It must not know what the figures mean.

Two ways, which differ only where customers are equal. A cut at a *value* gives equal customers
equal scores; the fifths are then of unequal size. A cut at a *rank* makes fifths of equal size, and
lets an arbitrary order decide between equal customers; notebooks do that to frequency, because
most customers have ordered once and pandas refuses to cut there.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

FIFTHS: Final = 5

Figures: TypeAlias = NDArray[np.int64]
"""One whole number a customer."""


def cut_values(figures: Figures) -> Figures:
    """Return the four values up to which the scores 1 to 4 reach.

    A figure is above the k-th cut just where it is above the k/5 quantile, linearly interpolated:
    between two figures next to each other there is no third. So these are the bins of
    ``pandas.qcut(figures, 5)``, in whole numbers, where a cut is exact at any size of the figures;
    and where two cuts fall on one value, at which pandas raises, the scores between are left out.

    Parameters
    ----------
    figures
        At least one.

    Examples
    --------
    >>> cut_values(np.array([10, 20, 30, 40, 50, 60])).tolist()
    [20, 30, 40, 50]
    """
    ordered = np.sort(figures)
    return ordered[(len(ordered) - 1) * np.arange(1, FIFTHS) // FIFTHS]


def score_values(figures: Figures) -> Figures:
    """Score figures from 1, the lowest fifth, to 5; equal figures have equal scores.

    Examples
    --------
    Half of these have ordered once; the second fifth ends in the middle of them:

    >>> score_values(np.array([1, 1, 1, 1, 1, 2, 3, 4, 5, 60])).tolist()
    [1, 1, 1, 1, 1, 3, 4, 4, 5, 5]
    """
    if not len(figures):
        return figures
    return 1 + np.searchsorted(cut_values(figures), figures, side="left")


def score_ranks(figures: Figures) -> Figures:
    """Score figures from 1 to 5 in fifths of equal size; of equal figures the first are lower.

    Examples
    --------
    >>> score_ranks(np.array([1, 1, 1, 1, 1, 2, 3, 4, 5, 60])).tolist()
    [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    """
    ranks = np.empty(len(figures), np.int64)
    ranks[np.argsort(figures, kind="stable")] = np.arange(len(figures))
    return score_values(ranks)
