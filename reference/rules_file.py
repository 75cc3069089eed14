"""Write `rules/default.toml`: every parameter of every system, with its default, unit and meaning.

Responsible for the shipped rules file. Systems outside the default pack, and tables that are absent
by default, stand in it commented out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from reference.toml import WIDTH, comment, entry, key, value
from segmenters.describe import default_of, meanings, parameters, summary, table_of
from segmenters.rules import DEFAULT_PACK, PLAYS, EngineRules
from segmenters.systems import OWN

if TYPE_CHECKING:
    from segmenters.describe import Parameter
    from segmenters.system import System

_HEAD: Final = """\
# The default pack: what Rewake runs without a rules file. Every parameter stands here with its
# default and its unit; copy the file, change what you need, check it with `rewake validate FILE`
# and set REWAKE_RULES to its path.
# A table [systems.NAME] enables a system; leave a table out and the system is off.
# Generated from the code by scripts/reference; docs/reference says more of every system.
"""
_PLAYS_HEAD: Final = (
    'change → suggested strategy, carried in the change message: "system:segment" or '
    '"system:from>to"; yours are added to these and replace them'
)
_NOTE_COLUMN: Final = 32


def write() -> str:
    """Return the text of the file."""
    parts = [_HEAD, *_engine()]
    for system in sorted(OWN.values(), key=_order):
        parts += _system(system)
    parts += ["", *comment(_PLAYS_HEAD), "[plays]"]
    for name, words in PLAYS.items():
        parts.append(f"{key(name)} = {value(words)}")
    return "\n".join(parts) + "\n"


def _order(system: type[System]) -> tuple[bool, int]:
    return system.key not in DEFAULT_PACK, system.number


def _engine() -> list[str]:
    return ["# What holds for all systems", *_table(EngineRules, "engine")]


def _system(system: type[System]) -> list[str]:
    title = f"{system.number} · {system.title.zh} / {system.title.en}: {summary(system)}"
    lines = [*comment(title), *_table(system, f"systems.{system.key}")]
    if system.key in DEFAULT_PACK:
        return ["", *lines]
    lines = [line if line.startswith("#") else f"# {line}".rstrip() for line in lines]
    return ["", *comment("Not in the default pack; remove the # to enable it."), *lines]


def _table(kind: type[msgspec.Struct], path: str) -> list[str]:
    """Write a table: its own keys first, tables within it after them."""
    described = {each.name: each for each in parameters(kind)}
    texts = meanings(kind)
    lines, tables, said = [f"[{path}]"], [], ""
    for field in msgspec.structs.fields(kind):
        name, default, text = field.encode_name, default_of(field), texts.get(field.name, "")
        inner = table_of(field.type)
        if inner is not None and (default is None or meanings(inner)):
            mark = "# " if default is None else ""
            tables += [*comment(text), *(mark + line for line in _table(inner, f"{path}.{name}"))]
            continue
        if isinstance(default, dict):
            tables += [*comment(text), *_mapping(field, path, _note(described[name]))]
            continue
        if text != said:
            lines += comment(text)
            said = text
        note = _units(described, name) if inner is not None else _note(described[name])
        lines += _line(name, default, note)
    return lines + tables


def _line(name: str, default: Any, note: str) -> list[str]:
    if default is None:
        return [f"# {key(name)} = …".ljust(_NOTE_COLUMN) + f"{note}; left out by default"]
    lines = entry(name, default)
    if len(lines) > 1 or len(lines[0]) + len(note) > WIDTH:
        return lines
    return [(lines[0].ljust(_NOTE_COLUMN) + note).rstrip()]


def _mapping(field: msgspec.structs.FieldInfo, path: str, note: str) -> list[str]:
    lines = [f"[{path}.{field.encode_name}]{note}"]
    lines += [f"{key(each)} = {value(what)}" for each, what in default_of(field).items()]
    for meta in getattr(field.type, "__metadata__", ()):
        for example in meta.examples or ():
            lines += [f"# {key(each)} = {value(what)}" for each, what in example.items()]
    return lines


def _note(parameter: Parameter) -> str:
    said = ", ".join(filter(None, (parameter.unit, parameter.range)))
    return f"  # {said}" if said else ""


def _units(described: dict[str, Parameter], table: str) -> str:
    """Say what the numbers of a table on one line count."""
    within = [each for name, each in described.items() if name.startswith(f"{table}.")]
    units = sorted({each.unit for each in within if each.unit})
    return f"  # {', '.join(units)}" if units else ""
