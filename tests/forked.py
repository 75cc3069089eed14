"""Start the product as a fork of a process that has imported it: most of what a start costs.

Responsible for a process that is used like one of `subprocess`; each is a fork of the fork server
of `multiprocessing`, which has imported the product and holds the default rules' kernel, and
nothing of the tests' own process. Who wants to see a start as it is starts a process instead.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import threading
import time
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence

_POLL_S = 0.02
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.preloaded"])


class Forked:
    """A process, as far as tests use `subprocess.Popen`.

    Parameters
    ----------
    command
        ``[python, "-m", module, ...]``, ``[python, "-c", text, ...]``, or ``["rewake", ...]``.
    cwd, env
        Its directory and its whole environment. ``NUMBA_DISABLE_JIT=1``, which numba would read at
        its start, makes of the kernel plain Python; other variables of numba come too late.
    out, err
        Files that get what it prints; into the first goes all where there is no second.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        cwd: Path,
        env: dict[str, str],
        out: Path,
        err: Path | None = None,
    ) -> None:
        self.args = [str(word) for word in command]
        self._lock = threading.Lock()
        files = (str(out), str(err or out))
        for name in files:
            Path(name).touch()  # it may be read before the process has begun
        self._process = _CONTEXT.Process(target=_be, args=(self.args, str(cwd), env, *files))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, below 0 the signal that ended it; None while it runs."""
        return self.poll()

    def poll(self) -> int | None:
        """Give its exit code, None while it runs."""
        with self._lock:  # two who ask at once would each read a part of the answer
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and give its exit code."""
        bound = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if bound is not None and time.monotonic() > bound:
                raise TimeoutExpired(self.args, timeout or 0)
            time.sleep(_POLL_S)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Tell it to end."""
        with self._lock:
            self._process.terminate()

    def kill(self) -> None:
        """End it without giving it time."""
        with self._lock:
            self._process.kill()


def run(
    command: Sequence[str | Path], cwd: Path, env: dict[str, str], timeout: float
) -> CompletedProcess[str]:
    """Run a command to its end and return what it printed."""
    with TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = Forked(command, cwd, env, out, err)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        return CompletedProcess(process.args, code, out.read_text(), err.read_text())


def _be(command: list[str], cwd: str, env: dict[str, str], out: str, err: str) -> None:
    """Become a process as it was asked for; in the fork."""
    # Numba reads it anew whenever it compiles; too late here for what it has compiled already.
    interpreted = env.pop("NUMBA_DISABLE_JIT", "0") == "1"
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    if interpreted:
        from segmenters import engine  # for the tests' own process it would be one more import
        from tests.interpreted import build_interpreted

        engine.build = build_interpreted
    for number, name in ((1, out), (2, err)):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(file, number)
        os.close(file)
    match command:
        case [_, "-m", module, *arguments]:
            sys.path.insert(0, cwd)
            sys.argv = [module, *arguments]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [_, "-c", text, *arguments]:
            sys.argv = ["-c", *arguments]
            exec(compile(text, "<command>", "exec"), {"__name__": "__main__"})
        case _:
            from streams import cli

            sys.argv = command
            sys.exit(cli.main())
