"""Hold what the demo runs on: its folder, its servers, its child processes.

Responsible for starting clean, also after a demo that was killed, and for leaving no process
behind. Signals only processes it started. Must not know what is shown.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

import psutil

from schemas.errors import RewakeError, UsageError
from streams.local import LocalServers
from streams.local.processes import Identity, end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

    from streams.local import Endpoints

WORKER_PATIENCE_SECONDS: Final = 35.0
"""A worker told to stop has gone after 30 s."""

_LOCK: Final = "demo.lock"
_CHILDREN: Final = "children.json"
_WRONG: Final = re.compile(r"\[(error|critical) *\]|^rewake: |^\w*Error: ")
_WORDS: Final = 8
_LONGEST: Final = 400
_AGAIN_SECONDS: Final = 0.05


class Terminated(SystemExit):
    """Says that the process was told to end.

    No `except` should take it, and an event loop lets none but SystemExit and KeyboardInterrupt
    out of what it calls: any other would be logged, and the demo go on to its end.
    """


class Child:
    """A process of ours, its output in a log.

    Parameters
    ----------
    command, environ
        What to run, with which variables besides ours.
    folder
        Working folder; the log lies there too.
    name
        What it is called in messages; the log is ``<name>.log``.
    """

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], folder: Path, name: str
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **environ},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Out of the terminal's reach: a Ctrl-C is for us, we then end it in order.
                start_new_session=True,
            )
        pid = self._process.pid
        try:
            self.identity = Identity(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:  # pragma: no cover - a child is there until waited for
            self.identity = Identity(pid, 0.0)

    def check(self) -> None:
        """Raise when the process has ended.

        Raises
        ------
        RewakeError
            With the last lines it said.
        """
        code = self._process.poll()
        if code is not None:
            raise RewakeError(
                f"expected the {self.name} to run, it ended with code {code}; {self.last_words()}"
            )

    def last_words(self) -> str:
        """Return what its log says of what went wrong, cut to a readable length."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        wrong = [line for line in lines if _WRONG.search(line)] or lines[-_WORDS:]
        said = "".join(f"\n  {line[:_LONGEST]}" for line in wrong[-_WORDS:])
        return f"its log, {self.log}, says:{said or ' nothing'}"

    def wait(self) -> int:
        """Wait for the end by itself and return the exit code."""
        return self._process.wait()

    def stop(self, patience_seconds: float = WORKER_PATIENCE_SECONDS) -> int:
        """End the process, by force if it takes too long, and return its exit code."""
        if self._process.poll() is None:
            end(self.identity, patience_seconds)
        return self._process.wait()


class Stage:
    """The demo's folder with its servers and processes; use it as a context.

    Parameters
    ----------
    folder
        Made when missing. Nothing else may lie in it.
    say
        Told in words what takes long.
    keep
        Leave the servers running at the end.
    """

    def __init__(self, folder: Path, say: Callable[[str], None], *, keep: bool = False) -> None:
        self.folder = folder.resolve()
        self.servers = LocalServers(self.folder / "servers", say)
        self._say = say
        self._keep = keep
        self._children: list[Child] = []
        self._lock: IO[str] | None = None
        self._done = False

    def __enter__(self) -> Stage:
        """Take the folder, end what a killed demo left running, and forget its data.

        Raises
        ------
        UsageError
            When the folder is somebody else's, or another demo runs in it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self.folder / _LOCK
        if not lock.exists() and any(self.folder.iterdir()):
            message = (
                f"--dir: expected an empty folder or that of an earlier demo, got {self.folder}"
            )
            raise UsageError(message)
        self._lock = lock.open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            message = f"expected no other demo in {self.folder}, one runs; end it or take a --dir"
            raise UsageError(message) from error
        self._clear()
        return self

    def __exit__(self, *_: object) -> None:
        """End all that was started; bounded, and not to be interrupted half-way."""
        keeps = self._keep and self._done
        with _undisturbed():
            if self._children:
                self._say("stopping the worker …" if keeps else "stopping worker and servers …")
            for child in reversed(self._children):
                child.stop()
            self._write_children()
            if not keeps:
                self.servers.down()
            if self._lock is not None:
                self._lock.close()

    def up(self) -> Endpoints:
        """Start both servers; see `LocalServers.up`."""
        return self.servers.up()

    def start(self, command: Sequence[str], environ: Mapping[str, str], name: str) -> Child:
        """Start a process that ends with the stage at the latest."""
        child = Child(command, environ, self.folder, name)
        self._children.append(child)
        self._write_children()
        return child

    def succeeded(self) -> None:
        """Note that all went well: only then are servers kept that are to be kept."""
        self._done = True

    def _clear(self) -> None:
        """Undo what an earlier demo left: processes first, then data; ports and jars stay."""
        children = self.folder / _CHILDREN
        if children.is_file():
            for entry in json.loads(children.read_text(encoding="ascii")):
                end(Identity(**entry), WORKER_PATIENCE_SECONDS)
            children.unlink()
        self.servers.down()
        for name in ("kafka", "redis"):
            shutil.rmtree(self.folder / "servers" / name, ignore_errors=True)

    def _write_children(self) -> None:
        running = [child.identity for child in self._children if child.identity.is_running()]
        entries = [{"pid": each.pid, "started": each.started} for each in running]
        (self.folder / _CHILDREN).write_text(json.dumps(entries), encoding="ascii")


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Turn SIGTERM and a closed terminal into an exception, so that everything is taken down.

    Python lets no exception out of a finalizer, in the midst of which a signal may come as well as
    anywhere else. So what was lost there, Ctrl-C too, is sent once more a moment later.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Terminated(signal.Signals(number).name)

    def send_again(lost: sys.UnraisableHookArgs) -> None:
        match lost.exc_value:
            case Terminated() as told:
                number = signal.Signals[str(told.code)]
            case KeyboardInterrupt():
                number = signal.SIGINT
            case _:
                hook_before(lost)
                return
        threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), number)).start()

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, stop) for number in numbers]
    hook_before, sys.unraisablehook = sys.unraisablehook, send_again
    try:
        yield
    finally:
        sys.unraisablehook = hook_before
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Take no signals: what is done here is bounded, and half of it would leave processes."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
