"""Describe the parameters of the rules: what each is called, may be, means and counts in.

Responsible for reading that off the classes: types and ranges from msgspec, meaning from the
docstring's section ``Parameters``, so that nothing is written down twice. It must not know pages or
files.
"""

from __future__ import annotations

import inspect
import re
import types
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

UNITS: Final = {
    "days": "days of 24 h",
    "pct": "%",
    "quantile": "%",
    "orders": "orders",
    "frequency": "orders",
    "gaps": "gaps between orders",
    "engagements": "engagements",
    "events": "engagements",
    "ratio": "share",
    "margin": "share",
    "margins": "share",
}
"""What a number counts, by the last word of its name; ``Meta(extra={"unit": …})`` goes before."""

MONEY: Final = "base currency, major units"
"""What a decimal counts whose name says nothing else."""

_WORDS: Final = {int: "whole number", str: "text", bool: "true or false", Decimal: "decimal"}


class Parameter(NamedTuple):
    """One parameter, as a person needs it.

    Attributes
    ----------
    name
        As it stands in the file; that of a table within a table is ``table.name``.
    type, range
        What it may be, in words; the range is empty where the type says all.
    default
        As Python has it; None where leaving it out means something of its own.
    unit
        What it counts; empty where it counts nothing.
    text
        What it means.
    optional
        True for the parameters of a table that is absent by default.
    """

    name: str
    type: str
    range: str
    default: Any
    unit: str
    text: str
    optional: bool = False


def parameters(kind: type[msgspec.Struct], prefix: str = "") -> list[Parameter]:
    """Return the parameters of a system, of a table within one, or of the engine, in their order.

    Examples
    --------
    >>> from segmenters.systems import MonetaryTier
    >>> for each in parameters(MonetaryTier)[-3:]:
    ...     print(each.name, "|", each.type, "|", each.unit, "|", each.default)
    thresholds.large | decimal | base currency, major units | 10000
    thresholds.medium | decimal | base currency, major units | 1000
    down_ratio | decimal | share | 0.9
    """
    texts = meanings(kind)
    found: list[Parameter] = []
    for field in msgspec.structs.fields(kind):
        name = f"{prefix}{field.encode_name}"
        text = texts.get(field.name, "")
        inner = table_of(field.type)
        default = default_of(field)
        if inner is not None:
            nested = parameters(inner, f"{name}.")
            found += [
                each._replace(text=each.text or text, optional=default is None) for each in nested
            ]
            continue
        words, bounds = _read(field.type)
        unit = _unit(field.name, field.type)
        found.append(Parameter(name, words, bounds, default, unit, text))
    return found


def meanings(kind: type) -> dict[str, str]:
    """Return what the docstring's section ``Parameters`` says, by name, as one line each.

    What a class inherits stands in the docstring of the class that declares it.

    Examples
    --------
    >>> from segmenters.systems import Rfm
    >>> meanings(Rfm)["recency_days"]
    'The last order is younger than these for the scores 5, 4, 3, 2; else 1.'
    """
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        found |= section(vars(each).get("__doc__") or "", "Parameters")
    return found


def section(text: str, title: str) -> dict[str, str]:
    """Return what a section of a docstring says, by name, as one line each."""
    pattern = rf"^{title}\n-+\n(.*?)(?=^\S[^\n]*\n-{{3,}}$|\Z)"
    said = re.search(pattern, inspect.cleandoc(text) + "\n", re.MULTILINE | re.DOTALL)
    found: dict[str, str] = {}
    names: list[str] = []
    for line in (said[1] if said else "").splitlines():
        if line and not line[0].isspace():
            names = [name.strip() for name in line.partition(":")[0].split(",")]
            found |= dict.fromkeys(names, "")
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return found


def summary(kind: type) -> str:
    """Return the first line of a docstring."""
    return inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    """Return what a parameter is when it is left out."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None if field.default is msgspec.NODEFAULT else field.default


def table_of(kind: Any) -> type[msgspec.Struct] | None:
    """Return the struct that a parameter is, or may be; None where it is no table."""
    for part in (kind, *(get_args(kind) if _is_union(kind) else ())):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part
    return None


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def _unit(name: str, kind: Any) -> str:
    for meta in _metas(kind):
        if meta.extra and "unit" in meta.extra:
            return str(meta.extra["unit"])
    if not _numbers(kind):
        return ""
    known = UNITS.get(name.rpartition("_")[2])
    return known or (MONEY if Decimal in _numbers(kind) else "")


def _metas(kind: Any) -> list[msgspec.Meta]:
    found = [part for part in getattr(kind, "__metadata__", ()) if isinstance(part, msgspec.Meta)]
    for part in get_args(kind):
        found += _metas(part)
    return found


def _numbers(kind: Any) -> set[Any]:
    if kind in (int, float, Decimal):
        return {kind}
    return {number for part in get_args(kind) for number in _numbers(part)}


def _read(kind: Any) -> tuple[str, str]:
    """Return a type and its range in words."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        words, bounds = _read(parts[0])
        return words, "; ".join(filter(None, (bounds, *map(_bounds, kind.__metadata__))))
    if origin is Literal:
        return "one of", ", ".join(f'"{part}"' for part in parts)
    if _is_union(kind):
        return _read(next(part for part in parts if part is not type(None)))
    if origin in (dict, tuple):
        return _read_many(origin, parts)
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind))), ""


def _read_many(origin: Any, parts: tuple[Any, ...]) -> tuple[str, str]:
    if origin is dict:
        words, bounds = _read(parts[1])
        return f"table of {words if words[0].isdigit() else words + 's'}", bounds
    words, bounds = _read(parts[0])
    if parts[-1] is ...:
        return f"list of {words}s", bounds
    ranges = [_read(part)[1] for part in parts]
    alike = f"each {bounds}" if bounds else ""
    return f"{len(parts)} {words}s", alike if len(set(ranges)) == 1 else "; ".join(ranges)


def _bounds(meta: Any) -> str:
    least = meta.ge if meta.ge is not None else meta.gt
    most = meta.le if meta.le is not None else meta.lt
    if least is not None and most is not None:
        return f"{least} … {most}"
    if least is not None:
        return f"above {least}" if meta.ge is None else f"{least} or more"
    if most is not None:
        return f"below {most}" if meta.le is None else f"at most {most}"
    return str(meta.description or meta.pattern or "")
