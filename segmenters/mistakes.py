"""Find every mistake in a rules file, not only the first.

Responsible for going on behind a mistake: what is wrong is taken out, and what is left is read
again. It must not know what a mistake is: that is `segmenters.rules`, which reads the file.

A mistake between parameters is told only of a system in which each parameter alone is right, for
it may come from a default that stands in for a wrong one.
"""

from __future__ import annotations

import copy
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from schemas.errors import RulesError
from segmenters.rules import build, load
from segmenters.systems import SYSTEMS

if TYPE_CHECKING:
    from pathlib import Path

    from segmenters.rules import Rules

_MOST: Final = 100
"""So many mistakes are found; whoever has more has another file in hand."""

_STAND_IN: Final = "monetary_tier"
"""Enabled where no system is left that could be: having none is a mistake of its own."""


def examine(file: Path) -> tuple[Rules | None, list[RulesError]]:
    """Read a rules file: the rules, or all that is wrong with it.

    Returns
    -------
    rules
        None where something is wrong.
    mistakes
        In the order of reading; paths are those of keys in the file.

    Raises
    ------
    RulesError
        When the file cannot be read, or is not TOML.
    """
    mistakes = find(_read(file))
    return (None, mistakes) if mistakes else (load(file), [])


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        load(file)  # says what is wrong with it
        raise


def find(table: dict[str, Any]) -> list[RulesError]:
    """Return all mistakes of what stands in a rules file.

    Examples
    --------
    >>> table = {"engine": {"base_currency": "quid"}, "systems": {"rfm": {"map": "Z"}}}
    >>> sorted(mistake.path for mistake in find(table))
    ['engine.base_currency', 'systems.rfm.map']
    """
    left = copy.deepcopy(table)
    found: list[RulesError] = []
    doubtful: set[str] = set()
    while len(found) < _MOST:
        try:
            build(left)
        except RulesError as mistake:
            system = _system_of(mistake.path)
            alone = system is None or _alone(left, system)
            told = any(mistake.path == other.path for other in found)
            if not told and (alone or system not in doubtful):
                found.append(mistake)
            if not _take_out(left, mistake.path):
                break
            if system is not None and alone:
                doubtful.add(system)
            _stand_in(left, found)
        else:
            break
    return found


def _system_of(path: str) -> str | None:
    match = re.match(r"systems\.(\w+)", path)
    return match[1] if match and match[1] in SYSTEMS else None


def _alone(table: dict[str, Any], system: str) -> bool:
    """Say whether a parameter of the system is wrong by itself, whatever the others are."""
    try:
        msgspec.convert(table["systems"][system], SYSTEMS[system], strict=True)
    except (msgspec.ValidationError, RulesError):
        return True
    return False


def _take_out(table: dict[str, Any], path: str) -> bool:
    """Remove what a path names, or the nearest thing around it; False where nothing is left."""
    if path == "systems":  # no table, or none in it
        table["systems"] = {_STAND_IN: {}}
        return True
    # A play of which a part is taken out would be another mistake.
    levels = 2 if path.startswith("plays.") else len(path)
    around: Any = None
    last = ""
    inner: Any = table
    rest = path
    while isinstance(inner, dict) and rest and levels:
        keys = [key for key in inner if rest == key or re.match(rf"{re.escape(key)}[.:\[]", rest)]
        if not keys:
            break
        last = max(keys, key=len)
        around, inner, rest = inner, inner[last], rest[len(last) :].lstrip(".: ")
        levels -= 1
    if around is None:
        return False
    if path.startswith("systems.") and isinstance(inner, dict) and inner and rest:
        around[last] = {}  # what is wrong does not stand in the file: a default beside what does
    else:
        del around[last]
    return True


def _stand_in(table: dict[str, Any], found: list[RulesError]) -> None:
    """Keep a mistake that was taken out from becoming another one."""
    systems = table.get("systems")
    if systems == {} and any(mistake.path.startswith("systems.") for mistake in found):
        systems[_STAND_IN] = {}
    engine = table.get("engine")
    if isinstance(engine, dict) and found[-1:] and found[-1].path == "engine.base_currency":
        rates = engine.get("rates", {})
        others = (code for code in ("GBP", "USD", "EUR", "CNY", "JPY") if code not in rates)
        engine["base_currency"] = next(others, "CHF")
