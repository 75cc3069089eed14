"""Read what several pages need from the code: docstrings of attributes, tables, sentences.

Responsible for reading and form. Must not know any page.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ATTRIBUTES = re.compile(
    r"^Attributes\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", re.MULTILINE | re.DOTALL
)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a table of Markdown."""
    lines = [headers, ["---"] * len(headers), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def marked(text: str) -> str:
    """Turn the marks of a docstring into those of Markdown, on one line."""
    return " ".join(text.replace("``", "`").split())


def wrapped(text: str, width: int = 120) -> list[str]:
    """Break a paragraph into lines."""
    return textwrap.wrap(marked(text), width, break_long_words=False, break_on_hyphens=False)


def attributes(kind: type) -> dict[str, str]:
    """Return what the docstring's section ``Attributes`` says, by name, as one line each."""
    section = _ATTRIBUTES.search(inspect.cleandoc(kind.__doc__ or "") + "\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in (section[1] if section else "").splitlines():
        if line and not line[0].isspace():
            names = [name.strip() for name in line.partition(":")[0].split(",")]
            found |= dict.fromkeys(names, "")
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return found


def documented(where: Any) -> dict[str, str]:
    """Return the strings that stand below assignments of a module or class, by name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(where)))
    body = tree.body[0].body if inspect.isclass(where) else tree.body  # type: ignore[attr-defined]
    found: dict[str, str] = {}
    for before, after in pairwise(body):
        target = getattr(before, "target", None) or getattr(before, "targets", [None])[0]
        text = after.value if isinstance(after, ast.Expr) else None
        if isinstance(target, ast.Name) and isinstance(text, ast.Constant):
            found[target.id] = marked(str(text.value))
    return found
