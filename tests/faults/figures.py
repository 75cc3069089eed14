"""Keep the figures of the fault tests: what was tried, what came of it, how long it took.

Responsible for one JSON line per fault in the file that REWAKE_FIGURES names; without it nothing is
kept. It must not judge: a test that finds a loss fails by itself. As a program it turns kept lines
into the table of docs/reliability.md: ``python -m tests.faults.figures < figures.jsonl``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

# Read when the tests are collected: they themselves run without any REWAKE_ variable.
_FILE = os.environ.get("REWAKE_FIGURES")


def note(
    fault: str,
    *,
    tried: int,
    lost: int = 0,
    doubled: int = 0,
    wrong: int = 0,
    recovery_s: float | None = None,
    **more: Any,
) -> None:
    """Print the figures of one fault, and keep them where that is asked for.

    Parameters
    ----------
    fault
        In words.
    tried
        How often it was made to happen.
    lost, doubled, wrong
        Changes missing, told twice, and other than the oracle's.
    recovery_s
        The longest time from a fault's end until all was caught up.
    **more
        Anything else worth knowing, by name.
    """
    line = {
        "fault": fault, "tried": tried, "lost": lost, "doubled": doubled, "wrong": wrong,
        "recovery_s": None if recovery_s is None else round(recovery_s, 1), **more,
    }  # fmt: skip
    text = json.dumps(line, ensure_ascii=False)
    print(text)  # noqa: T201 - shown when the test fails, and with -s
    if _FILE:
        with Path(_FILE).open("a", encoding="utf-8") as file:
            file.write(text + "\n")


_COLUMNS = ("fault", "tried", "lost", "doubled", "wrong", "recovery_s")


def table(lines: Iterable[str]) -> str:
    """Write figures that were kept as a table for docs/reliability.md, the last of each fault."""
    figures = {line["fault"]: line for line in map(json.loads, lines)}
    rows = ["| fault | times | lost | doubled | wrong | recovered within | besides |"]
    rows.append("|---|---|---|---|---|---|---|")
    for line in figures.values():
        *counts, recovery = [line[name] for name in _COLUMNS]
        besides = ", ".join(
            f"{name.replace('_', ' ')} {value}"
            for name, value in line.items()
            if name not in _COLUMNS and not isinstance(value, (list, dict))
        )
        within = "–" if recovery is None else f"{recovery} s"
        rows.append("| " + " | ".join([*map(str, counts), within, besides]) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table(sys.stdin))  # noqa: T201 - what it is asked for
