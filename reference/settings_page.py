"""Write `docs/reference/settings.md`: every setting of the operator, from the class `Settings`."""

from __future__ import annotations

import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le

from reference.pages import attributes, marked, table
from streams.masking import is_secret
from streams.setting_values import parse_duration
from streams.settings import Settings, load_settings, shown

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_HEAD: Final = """\
# The settings

Generated from the code by `scripts/reference`. What decides a customer's segment is in the
[rules](rules.md); here is what the operator decides. A setting is read from, first to last: the
variable of the environment; the file that the variable with `_FILE` behind it names; `.env` in the
working folder; a file of the variable's name in lower case below the folder `REWAKE_SECRETS_DIR`.

A *span* is a number with its unit: `250ms`, `2s`, `5m`, `1h`, `2d`. A *secret* is masked wherever
it is shown; give it as a file. `rewake settings` prints what is in force, and names variables that
nothing reads.
"""

BESIDE: Final = {
    "REWAKE_SECRETS_DIR": "Folder with a file for each setting that is to be read from one.",
    "REWAKE_CACHE_DIR": "Folder in which compiled rules are kept; the user's cache folder if "
    "absent. Shared by all workers of a machine, it spares each the first minute.",
}
"""Variables that are no settings."""


def write() -> str:
    """Return the text of the page."""
    defaults, texts = shown(load_settings(None)), attributes(Settings)
    rows = [
        (
            f"`REWAKE_{name.upper()}`",
            f"`{default}`" if default else "–",
            _kind(field) + (", secret" if is_secret(field) else ""),
            marked(texts.get(name, "")),
        )
        for (name, field), default in zip(
            Settings.model_fields.items(), defaults.values(), strict=True
        )
    ]
    parts = [_HEAD, *table(("setting", "default", "what it is", "meaning"), rows)]
    parts += ["", "Read besides, from the environment only:", ""]
    parts += table(("variable", "meaning"), ((f"`{name}`", text) for name, text in BESIDE.items()))
    return "\n".join(parts) + "\n"


def _kind(field: FieldInfo) -> str:
    kind, bounds = field.annotation, _bounds(field)
    if any(getattr(each, "func", None) is parse_duration for each in field.metadata):
        return "span" + bounds(_span)
    return _named(kind) + bounds(str)


def _named(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{each}`" for each in get_args(kind) if each)
    if get_origin(kind) in (Union, types.UnionType):
        inner = [each for each in get_args(kind) if each is not type(None)]
        return _named(inner[0])
    return {int: "whole number", Path: "path"}.get(kind, "text")


def _bounds(field: FieldInfo) -> Any:
    def say(form: Any) -> str:
        least = [f"at least {form(each.ge)}" for each in field.metadata if isinstance(each, Ge)]
        most = [f"at most {form(each.le)}" for each in field.metadata if isinstance(each, Le)]
        return "".join(f", {each}" for each in (*least, *most))

    return say


def _span(milliseconds: int) -> str:
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"
