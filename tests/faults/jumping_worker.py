"""Run the real worker on a machine whose wall clock is set, forwards and backwards, by a test.

Responsible for one process whose wall clock is off by as many seconds as the file named by OFFSET
says; SIGRTMIN, which Faust leaves alone, makes it look again and write beside it what it saw. The
steady clock goes on, as it does on a real machine.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

_wall_ns, _wall = time.time_ns, time.time
_offset_s = 0


def _look(*_: object) -> None:
    global _offset_s  # noqa: PLW0603 - there is one wall
    file = Path(os.environ["OFFSET"])
    _offset_s = int(file.read_text(encoding="utf-8"))
    file.with_suffix(".seen").write_text(str(_offset_s), encoding="utf-8")


if __name__ == "__main__":
    _look()
    signal.signal(signal.SIGRTMIN, _look)
    # Before anything of the worker is imported: it may keep the function.
    time.time_ns = lambda: _wall_ns() + _offset_s * 1_000_000_000
    time.time = lambda: _wall() + _offset_s

    from streams.cli import main

    sys.exit(main(["worker"]))
