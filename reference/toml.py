"""Write values as TOML has them, and comments that fit the line.

Responsible for form only. Must not know rules.
"""

from __future__ import annotations

import json
import textwrap
from decimal import Decimal
from typing import Any, Final

import msgspec

WIDTH: Final = 100


def value(what: Any) -> str:
    """Write one value on one line.

    Examples
    --------
    >>> value({"large": Decimal(10_000), "days": (14, 365), "map": "A", "on": True})
    '{ large = 10000, days = [14, 365], map = "A", on = true }'
    """
    if isinstance(what, msgspec.Struct):
        what = msgspec.structs.asdict(what)
    if isinstance(what, dict):
        entries = ", ".join(f"{key(name)} = {value(inner)}" for name, inner in what.items())
        return f"{{ {entries} }}" if entries else "{}"
    if isinstance(what, (list, tuple)):
        return f"[{', '.join(map(value, what))}]"
    if isinstance(what, Decimal):
        return f"{what:f}"
    return json.dumps(what, ensure_ascii=False)


def key(name: str) -> str:
    """Write a key, quoted where TOML asks for it.

    Examples
    --------
    >>> key("down_ratio"), key("lifecycle:silent")
    ('down_ratio', '"lifecycle:silent"')
    """
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else json.dumps(name, ensure_ascii=False)


def entry(name: str, what: Any) -> list[str]:
    """Write a key and its value, a long list over several lines."""
    line = f"{key(name)} = {value(what)}"
    if len(line) <= WIDTH or not isinstance(what, (list, tuple)):
        return [line]
    items = textwrap.wrap(", ".join(map(value, what)) + ",", WIDTH - 4)
    return [f"{key(name)} = [", *(f"    {item}" for item in items), "]"]


def comment(text: str) -> list[str]:
    """Write a text, which may have the marks of a docstring, as comment lines."""
    return [f"# {line}" for line in textwrap.wrap(text.replace("``", ""), WIDTH - 2)]
