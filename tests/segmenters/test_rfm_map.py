"""A map gives each of the 125 cells exactly one segment, or is refused with the cells named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.errors import RulesError
from segmenters.rfm_map import SHIPPED, parse_map, read_map

if TYPE_CHECKING:
    from pathlib import Path

HIGH, LOW = "345", "12"


def cell(r: int, f: int, m: int) -> int:
    return 25 * (r - 1) + 5 * (f - 1) + m - 1


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_map_uses_all_its_segments(name: str) -> None:
    rfm = read_map(name)
    assert len(rfm.cells) == 125
    assert set(rfm.cells) == set(range(len(rfm.segments)))


@pytest.mark.parametrize(
    ("name", "scores", "segment"),
    [
        ("A", (5, 4, 1), "champions"), ("A", (3, 3, 5), "need_attention"),
        ("A", (2, 5, 1), "cannot_lose"), ("A", (1, 1, 1), "hibernating"),
        ("B", (5, 5, 5), "champions"), ("B", (3, 1, 1), "new"), ("B", (1, 1, 1), "lost"),
        ("B", (2, 1, 4), "cannot_lose"), ("B", (5, 2, 5), "promising"),
        ("C", (3, 2, 5), "hlh"), ("C", (2, 2, 2), "lll"), ("C", (1, 3, 3), "lhh"),
    ],
)  # fmt: skip
def test_cells_of_the_shipped_maps(name: str, scores: tuple[int, int, int], segment: str) -> None:
    rfm = read_map(name)
    assert rfm.segments[rfm.cells[cell(*scores)]] == segment


def test_a_map_with_gaps_is_refused_with_the_missing_cells() -> None:
    with pytest.raises(RulesError, match=r"5 have none: 511 512 513 514 515"):
        parse_map('rest = "R1234 F12345"\ntop = "R5 F2345"', "gaps.toml")


def test_a_map_with_doubles_is_refused_with_the_cells_and_their_segments() -> None:
    with pytest.raises(RulesError, match=r"1 have several: 333 \(all, middle\)"):
        parse_map('all = "R12345 F12345"\nmiddle = "333"', "double.toml")


@pytest.mark.parametrize("pattern", ["556", "R6 F1", "R5", "", "5 5 5", "R5 F1 M"])
def test_a_pattern_that_is_none_is_refused_with_an_example(pattern: str) -> None:
    with pytest.raises(RulesError, match=r"some: expected cells such as '555 554'"):
        parse_map(f'some = "{pattern}"', "bad.toml")


def test_a_map_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text('good = "R345 F12345"\nbad = "R12 F12345"', encoding="utf-8")
    rfm = read_map(str(own))
    assert rfm.segments == ("good", "bad")
    assert rfm.segments[rfm.cells[cell(2, 5, 5)]] == "bad"


def test_a_map_that_is_not_there_is_refused() -> None:
    with pytest.raises(RulesError, match="expected A, B, C or the path of a map file, got 'D'"):
        read_map("D")
