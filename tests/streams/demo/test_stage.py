"""The demo's folder and processes: taken alone, left empty."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from schemas.errors import RewakeError, UsageError
from streams.demo.stage import Child, Stage, Terminated, ending_in_order
from streams.local.processes import Identity

if TYPE_CHECKING:
    from pathlib import Path

SLEEPER = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)")


def quiet(_: str) -> None: ...


def sleeper(stage: Stage) -> Child:
    child = stage.start(SLEEPER, {}, "sleeper")
    while b"up" not in child.log.read_bytes():
        time.sleep(0.02)
    return child


def test_what_was_started_ends_with_the_stage_also_on_an_error(tmp_path: Path) -> None:
    children = []

    def fail() -> None:
        with Stage(tmp_path / "s", quiet) as stage:
            children.append(sleeper(stage))
            assert children[0].identity.is_running()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not children[0].identity.is_running()


def test_a_child_gets_variables_and_a_session_of_its_own(tmp_path: Path) -> None:
    code = "import os; print(os.environ['SHOP'], os.getsid(0) == os.getpid())"
    with Stage(tmp_path / "s", quiet) as stage:
        child = stage.start([sys.executable, "-c", code], {"SHOP": "corner"}, "teller")
        assert child.wait() == 0
        assert child.log.read_text() == "corner True\n"


def test_a_child_that_ended_is_told_of_with_the_lines_that_say_why(tmp_path: Path) -> None:
    code = (
        "print('2026 [info     ] fine'); print('2026 [critical ] stopping code=oops');"
        "print('  File somewhere'); raise SystemExit(3)"
    )
    with Stage(tmp_path / "s", quiet) as stage:
        child = stage.start([sys.executable, "-c", code], {}, "teller")
        child.wait()
        with pytest.raises(RewakeError, match="expected the teller to run, it ended") as raised:
            child.check()
    assert "with code 3" in str(raised.value)
    assert "[critical ] stopping code=oops" in str(raised.value)
    assert "fine" not in str(raised.value)


def test_a_log_without_errors_is_quoted_at_its_end_and_long_lines_are_cut(tmp_path: Path) -> None:
    with Stage(tmp_path / "s", quiet) as stage:
        child = stage.start([sys.executable, "-c", "print('a\\n' * 50 + 'b' * 9999)"], {}, "teller")
        child.wait()
        words = child.last_words()
    assert words.count("\n") == 8
    assert max(map(len, words.splitlines())) <= 402


def test_a_second_stage_in_the_same_folder_is_refused_while_the_first_lasts(
    tmp_path: Path,
) -> None:
    second = Stage(tmp_path / "s", quiet)
    with Stage(tmp_path / "s", quiet), pytest.raises(UsageError, match="expected no other demo"):
        second.__enter__()
    with second:
        pass


def test_a_folder_of_somebody_elses_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="expected an empty folder"), Stage(tmp_path, quiet):
        raise AssertionError


def test_processes_a_killed_demo_left_are_ended_and_strangers_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with Stage(folder, quiet) as other:
        orphan, stranger = sleeper(other), other.start(SLEEPER, {}, "stranger")
        left = tmp_path / "left"
        left.mkdir()
        (left / "demo.lock").touch()
        identity = orphan.identity
        # The stranger was given the pid of a child that ended long ago.
        entries = [
            {"pid": identity.pid, "started": identity.started},
            {"pid": stranger.identity.pid, "started": stranger.identity.started - 500},
        ]
        (left / "children.json").write_text(json.dumps(entries))
        with Stage(left, quiet):
            assert not Identity(identity.pid, identity.started).is_running()
            assert stranger.identity.is_running()


def test_data_of_an_earlier_demo_is_forgotten_and_its_ports_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with Stage(folder, quiet):
        (folder / "servers" / "kafka" / "data").mkdir(parents=True)
        (folder / "servers" / "servers.json").write_text("{}")
    with Stage(folder, quiet):
        assert not (folder / "servers" / "kafka").exists()
        assert (folder / "servers" / "servers.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_becomes_an_exception_and_the_old_handlers_come_back(
    number: signal.Signals,
) -> None:
    before = signal.getsignal(number)

    def wait() -> None:
        with ending_in_order():
            os.kill(os.getpid(), number)
            time.sleep(5)

    with pytest.raises(Terminated, match=number.name):
        wait()
    assert signal.getsignal(number) == before


def test_a_signal_in_the_midst_of_what_an_event_loop_calls_is_not_lost() -> None:
    async def work() -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        await asyncio.sleep(5)

    with pytest.raises(Terminated), ending_in_order():
        asyncio.run(work())


@pytest.mark.parametrize(
    ("number", "expected"),
    [(signal.SIGTERM, Terminated), (signal.SIGHUP, Terminated), (signal.SIGINT, KeyboardInterrupt)],
)
def test_a_signal_in_the_midst_of_a_finalizer_is_not_lost(
    number: signal.Signals, expected: type[BaseException]
) -> None:
    class Transport:
        def __del__(self) -> None:
            os.kill(os.getpid(), number)

    def work() -> None:
        with ending_in_order():
            Transport()
            time.sleep(5)

    with pytest.raises(expected):
        work()


def test_other_errors_of_finalizers_are_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    class Transport:
        def __del__(self) -> None:
            raise ZeroDivisionError

    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(lost.exc_type))
    with ending_in_order():
        Transport()
    assert told == [ZeroDivisionError]
