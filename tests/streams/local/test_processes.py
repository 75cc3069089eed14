"""Recognising and ending processes: never a foreign one, always within a bound."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest

from schemas.errors import RewakeError
from streams.local.processes import Identity, end, kill, launch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Identity]:
    identity = launch(["sleep", "60"], tmp_path, tmp_path / "log")
    yield identity
    kill(identity)


def test_a_process_is_recognised_by_pid_and_start_time() -> None:
    started = psutil.Process().create_time()
    assert Identity(os.getpid(), started).is_running()
    assert not Identity(os.getpid(), started - 60).is_running()


def test_a_process_that_took_over_the_pid_is_never_signalled(sleeper: Identity) -> None:
    former = Identity(sleeper.pid, sleeper.started - 60)
    end(former, patience_seconds=0)
    kill(former)
    former.send(signal.SIGKILL)
    assert sleeper.is_running()


def test_a_launched_process_has_its_own_session_and_no_parent_here(sleeper: Identity) -> None:
    assert os.getsid(sleeper.pid) != os.getsid(0)
    assert psutil.Process(sleeper.pid).ppid() != os.getpid()


def test_a_launched_process_inherits_no_descriptor(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    identity = launch(["sleep", "60"], tmp_path, tmp_path / "log")
    try:
        os.close(writer)
        # Would block until the timeout of this test if the sleeper held the other end open.
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)
        kill(identity)


def test_a_process_deaf_to_the_polite_signal_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    identity = launch([sys.executable, "-c", STUBBORN], tmp_path, log)
    while "deaf" not in log.read_text():
        assert identity.is_running()
    end(identity, patience_seconds=0.2)
    assert not identity.is_running()


def test_a_zombie_counts_as_ended() -> None:
    child = subprocess.Popen(["true"])
    identity = Identity(child.pid, psutil.Process(child.pid).create_time())
    try:
        assert identity.wait(10)
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    finally:
        child.wait()


def test_a_command_that_cannot_run_leaves_the_reason_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with suppress(RewakeError):  # which of the two notices first is up to the machine
        assert launch([tmp_path / "no-such-program"], tmp_path, log).wait(10)
    assert "no-such-program" in log.read_text()
