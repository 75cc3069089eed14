"""Serve the live page's files and plotly's script out of the installed packages.

Responsible for what is read once, kept compressed, and told apart by a digest. Must not serve
anything that was not there at the start, and no address outside.
"""

from __future__ import annotations

import gzip
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

PLOTLY: Final = "plotly.min.js"
INDEX: Final = "index.html"
_KINDS: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".txt": "text/plain",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
_ANEW: Final = "no-cache"
_LONG: Final = "public, max-age=86400"


class Page(NamedTuple):
    """One file.

    Attributes
    ----------
    body, packed
        As it is, and compressed by gzip; empty where that is no use.
    kind
        Its media type.
    tag
        A strong ETag.
    keep
        The value of ``Cache-Control``.
    """

    body: bytes
    packed: bytes
    kind: str
    tag: str
    keep: str


def load() -> dict[str, Page]:
    """Read all files of the page, by their path below ``/static/``."""
    pages = dict(_below(files("streams.serving") / "static", ""))
    script = files("plotly") / "package_data" / PLOTLY
    pages[PLOTLY] = _page(PLOTLY, script.read_bytes(), _LONG)
    return pages


def _below(folder: Traversable, before: str) -> list[tuple[str, Page]]:
    found = []
    for each in folder.iterdir():
        name = before + each.name
        if each.is_dir():
            found += _below(each, f"{name}/")
        elif _suffix(name) in _KINDS:
            found.append((name, _page(name, each.read_bytes(), _ANEW)))
    return found


def _page(name: str, body: bytes, keep: str) -> Page:
    packed = gzip.compress(body, 6, mtime=0)
    digest = hashlib.sha256(body).hexdigest()[:32]
    if len(packed) > 0.9 * len(body):
        packed = b""
    return Page(body, packed, _KINDS[_suffix(name)], f'"{digest}"', keep)


def _suffix(name: str) -> str:
    return "." + name.rpartition(".")[2]
