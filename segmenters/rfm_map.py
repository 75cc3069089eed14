"""Read RFM maps: which segment each of the 125 cells of the three scores belongs to.

Responsible for the map files and for refusing a map that does not give each cell exactly one
segment.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from functools import lru_cache
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from schemas.errors import RulesError

SHIPPED: Final = ("A", "B", "C")
SCORES: Final = "12345"
_SHOWN: Final = 12
_CELL: Final = re.compile("[1-5]{3}")
_GROUPS: Final = re.compile("R([1-5]+) F([1-5]+)(?: M([1-5]+))?")


class RfmMap(NamedTuple):
    """A map: its segments in the file's order, and the position of the segment of each cell.

    ``cells[25 * (R - 1) + 5 * (F - 1) + (M - 1)]`` is an index into ``segments``.
    """

    segments: tuple[str, ...]
    cells: tuple[int, ...]


def read_map(name: str) -> RfmMap:
    """Return a shipped map (A, B or C), the one in a file, or the one that ``write_map`` wrote.

    Raises
    ------
    RulesError
        When there is no such map, or it leaves out cells or names cells twice.

    Examples
    --------
    >>> a = read_map("A")
    >>> a.segments[a.cells[25 * 4 + 5 * 0 + 2]]  # R5 F1 M3
    'new'
    """
    if name in SHIPPED:
        return _shipped(name)
    if "\n" in name:
        return parse_map(name, "the map")
    path = Path(name)
    if not path.is_file():
        wanted = "expected A, B, C or the path of a map file"
        raise RulesError("systems.rfm.map", f"{wanted}, got {name!r}: no such file")
    return parse_map(path.read_text(encoding="utf-8"), name)


@lru_cache
def _shipped(name: str) -> RfmMap:
    return parse_map(files("segmenters").joinpath(f"maps/{name}.toml").read_text("utf-8"), name)


@lru_cache
def parse_map(text: str, name: str) -> RfmMap:
    r"""Read a map from TOML text.

    Raises
    ------
    RulesError
        When the text is not a map, with the cells named.

    Examples
    --------
    >>> try:
    ...     parse_map('all = "R12345 F12345 M1234"', "mine.toml")
    ... except RulesError as error:
    ...     print(str(error).replace("; ", ";\n"))
    systems.rfm.map: mine.toml must give each of the 125 cells (R F M) one segment;
    25 have none: 115 125 135 145 155 215 225 235 245 255 315 325 ...
    """
    owners: dict[str, list[str]] = defaultdict(list)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError("systems.rfm.map", f"{name} is not TOML: {error}") from error
    for segment, pattern in table.items():
        for cell in _cells(str(pattern), name, segment):
            owners[cell].append(segment)
    cells = ["".join(cell) for cell in product(SCORES, repeat=3)]
    problems = []
    missing = [cell for cell in cells if cell not in owners]
    if missing:
        problems.append(f"{len(missing)} have none: {_some(missing)}")
    doubled = [f"{cell} ({', '.join(owners[cell])})" for cell in cells if len(owners[cell]) > 1]
    if doubled:
        problems.append(f"{len(doubled)} have several: {_some(doubled)}")
    if problems:
        wanted = f"{name} must give each of the 125 cells (R F M) one segment"
        raise RulesError("systems.rfm.map", f"{wanted}; {'; '.join(problems)}")
    segments = tuple(table)
    return RfmMap(segments, tuple(segments.index(owners[cell][0]) for cell in cells))


def write_map(rfm: RfmMap) -> str:
    r"""Return a map as TOML text, with every cell by name; ``read_map`` reads it.

    Examples
    --------
    >>> read_map(write_map(read_map("B"))) == read_map("B")
    True
    """
    names = ["".join(cell) for cell in product(SCORES, repeat=3)]
    lines = []
    for place, segment in enumerate(rfm.segments):
        own = [name for name, owner in zip(names, rfm.cells, strict=True) if owner == place]
        name = msgspec.json.encode(segment).decode()  # quoted as TOML quotes, too
        lines.append(f'{name} = "{" ".join(own)}"\n')
    return "".join(lines)


def _some(cells: list[str]) -> str:
    return " ".join(cells[:_SHOWN]) + (" ..." if len(cells) > _SHOWN else "")


def _cells(pattern: str, name: str, segment: str) -> list[str]:
    tokens = pattern.split()
    if tokens and all(_CELL.fullmatch(token) for token in tokens):
        return tokens
    if groups := _GROUPS.fullmatch(" ".join(tokens)):
        return ["".join(cell) for cell in product(*(group or SCORES for group in groups.groups()))]
    wanted = "expected cells such as '555 554' or groups of scores such as 'R45 F23 M12'"
    raise RulesError("systems.rfm.map", f"{name}, {segment}: {wanted}, got {pattern!r}")
