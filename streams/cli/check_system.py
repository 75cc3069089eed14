"""Offer `rewake check-system`: hold a system, anybody's, to what every system promises."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.output import AsJson, print_json, say

if TYPE_CHECKING:
    from segmenters.system import System
    from segmenters.verdicts import Verdict

_Name = Annotated[
    str,
    typer.Argument(
        help="Key of a system, or module:Class; modules of the current folder are found.",
        metavar="KEY|MODULE:CLASS",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("check-system")(_check_system)


def _check_system(name: _Name, *, as_json: AsJson = False) -> None:
    """Check what every system promises, with the system's default parameters.

    Exit code 1 when a promise is broken, 2 when there is no such system. The first time the system
    is compiled, which takes some twenty seconds.
    """
    from schemas.errors import UsageError
    from segmenters.verdicts import verdicts

    if not __debug__:
        raise UsageError("expected a Python that asserts, got one with -O: checks would pass")
    system = _find(name)
    found = []
    for verdict in verdicts(system):
        found.append(verdict)
        if not as_json:
            _tell(verdict)
    broken = sum(verdict.error is not None for verdict in found)
    if as_json:
        print_json(_describe(system, found, broken))
    else:
        title = f"{system.key}  {system.title.zh} / {system.title.en}"
        kept = f"{len(found) - broken} of {len(found)} promises kept"
        typer.echo(f"{title}: {kept}")
    if broken:
        raise typer.Exit(1)


def _find(name: str) -> System:
    from schemas.errors import UsageError
    from segmenters.system import System
    from segmenters.systems import SYSTEMS

    if ":" not in name:
        if name not in SYSTEMS:
            known = ", ".join(SYSTEMS)
            raise UsageError(f"expected a system ({known}) or module:Class, got {name!r}")
        return SYSTEMS[name]()
    module, _, attribute = name.partition(":")
    # A command's own folder is not where Python looks; here it is where people work.
    sys.path.insert(0, str(Path.cwd()))
    try:
        kind: Any = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise UsageError(f"expected {name} to be importable as module:Class, got {said}") from error
    if not (isinstance(kind, type) and issubclass(kind, System)):
        raise UsageError(f"expected a subclass of segmenters.system.System, got {kind!r}")
    try:
        return kind()
    except TypeError as error:
        raise UsageError(f"expected a default for each parameter of {name}, got {error}") from error


def _tell(verdict: Verdict) -> None:
    mark = "ok    " if verdict.error is None else "BROKEN"
    typer.echo(f"{mark}  {verdict.check}: {verdict.promise}")
    if verdict.error is not None:
        say(f"rewake: {verdict.check}: {verdict.error}")


def _describe(system: System, found: list[Verdict], broken: int) -> dict[str, Any]:
    return {
        "key": system.key,
        "number": system.number,
        "title": system.title._asdict(),
        "kept": not broken,
        "checks": [
            {
                "check": verdict.check,
                "promise": verdict.promise,
                "kept": verdict.error is None,
                "error": verdict.error,
            }
            for verdict in found
        ],
    }
