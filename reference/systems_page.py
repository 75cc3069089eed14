"""Write `docs/reference/systems.md`: what each system of this distribution is, from its class.

Responsible for the page. A system that is added appears by itself.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, Final

from reference.pages import table
from reference.toml import value
from segmenters.describe import parameters, summary
from segmenters.rules import DEFAULT_PACK, PLAYS
from segmenters.systems import OWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from segmenters.describe import Parameter
    from segmenters.system import System

_HEAD: Final = """\
# The systems

Generated from the code by `scripts/reference`. A table `[systems.KEY]` in the rules file enables a
system; its keys are the parameters below. Every system is exclusive and total: at any instant a
customer has exactly one segment of it. How the rules file is built is in [rules.md](rules.md); how
a system is added in [CONTRIBUTING.md](../../CONTRIBUTING.md).
"""
_EXAMPLE: Final = re.compile(r"^Examples\n-+\n(.*)", re.MULTILINE | re.DOTALL)


def write() -> str:
    """Return the text of the page."""
    systems = sorted(OWN.values(), key=lambda system: system.number)
    parts = [_HEAD, *_contents(systems)]
    for system in systems:
        parts += ["", *_section(system)]
    return "\n".join(parts) + "\n"


def parameter_table(found: Iterable[Parameter]) -> list[str]:
    """Write parameters as a table."""
    rows = (
        (f"`{each.name}`", each.type, each.range, _default(each), each.unit, _marked(each.text))
        for each in found
    )
    return table(("parameter", "type", "range", "default", "unit", "meaning"), rows)


def _marked(text: str) -> str:
    """Turn the marks of a docstring into those of Markdown."""
    return text.replace("``", "`")


def _default(parameter: Parameter) -> str:
    if parameter.default is None:
        return "–"
    written = f"`{value(parameter.default)}`"
    return f"– ({written} where the table stands)" if parameter.optional else written


def _contents(systems: Sequence[type[System]]) -> list[str]:
    rows = []
    for system in systems:
        pack = "yes" if system.key in DEFAULT_PACK else ""
        link = f"[{system.key}](#{_anchor(system)})"
        segments = ", ".join(system().segments)
        rows.append((str(system.number), link, system.title.zh, system.title.en, segments, pack))
    return table(("#", "system", "中文", "English", "segments", "default pack"), rows)


def _heading(system: type[System]) -> str:
    return f"{system.number} {system.key}: {system.title.zh} / {system.title.en}"


def _anchor(system: type[System]) -> str:
    """Return the name a heading gets where Markdown is shown."""
    kept = re.sub(r"[^\w\- ]", "", _heading(system).lower())
    return kept.replace(" ", "-")


def _section(kind: type[System]) -> list[str]:
    system = kind()
    lines = [f"## {_heading(kind)}", "", _marked(summary(kind)), ""]
    rows = [
        (f"`{segment}`", *system.labels[segment], _play(f"{kind.key}:{segment}"))
        for segment in system.segments
    ]
    lines += table(("segment", "中文", "English", "suggested"), rows)
    moves = [name for name in PLAYS if name.startswith(f"{kind.key}:") and not _plain(name)]
    lines += [f"\n`{name}`: {_play(name)}" for name in moves]
    lines += ["", *_reads(system), ""]
    found = parameters(kind)
    lines += parameter_table(found) if found else ["It has no parameters."]
    example = _EXAMPLE.search(inspect.cleandoc(kind.__doc__ or ""))
    if example:
        lines += ["", "```pycon", example[1].strip(), "```"]
    return lines


def _plain(name: str) -> bool:
    return bool(re.fullmatch(r"\w+:\w+", name))


def _play(name: str) -> str:
    words = PLAYS.get(name)
    return f"{words.zh} / {words.en}" if words else ""


def _reads(system: System) -> list[str]:
    """Say what a system looks at and keeps, with its default parameters."""

    def listed(what: Iterable[Any]) -> str:
        return ", ".join(f"`{each}`" for each in what)

    windows = ", ".join(f"{window} days" for window in system.windows)
    said = {
        "Windows": windows,
        "Needs": listed(system.needs),
        "Measures beyond orders, days and engagement": listed(system.measures),
        "Keeps of its own": listed(field[0] for field in system.state),
    }
    return [f"- {name}: {what or 'none'}" for name, what in said.items()]
