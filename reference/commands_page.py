"""Write `docs/reference/commands.md`: every command, from its own help."""

from __future__ import annotations

import inspect
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

import typer

from reference.pages import marked, table, wrapped
from streams.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD: Final = """\
# The commands

Generated from the code by `scripts/reference`; `rewake COMMAND --help` prints the same. All take
their [settings](settings.md) from the environment. Exit codes: 0 ok; 1 failed, or a check that does
not hold; 2 called or configured wrongly. Answers go to standard output, everything said besides to
standard error.
"""
_KINDS: Final = {int: "whole number", float: "number", Path: "path"}


def write() -> str:
    """Return the text of the page."""
    parts = [_HEAD, "## rewake", "", *_parameters(typer.main.get_command(app))]
    for path, command in commands():
        parts += ["", f"## rewake {path}", "", *_command(path, command)]
    return "\n".join(parts) + "\n"


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with the words that call it; a group's come after each other."""
    yield from _within(typer.main.get_command(app), "")


def _within(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in sorted(group.commands.items()):
        words = f"{path} {name}".strip()
        if hasattr(command, "commands"):
            yield from _within(command, words)
        else:
            yield words, command


def _command(path: str, command: Any) -> list[str]:
    context = command.context_class(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = ["```", f"rewake {path} {usage}", "```", ""]
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        lines += [*wrapped(paragraph), ""]
    return [*lines, *_parameters(command)]


def _parameters(command: Any) -> list[str]:
    rows = []
    for each in command.params:
        if each.name == "help" or getattr(each, "hidden", False):
            continue
        named = ", ".join(each.opts) if each.param_type_name == "option" else _name(each)
        default = _default(each)
        rows.append((f"`{named}`", _kind(each), default, marked(getattr(each, "help", "") or "")))
    headers = ("argument or option", "value", "default", "meaning")
    return table(headers, rows) if rows else ["It takes no options."]


def _name(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _kind(parameter: Any) -> str:
    """Say what stands behind an option: what it is called, or of which kind it is."""
    if getattr(parameter, "is_flag", False):
        return "–"
    kind = parameter.type_descriptor.annotation
    inner = [each for each in get_args(kind) if each is not type(None)]
    several = get_origin(kind) is list
    if inner:
        kind = inner[0]
        several, kind = (True, get_args(kind)[0]) if get_origin(kind) is list else (several, kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        said = ", ".join(f"`{each.value}`" for each in kind)
    else:
        said = parameter.metavar or _KINDS.get(kind, "text")
    return f"{said}, repeatable" if several else said


def _default(parameter: Any) -> str:
    value = getattr(parameter.default, "value", parameter.default)
    if parameter.required:
        return "required"
    if value in (None, "", (), []) or isinstance(value, bool) or callable(value):
        return "–"
    return f"`{value}`"
