"""Start, recognise and end server processes of our own.

Responsible for detaching a process and for never signalling a foreign one. Must not know what the
process serves. Every wait in here is bounded.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psutil

from schemas.errors import RewakeError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Start times are counted in ticks since boot, and the boot time itself is adjusted by the clock's
# keeper: the same process may differ by a second. A reused pid differs by far more.
_START_TOLERANCE_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.02
_KILL_SECONDS: Final = 10.0

# The shell ends at once, so the server belongs to nobody: no zombie of ours, no terminal, no
# signal from a Ctrl-C, and it outlives the command that started it.
_LAUNCH: Final = 'log=$1; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!'


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process it is: a pid alone is given to somebody else sooner or later.

    Attributes
    ----------
    pid
        Process id.
    started
        Start of the process, seconds since the epoch.
    """

    pid: int
    started: float

    def is_running(self) -> bool:
        """Say whether this very process still runs; a zombie has ended."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            apart: float = abs(process.create_time() - self.started)
        except psutil.NoSuchProcess:
            return False
        return apart < _START_TOLERANCE_SECONDS

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless this very process has ended."""
        if self.is_running():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return  # it ended by itself in between, which is what a signal is sent for

    def wait(self, seconds: float) -> bool:
        """Wait for the end; False when it still runs after so many seconds."""
        bound = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() > bound:
                return False
            time.sleep(_POLL_SECONDS)
        return True


def launch(command: Sequence[str | Path], directory: Path, log: Path) -> Identity:
    """Start a detached process: its own session, no inherited descriptors, output into a log.

    Raises
    ------
    RewakeError
        When the process cannot be started, or ends at once.
    """
    shell = subprocess.run(
        ["/bin/sh", "-c", _LAUNCH, "rewake", str(log), *map(str, command)],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=_KILL_SECONDS,
        check=False,
    )
    try:
        pid = int(shell.stdout)
        return Identity(pid, psutil.Process(pid).create_time())
    except (ValueError, psutil.NoSuchProcess) as error:
        message = f"expected {command[0]} to start, it ended at once: {shell.stderr}{tail(log)}"
        raise RewakeError(message) from error


def end(identity: Identity, patience_seconds: float) -> None:
    """End a process: ask it, wait, then `kill` it."""
    identity.send(signal.SIGTERM)
    if not identity.wait(patience_seconds):
        kill(identity)


def kill(identity: Identity) -> None:
    """Kill a process and wait until it is gone.

    Raises
    ------
    RewakeError
        When it is still there after a generous while.
    """
    identity.send(signal.SIGKILL)
    if not identity.wait(_KILL_SECONDS):
        message = (
            f"expected process {identity.pid} to end {_KILL_SECONDS:.0f} s after SIGKILL; it "
            "hangs in the kernel (disk?): look at it and end it by hand"
        )
        raise RewakeError(message)


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, indented, for an error message."""
    if not log.is_file():
        return f"\n  (no log at {log})"
    text = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    return "".join(f"\n  {line}" for line in text) or "\n  (its log is empty)"
