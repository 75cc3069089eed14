"""Put one system through all that is promised of systems, and say check by check what came of it.

Responsible for running `segmenters.checks`, and the engine with the system in it, to the end of the
list whatever fails. It must not know how verdicts are shown.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from numba.core.errors import NumbaError

from segmenters.checks import CHECKS
from segmenters.rules import EngineRules, Rules
from segmenters.system import System
from segmenters.systems import SYSTEMS
from segmenters.warming import warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OWED: Final = ("segments", "labels", "compiled", "classify", "deadline", "looked_at")


class Verdict(NamedTuple):
    """What came of one check.

    Attributes
    ----------
    check
        The check's name.
    promise
        What it holds of a system, in words.
    error
        What was expected and what came; None where the promise is kept.
    """

    check: str
    promise: str
    error: str | None


def nothing_is_missing(system: System) -> None:
    """Hold that the class defines all that a system must have."""
    kind = type(system)
    missing = [name for name in _OWED if getattr(kind, name, None) is getattr(System, name, None)]
    assert not missing, f"{system.key}: expected the class to define {', '.join(missing)}"


def the_engine_runs_it(system: System) -> None:
    """Hold that the kernel compiles with the system in it, and that a customer passes through."""
    needed = {key: SYSTEMS[key]() for key in _needed(system)}
    warm_up(Rules(EngineRules(), {**needed, system.key: system}, {}))


def verdicts(system: System) -> Iterator[Verdict]:
    """Run every check, one verdict after the other; compiling takes some twenty seconds.

    Examples
    --------
    >>> from segmenters.systems import MonetaryTier
    >>> next(verdicts(MonetaryTier())).error is None
    True
    """
    for check in (nothing_is_missing, *CHECKS, the_engine_runs_it):
        yield _verdict(check, system)


def _verdict(check: Callable[[System], None], system: System) -> Verdict:
    promise = (check.__doc__ or "").partition("\n")[0].removeprefix("Hold that ").rstrip(".")
    error = None
    try:
        check(system)
    except AssertionError as broken:
        error = str(broken).removeprefix(f"{system.key}: ")
    except NumbaError as failure:
        error = f"what is compiled cannot be: {_cause(str(failure))}"
    except Exception as failure:  # noqa: BLE001 - whatever a system raises is a promise not kept
        where = traceback.extract_tb(failure.__traceback__)[-1]
        place = f"{Path(where.filename).name}, line {where.lineno}, in {where.name}"
        error = f"{type(failure).__name__}: {failure} ({place})"
    return Verdict(check.__name__, promise, error)


def _cause(said: str) -> str:
    """Return what numba says of the innermost place: the pages around it name ours, not theirs."""
    innermost = said.rpartition("raised a specific error:")[2]
    lines = [line.strip() for line in innermost.partition("During:")[0].splitlines()]
    return " ".join(line for line in lines if line and "nopython mode pipeline" not in line)


def _needed(system: System) -> list[str]:
    """Return the keys of all systems that this one looks at, directly or by another."""
    found: list[str] = []
    keys = list(system.needs)
    while keys:
        key = keys.pop()
        if key not in found:
            found.append(key)
            keys += SYSTEMS[key]().needs
    return found
