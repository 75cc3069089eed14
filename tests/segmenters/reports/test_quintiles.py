"""Fifths of a population: where the cuts fall, and what becomes of equal customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenters.reports.quintiles import cut_values, score_ranks, score_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from segmenters.reports.quintiles import Figures

ANY = st.lists(st.integers(-50, 50), min_size=1, max_size=60).map(
    lambda each: np.array(each, np.int64)
)


@given(ANY)
def test_cuts_at_values_are_those_of_linearly_interpolated_quantiles(
    figures: Figures,
) -> None:
    """As ``pandas.qcut`` does it: right-closed bins between quantiles, the least in the first."""
    # Fractions instead of floats: a quantile may fall on a figure, where a float may miss it.
    ordered = [int(figure) for figure in np.sort(figures)]
    for k in range(1, 5):
        place, rest = divmod((len(ordered) - 1) * k, 5)
        above = ordered[min(place + 1, len(ordered) - 1)]
        interpolated_times_5 = 5 * ordered[place] + (above - ordered[place]) * rest
        mine = figures > cut_values(figures)[k - 1]
        assert mine.tolist() == (5 * figures > interpolated_times_5).tolist()


def test_cuts_at_values_are_those_of_numpy_where_none_falls_on_a_figure() -> None:
    figures = np.random.default_rng(7).integers(0, 400, 4338)
    assert (len(figures) - 1) % 5 != 0
    edges = np.quantile(figures, [0.2, 0.4, 0.6, 0.8])
    assert score_values(figures).tolist() == (1 + np.searchsorted(edges, figures)).tolist()


@given(ANY)
def test_equal_figures_have_equal_scores_and_larger_ones_none_lower(
    figures: Figures,
) -> None:
    scores = dict(zip(figures.tolist(), score_values(figures).tolist(), strict=True))
    assert score_values(figures).tolist() == [scores[figure] for figure in figures.tolist()]
    in_order = [scores[figure] for figure in sorted(scores)]
    assert in_order == sorted(in_order)
    assert set(in_order) <= {1, 2, 3, 4, 5}


@given(ANY)
def test_fifths_by_rank_differ_by_one_customer_at_most(
    figures: Figures,
) -> None:
    sizes = np.bincount(score_ranks(figures), minlength=6)[1:]
    if len(figures) >= 5:
        assert sizes.max() - sizes.min() <= 1
    ordered = score_ranks(figures)[np.argsort(figures, kind="stable")]
    assert (np.diff(ordered) >= 0).all()


def test_a_cut_is_exact_where_floats_are_not() -> None:
    huge = 2**60
    figures = np.array([huge, huge + 1, huge + 2, huge + 3, huge + 4], np.int64)
    assert score_values(figures).tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("score", [score_values, score_ranks])
def test_nobody_has_no_score(score: Callable[[Figures], Figures]) -> None:
    assert len(score(np.zeros(0, np.int64))) == 0


def test_where_all_are_equal_all_are_in_the_lowest_fifth() -> None:
    assert score_values(np.full(7, 3)).tolist() == [1] * 7
