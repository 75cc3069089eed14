"""Read what several pages need from the code: docstrings of attributes, tables, sentences.

Responsible for reading and form. Must not know any page.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from segmenters.describe import section

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


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
    return section(kind.__doc__ or "", "Attributes")


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
