"""Keep the figures of the fault tests: what was tried, what came of it, how long it took.

Responsible for one JSON line per fault in the file that REWAKE_FIGURES names; without it nothing is
kept. It must not judge: a test that finds a loss fails by itself.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

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
