"""Make structs of the tables of a rules file, and say with its path what is wrong in one.

Responsible for the words: what is allowed, what came, the nearest name, in the terms of TOML. It
must not know any particular table.
"""

from __future__ import annotations

import copy
import difflib
import math
import re
from decimal import Decimal
from typing import Any, Final

import msgspec

from schemas.errors import RulesError

_TOML_WORDS: Final = {
    r", got `[^`]*`$": "",  # what came follows, as it stands in the file
    r" \| null`": "`",
    "`object`": "a table",
    "`array`": "a list",
    "`int`": "a whole number",
    "`float`": "a number",
    "`str`": "a text in quotes",
    "`bool`": "true or false",
    r"^Object missing required field `(\w+)`": r"expected the key \1",
    r"^Invalid decimal string": "expected a decimal",
}


def only(table: Any, allowed: tuple[str, ...], path: str) -> None:
    """Refuse what is no table, and keys that are not allowed in it.

    Raises
    ------
    RulesError
        With the path: that of the table, which stands before each key.
    """
    if not isinstance(table, dict):
        raise RulesError(path.rstrip(".: "), f"expected a table, got {table!r}")
    for key in table:
        if key not in allowed:
            raise RulesError(f"{path}{key}", _no_such(key, allowed))


def _no_such(key: str, allowed: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, allowed, n=1, cutoff=0.5)
    near = near or [name for name in allowed if len(key) > 2 and key in name]
    hint = f"did you mean {near[0]}? " if near else ""
    return f"no such key; {hint}expected one of {', '.join(allowed)}"


def convert(value: Any, kind: type[Any], path: str) -> Any:
    """Make a struct of a table.

    Raises
    ------
    RulesError
        With the path of what is wrong, what is allowed there and what came.

    Examples
    --------
    >>> from schemas.changes import Words
    >>> convert({"zh": "唤醒", "en": "Wake"}, Words, "plays.x").en
    'Wake'
    """
    try:
        made = msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        message, where = _parted(str(error))
        if "[...]" in where:
            where = _pinned(value, kind, where)
        if unknown := re.fullmatch("Object contains unknown field `(.*)`", message):
            key = unknown[1]
            raise RulesError(f"{path}{where}.{key}", _no_such(key, _fields(kind, where))) from None
        name = f"{path}{where}"
        raise RulesError(name, f"{_in_toml(message)}, got {_reach(value, where)!r}") from None
    _only_finite(made, path)
    return made


def _parted(said: str) -> tuple[str, str]:
    """Split what msgspec says into the message and where it is."""
    found = re.fullmatch(r"(.*?) - at `(key in )?\$(.*)`", said, re.DOTALL)
    return (found[1], found[3]) if found else (said, "")


def _pinned(value: Any, kind: type[Any], where: str) -> str:
    """Say of which key of a table msgspec speaks: it says only that it is one of them."""
    before, _, after = where.partition("[...]")
    for key, inner in _reach(value, before).items():
        alone = copy.deepcopy(value)
        if before:
            outer, _, name = before.rpartition(".")
            _reach(alone, outer)[name] = {key: inner}
        else:
            alone = {key: inner}
        try:
            msgspec.convert(alone, kind, strict=True)
        except msgspec.ValidationError:
            return f"{before}.{key}{after}"
    return where


def _in_toml(message: str) -> str:
    """Put what msgspec says of JSON into the words of the file."""
    for pattern, words in _TOML_WORDS.items():
        message = re.sub(pattern, words, message)
    return message[:1].lower() + message[1:]


def _only_finite(made: Any, path: str) -> None:
    """Refuse numbers that are none: nothing compares with them."""
    if isinstance(made, msgspec.Struct):
        made = msgspec.structs.asdict(made)
    if isinstance(made, dict):
        for key, inner in made.items():
            _only_finite(inner, f"{path}.{key}")
    elif isinstance(made, tuple):
        for place, inner in enumerate(made):
            _only_finite(inner, f"{path}[{place}]")
    elif isinstance(made, Decimal | float) and not math.isfinite(made):
        raise RulesError(path, f"expected a number, got {made}")


def _fields(kind: Any, where: str) -> tuple[str, ...]:
    for name in filter(None, where.split(".")):
        kind = next(field.type for field in msgspec.structs.fields(kind) if field.name == name)
        options = [
            part for part in getattr(kind, "__args__", ()) if hasattr(part, "__struct_fields__")
        ]
        kind = options[0] if options else kind
    return tuple(
        msgspec.structs.fields(kind)[k].encode_name
        for k in range(len(msgspec.structs.fields(kind)))
    )


def _reach(value: Any, where: str) -> Any:
    for name in re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", where):
        key, place = name
        try:
            value = value[key] if key else value[int(place)]
        except (KeyError, IndexError, TypeError):
            break
    return value
