"""Write `docs/reference/errors.md`: every error with a name, and what to do about it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Final

import streams
from reference.pages import table, wrapped
from schemas.errors import RewakeError

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD: Final = """\
# The errors

Generated from the code by `scripts/reference`. A command that fails prints `rewake:`, the name of a
delivery error, what was expected, what came and what to do; `--debug` behind `rewake` adds where it
came from. A worker logs `stopping` with the name as `code`. Exit code 1: start it again once the
cause is mended; 2: it was called or configured wrongly, starting it again helps nothing.

What rejects a single event is no error of the worker: the reasons are in [topics.md](topics.md).
"""


def write() -> str:
    """Return the text of the page."""
    kinds = list(errors())
    rows = ((f"[`{each.code}`](#{each.code})", str(each.exit_code), _first(each)) for each in kinds)
    parts = [_HEAD, *table(("error", "exit code", "it says"), rows)]
    for each in kinds:
        parts += ["", f"## {each.code}", "", _first(each)]
        for paragraph in _more(each):
            parts += ["", *wrapped(paragraph)]
    return "\n".join(parts) + "\n"


def errors() -> Iterator[type[RewakeError]]:
    """Yield every error of the product that has a name of its own, roots first."""
    for module in pkgutil.walk_packages(streams.__path__, "streams."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting, seen = [RewakeError], set[str]()
    while waiting:
        kind = waiting.pop(0)
        waiting += kind.__subclasses__()
        if kind.code not in seen:
            seen.add(kind.code)
            yield kind


def _first(kind: type[RewakeError]) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]


def _more(kind: type[RewakeError]) -> list[str]:
    """Return the paragraphs between a docstring's first line and its first section."""
    paragraphs = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[1:]
    found = []
    for each in paragraphs:
        if "\n---" in each:
            break
        found.append(each)
    return found
