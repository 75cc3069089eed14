"""What the tests of the demo share: the command, and who has to do with a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import psutil

REWAKE: Final = Path(sys.executable).with_name("rewake")


def processes_of(folder: Path) -> list[str]:
    """List every process that has to do with a folder: by its command, folder or files."""
    found = []
    for process in psutil.process_iter():
        try:
            traces = [*process.cmdline(), process.cwd()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if any(str(folder) in trace for trace in traces):
            found.append(f"{process.pid} {' '.join(traces)}")
    return found
