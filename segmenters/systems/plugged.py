"""Find the systems of installed packages, behind those of this distribution.

Responsible for the entry-point group ``rewake.systems`` and for refusing what is no system. Nothing
of a package is imported before its system is asked for, so a broken one harms only rules that
enable it. It must not judge a system: see `segmenters.checks`.

A package declares in its ``pyproject.toml``::

    [project.entry-points."rewake.systems"]
    second_order = "my_shop.second_order:SecondOrder"

and rules enable it with a table ``[systems.second_order]``, as any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

import msgspec

from schemas.errors import RulesError
from segmenters.system import System

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "rewake.systems"
"""The entry-point group: name = key of the system, value = ``module:Class``."""

FIRST_NUMBER: Final = 100
"""Numbers below are those of this distribution's catalogue."""

_KEY: Final = re.compile(r"[a-z][a-z_]{2,}")


class Systems(Mapping[str, type[System]]):
    """Every system that rules may enable, by key: own ones first, then those of packages by name.

    Parameters
    ----------
    own
        The systems of this distribution.

    Raises
    ------
    RulesError
        On the first look, when two declare one key; on the look at a key, when what is declared
        cannot be imported or is no system. The message names the package.

    Examples
    --------
    >>> from segmenters.systems import SYSTEMS
    >>> SYSTEMS["rfm"].title.en, "rfn" in SYSTEMS
    ('RFM', False)
    """

    def __init__(self, own: Mapping[str, type[System]]) -> None:
        self._own = own
        self._loaded: dict[str, type[System]] = {}

    @cached_property
    def _declared(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
            key = entry.name
            rival = "rewake itself" if key in self._own else _whose(found.get(key))
            if rival:
                raise RulesError(
                    f"systems.{key}",
                    f"expected one package to declare this system, got {rival} and "
                    f"{_whose(entry)}; uninstall one, or rename its entry point and key",
                )
            found[key] = entry
        return found

    def __getitem__(self, key: str) -> type[System]:
        declared = self._declared
        if key in self._own:
            return self._own[key]
        if key not in self._loaded:
            self._loaded[key] = _load(declared[key])
        return self._loaded[key]

    def __contains__(self, key: object) -> bool:
        return key in self._own or key in self._declared

    def __iter__(self) -> Iterator[str]:
        yield from (*self._own, *self._declared)

    def __len__(self) -> int:
        return len(self._own) + len(self._declared)


def _whose(entry: EntryPoint | None) -> str:
    if entry is None:
        return ""
    package = entry.dist.name if entry.dist is not None else "a package without a name"
    return f"{package} ({entry.name} = {entry.value!r})"


def _load(entry: EntryPoint) -> type[System]:
    path = f"systems.{entry.name}"
    try:
        kind = entry.load()
    except Exception as error:
        raise RulesError(
            path,
            f"expected {_whose(entry)} to be importable, got {type(error).__name__}: {error}; mend "
            "or uninstall the package, or take the table out of the rules",
        ) from error
    wrong = _wrong(entry.name, kind)
    if wrong:
        raise RulesError(path, f"{_whose(entry)}: {wrong}")
    return kind  # type: ignore[no-any-return]


def _wrong(key: str, kind: Any) -> str | None:
    """Say why a declared thing cannot be a system under this key, if so."""
    if not (isinstance(kind, type) and issubclass(kind, System)):
        return f"expected a subclass of segmenters.system.System, got {kind!r}"
    missing = [name for name in ("key", "number", "title", "classify") if not hasattr(kind, name)]
    if missing:
        return f"expected the class to define {', '.join(missing)}"
    needed = [field.name for field in msgspec.structs.fields(kind) if field.required]
    reasons = (
        (
            kind.key != key,
            f"expected the entry point to be named like the key, which is {kind.key!r}",
        ),
        (not _KEY.fullmatch(key), "expected a key of at least three small letters and underscores"),
        (
            kind.number < FIRST_NUMBER,
            f"expected a number from {FIRST_NUMBER} on (it orders judgement), got {kind.number}",
        ),
        (
            bool(needed),
            f"expected a default for each parameter, got none for {', '.join(needed)}",
        ),
    )
    return next((reason for wrong, reason in reasons if wrong), None)
