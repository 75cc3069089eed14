"""Compose the kernel: one compiled loop over facts for exactly the systems the rules enable.

Responsible for writing the kernel's source, compiling it and keeping the compiled code in a cache
folder. It must not hold state. ``kernel_template.txt`` has the course of an event; read a generated
file (``Kernel.path``) to follow one.

numba's cache looks at the generated file alone. So the file's name carries a digest of all sources
that contribute, of the versions of numba and numpy, and of numba's switches: whatever changes,
changes the name.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numba
import numpy as np

import segmenters.calendar
import segmenters.changelog
import segmenters.damping
import segmenters.facts
import segmenters.instants
import segmenters.jitable
import segmenters.measures.day_gaps
import segmenters.measures.gaps
import segmenters.measures.orders
import segmenters.measures.profits
import segmenters.measures.tiles
import segmenters.pools
from segmenters import kernel_source
from segmenters.jitable import jitable
from segmenters.system import System, hooks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    from segmenters.layout import Layout

SHARED: Final = (
    segmenters.calendar,
    segmenters.changelog,
    segmenters.damping,
    segmenters.facts,
    segmenters.instants,
    segmenters.jitable,
    segmenters.measures.day_gaps,
    segmenters.measures.gaps,
    segmenters.measures.orders,
    segmenters.measures.profits,
    segmenters.measures.tiles,
    segmenters.pools,
    kernel_source,
)


_FOREIGN: Final = ("numpy", "numba")
"""Their versions stand in the digest, and their sources need not."""

_SWITCHES: Final = ("BOUNDSCHECK", "DISABLE_JIT")
"""What of numba's configuration makes other code of the same source."""


class Kernel(NamedTuple):
    """The compiled entry points, and where their source lies."""

    module: ModuleType
    path: Path


def cache_folder() -> Path:
    """Return where generated kernels are kept.

    That is ``REWAKE_CACHE_DIR``, else the user's cache folder.
    """
    named = os.environ.get("REWAKE_CACHE_DIR")
    if named:
        return Path(named) / "kernels"
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "rewake" / "kernels"


def build(systems: Sequence[System], layout: Layout) -> Kernel:
    """Return the kernel for these systems, compiled on first use and cached after.

    Examples
    --------
    >>> from segmenters.layout import compose
    >>> from segmenters.systems import MonetaryTier
    >>> kernel = build([MonetaryTier()], compose([MonetaryTier()]))
    >>> "monetary_tier_classify" in kernel.path.read_text()
    True
    """
    text = kernel_source.write(systems, layout)
    name = f"rewake_kernel_{_digest(text, systems)}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ is not None:
        return Kernel(known, Path(known.__file__))
    path = _store(name, text)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:  # pragma: no cover - a .py path always has a loader
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    for system in systems:
        functions = {"classify": system.classify, "deadline": system.deadline, **hooks(system)}
        for function, body in functions.items():
            setattr(module, f"{system.key}_{function}", jitable(body))
    # Named tuples of the generated module are found by name when compiled code comes back from the
    # cache.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return Kernel(module, path)


def _digest(text: str, systems: Sequence[System]) -> str:
    parts = [text, numba.__version__, np.__version__]
    parts += [str(vars(numba.config).get(switch)) for switch in _SWITCHES]
    parts += [inspect.getsource(module) for module in SHARED]
    bodies: list[Any] = []
    for system in systems:
        # The cache finds the parameters' tuple again by its module and name.
        for kind in type(system).__mro__[: type(system).__mro__.index(System)]:
            parts += [kind.__module__, _source(sys.modules[kind.__module__])]
        bodies += [system.classify, system.deadline, *hooks(system).values()]
    parts += _contributing(bodies)
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()


def _contributing(bodies: list[Any]) -> list[str]:
    """Return all that compiled functions are made of: the functions they call, the constants."""
    parts: list[str] = []
    seen: set[int] = set()
    while bodies:
        body = bodies.pop()
        code = getattr(body, "__code__", None)
        if code is None or id(body) in seen or body.__module__.startswith(_FOREIGN):
            continue
        seen.add(id(body))
        parts.append(_source(body))
        for name, value in _named(body, code):
            if isinstance(value, type):  # a named tuple, an enumeration
                parts.append(f"{name} {_source(value)}")
            elif callable(value):
                bodies.append(value)
            elif value is not None:
                parts.append(f"{name} {value!r}")
    return parts


def _named(body: Any, code: CodeType) -> Iterator[tuple[str, Any]]:
    """Find what a function's names stand for: in its module, in modules it names, around it."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _named(body, inner)
    yield from _reached(body.__globals__, code.co_names)
    if code is body.__code__ and body.__closure__:
        cells = zip(code.co_freevars, body.__closure__, strict=True)
        yield from ((name, cell.cell_contents) for name, cell in cells)


def _reached(scope: dict[str, Any], names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name in names:
        value = scope.get(name)
        if not inspect.ismodule(value):
            yield name, value
        elif not value.__name__.startswith(_FOREIGN):
            yield from _reached(vars(value), tuple(other for other in names if other != name))


@cache
def _source(body: Any) -> str:
    try:
        return inspect.getsource(body)
    except (OSError, TypeError):  # typed into a session, or built in
        code = getattr(body, "__code__", None)
        return repr(body) if code is None else f"{code.co_code.hex()} {code.co_consts!r}"


def _store(name: str, text: str) -> Path:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="rewake-kernels-"))
    path = folder / f"{name}.py"
    if not path.exists():
        # Another process may be writing the same file: each writes its own and moves it into place
        # whole.
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".tmp", delete=False) as out:
            out.write(text)
        Path(out.name).replace(path)
    return path
