"""What alerts and dashboard ask for, and what there is to be asked for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from reference.metrics_page import WHERE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
OPS: Final = ROOT / "streams" / "ops"
ALERTS: Final = OPS / "alerts.yml"
ALERTS_TEST: Final = OPS / "alerts_test.yml"
SCRAPED: Final = OPS / "prometheus.yml"
DASHBOARD: Final = OPS / "grafana" / "rewake.json"
RUNBOOKS: Final = ROOT / "docs" / "runbooks"

_CLAUSE: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_WORDS: Final = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring"}
_SUFFIXES: Final = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_sum", "_count"),
    "info": ("_info",),
    "gauge": ("",),
    "stateset": ("",),
}


class Selector(NamedTuple):
    """A metric, and what its labels have to be."""

    metric: str
    matchers: str = ""

    def __str__(self) -> str:
        return self.metric + self.matchers


def selectors(query: str) -> list[Selector]:
    """Return the series a query asks for."""
    bare = re.sub(r"\[[^\]]*\]", "", _CLAUSE.sub("", query))
    found = []
    for match in re.finditer(r"\{[^}]*\}|\b[a-zA-Z_:][a-zA-Z0-9_:]*", bare):
        word, behind = match[0], bare[match.end() :].lstrip()
        if word.startswith("{"):
            found[-1] = found[-1]._replace(matchers=word)
        elif not behind.startswith("(") and word not in _WORDS:
            found.append(Selector(word))
    return found


def catalogue() -> dict[str, str]:
    """Return every series that any process of ours offers, and what it says."""
    offered = {}
    for _, metrics in WHERE.values():
        for family in metrics().registry.collect():
            for suffix in _SUFFIXES[family.type]:
                offered[family.name + suffix] = family.documentation
    return offered


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return list(group["rules"])


def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return read


def charts() -> list[dict[str, Any]]:
    """Return the panels that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """Return panel and query of the dashboard, variables filled in."""
    for panel in charts():
        for target in panel["targets"]:
            filled = target["expr"].replace("$__rate_interval", "20s")
            yield panel["title"], filled.replace("$system", "lifecycle")
