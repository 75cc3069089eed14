"""The page for operators names every metric there is, and no other."""

from __future__ import annotations

import re

from tests.ops.queries import ROOT, catalogue

PAGE = (ROOT / "docs" / "how-to" / "operate.md").read_text(encoding="utf-8")
_LIKE = re.compile(r"`((?:rewake|kafka|process)_[a-z_]+)`")


def test_every_metric_has_a_line_and_every_line_a_metric() -> None:
    offered = {re.sub(r"_(bucket|sum|count)$", "", name) for name in catalogue()}
    listed = set()
    for line in PAGE.splitlines():
        if line.startswith("| `"):
            listed |= set(_LIKE.findall(line.split("|")[1]))
    assert listed == offered
