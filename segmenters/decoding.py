"""Make structs of the tables of a rules file, and say with its path what is wrong in one.

Responsible for the words: what is allowed, what came, the nearest name, in the terms of TOML. It
must not know any particular table.
"""

from __future__ import annotations

import copy
import difflib
import re
import types
from decimal import Decimal
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec

from schemas.errors import RulesError

_TOML_WORDS: Final = {
    r", got (`[^`]*`|\d+)$": "",  # what came follows, as it stands in the file
    r" \| null`": "`",
    "`object`": "a table",
    "`array`": "a list",
    "`int`": "a whole number",
    "`float`": "a number",
    "`decimal`": "a decimal",
    "`str`": "a text in quotes",
    "`bool`": "true or false",
    r"^Object missing required field `(\w+)`": r"expected the key \1",
    r"^Invalid decimal string": "expected a decimal",
}

_MOST: Final = 10**14
"""No amount in major units is greater: with four decimals it still fits 64 bits."""

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
"""One step of a path within a table: a key, or a place in a list."""


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
            allowed = _kind_at(kind, where).__struct_encode_fields__
            raise RulesError(f"{path}{where}.{key}", _no_such(key, allowed)) from None
        if message.startswith("Invalid enum value"):
            words = ", ".join(f'"{word}"' for word in get_args(_kind_at(kind, where)))
            message = f"expected one of {words}"
        name = f"{path}{where}"
        raise RulesError(name, f"{_in_toml(message)}, got {_reach(value, where)!r}") from None
    _only_countable(made, path)
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


def _only_countable(made: Any, path: str) -> None:
    """Refuse numbers that are none, and those that do not fit 64 bits of any minor unit."""
    if isinstance(made, msgspec.Struct):
        made = msgspec.structs.asdict(made)
    if isinstance(made, dict):
        for key, inner in made.items():
            _only_countable(inner, f"{path}.{key}")
    elif isinstance(made, tuple):
        for place, inner in enumerate(made):
            _only_countable(inner, f"{path}[{place}]")
    elif isinstance(made, Decimal | float | int):
        number = Decimal(made)
        if number.is_finite() and abs(number) <= _MOST:
            return
        raise RulesError(path, f"expected a number up to {_MOST:,}, got {made}")


def _kind_at(kind: Any, where: str) -> Any:
    """Return the type that stands at a place within a type."""
    for name, _ in _STEP.findall(where):
        kind = _bare(kind)
        parts = get_args(kind)
        if get_origin(kind) is dict:
            kind = parts[1]
        elif get_origin(kind) is tuple:
            kind = parts[0]  # all of a list are of one type, as far as names go
        else:
            fields = msgspec.structs.fields(kind)
            kind = next(field.type for field in fields if field.encode_name == name)
    return _bare(kind)


def _bare(kind: Any) -> Any:
    """Return a type without its range, and without the None that stands for leaving it out."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return _bare(next(part for part in get_args(kind) if part is not type(None)))
    return kind


def _reach(value: Any, where: str) -> Any:
    for key, place in _STEP.findall(where):
        try:
            value = value[key] if key else value[int(place)]
        except (KeyError, IndexError, TypeError):
            break
    return value
