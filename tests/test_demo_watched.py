"""The demo in front of a terminal, and when things go wrong: it ends and leaves nothing."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.demos import REWAKE, processes_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]


class Terminal:
    """A demo that believes a person sits in front of it."""

    def __init__(self, *words: str, cwd: Path) -> None:
        self.said = ""
        self.pid, self._screen = pty.fork()
        if self.pid == 0:  # pragma: no cover - the child
            os.chdir(cwd)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # whatever the shell before us ignores
            os.execve(REWAKE, ["rewake", *words], {**os.environ, "TERM": "xterm-256color"})
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))

    def read_until(self, text: str, seconds: float) -> None:
        """Read on until a text has been said."""
        bound = time.monotonic() + seconds
        while text not in self.said:
            assert time.monotonic() < bound, (
                f"expected {text!r}, the screen says: {self.said[-3000:]}"
            )
            ready, _, _ = select.select([self._screen], [], [], 0.2)
            if ready:
                try:
                    self.said += os.read(self._screen, 1 << 16).decode(errors="replace")
                except OSError:  # the demo has closed its terminal
                    assert text in self.said, self.said[-3000:]

    def press_ctrl_c(self) -> int:
        """End it as a person does, and return its exit code."""
        os.write(self._screen, b"\x03")
        return self.wait()

    def wait(self) -> int:
        """Read to the end and return the exit code."""
        while True:
            try:
                if not (said := os.read(self._screen, 1 << 16)):
                    break
                self.said += said.decode(errors="replace")
            except OSError:
                break
        os.close(self._screen)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_person_watches_looks_somebody_up_and_ends_it(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    terminal = Terminal("demo", "--dir", str(folder), cwd=tmp_path)
    try:
        terminal.read_until("starting Redis and Kafka", 30)
        terminal.read_until("25,900 events lie in Kafka", 240)
        terminal.read_until("Rewake reads the history of a British online gift shop", 60)
        terminal.read_until("沉默客户 Silent", 60)
        terminal.read_until("days without an order", 120)
        terminal.read_until("2011-12-09 12:50, the end", 240)
        terminal.read_until("Ctrl-C here ends everything", 60)
        for said in (
            "rejected 3,710: 3,707 missing_customer, 3 unknown_type\r\n",
            "4,339 customers in segments, 80,226 changes (each once, none missing)",
            "as of 2011-12-09 12:50, the end of the replayed history",
        ):
            assert said in terminal.said, terminal.said[-9000:]
        exported = (folder / "env").read_text().replace("export ", "").split()
        environ = dict(line.split("=", 1) for line in exported)
        answer = subprocess.run(
            [REWAKE, "lookup", "17850"],
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=tmp_path,
        )
        assert answer.returncode == 0, answer.stderr
        assert "as of 2011-12-09 12:50, the end of the replayed history" in answer.stdout
        again = subprocess.run(
            [REWAKE, "demo", "--once", "--dir", folder],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert again.returncode == 2
        assert "expected no other demo in" in again.stderr
    finally:
        code = terminal.press_ctrl_c()
    assert code == 0, terminal.said[-3000:]
    assert "Traceback" not in terminal.said
    assert processes_of(folder) == []


def wait_for_worker(folder: Path, demo: subprocess.Popen[str]) -> int:
    """Return the worker's pid as soon as there is one."""
    while demo.poll() is None:
        for process in psutil.process_iter():
            try:
                if process.cmdline()[-1:] == ["worker"] and process.cwd() == str(folder):
                    return process.pid
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        time.sleep(0.1)
    raise AssertionError(demo.communicate())


def test_a_worker_that_dies_is_told_of_and_nothing_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with subprocess.Popen(
        [REWAKE, "demo", "--once", "--dir", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        os.kill(wait_for_worker(folder, demo), signal.SIGKILL)
        said, wrong = demo.communicate(timeout=60)
    assert (demo.returncode, said) == (1, "")
    assert "rewake: expected the worker to run, it ended with code -9; its log, " in wrong
    assert "worker.log, says:" in wrong
    assert "Traceback" not in wrong
    assert processes_of(folder) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_demo_told_to_end_while_servers_start_leaves_nothing(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    folder = tmp_path / "demo"
    with subprocess.Popen(
        [REWAKE, "demo", "--once", "--dir", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as demo:
        while not (folder / "servers" / "kafka").is_dir() and demo.poll() is None:
            time.sleep(0.05)
        time.sleep(2)
        demo.send_signal(number)
        _, wrong = demo.communicate(timeout=60)
    assert demo.returncode == code, wrong
    assert b"Traceback" not in wrong
    assert processes_of(folder) == []


def test_a_demo_that_was_killed_is_cleared_up_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "demo"

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [REWAKE, "demo", "--once", "--dir", folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    demo = start()
    orphan = wait_for_worker(folder, demo)
    demo.kill()
    demo.communicate()
    orphans = processes_of(folder)
    assert len(orphans) == 4, "servers, worker and page"
    again = start()
    while wait_for_worker(folder, again) == orphan:
        time.sleep(0.1)
    assert not set(orphans) & set(processes_of(folder))
    again.terminate()
    _, wrong = again.communicate(timeout=60)
    assert again.returncode == 143, wrong
    assert processes_of(folder) == []


def test_a_folder_of_somebody_elses_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = subprocess.run(
        [REWAKE, "demo", "--once", "--dir", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "expected an empty folder or that of an earlier demo" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_real_shop_and_a_simulated_one_at_once_are_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [REWAKE, "demo", "--synthetic", "--data", "online_retail", "--dir", tmp_path / "d"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "expected --data or --synthetic, got both (--data online_retail)" in done.stderr


def test_data_that_is_not_there_is_refused_with_what_there_is(tmp_path: Path) -> None:
    done = subprocess.run(
        [REWAKE, "demo", "--data", "moon", "--dir", tmp_path / "d"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "expected online_retail or complete_journey, got 'moon'" in done.stderr
