"""`rewake check-system`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from segmenters.checks import CHECKS

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Rewake

AGE = '''
from typing import Any, ClassVar, NamedTuple
from segmenters.instants import FAR
from segmenters.system import Label, System

class Limit(NamedTuple):
    age: int

class Age(System, frozen=True, kw_only=True):
    """Tell old from young; `days` is where old begins.

    >>> 1
    1
    """
    days: int = 10
    key: ClassVar[str] = "age"
    number: ClassVar[int] = 900
    title: ClassVar[Label] = Label("年龄", "Age")

    @property
    def segments(self): return ("young", "old")
    @property
    def labels(self): return {"young": Label("新", "Young"), "old": Label("旧", "Old")}
    def compiled(self, currencies): return Limit(self.days * 86_400_000)
    @staticmethod
    def looked_at(f, p, t): return {"p": f.p}
    @staticmethod
    def classify(f: Any, p: Any, t: int) -> int: return 1 if t >= f.p + p.age else 0
    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int: return f.p + p.age if t < f.p + p.age else FAR

class Late(Age, frozen=True, kw_only=True):
    """Come too late; `days` is where old begins.

    >>> 1
    1
    """
    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int: return FAR

class Mute(Age, frozen=True, kw_only=True):
    """Forget to say what was looked at; `days` is where old begins.

    >>> 1
    1
    """
    @staticmethod
    def looked_at(f, p, t): raise RuntimeError("nothing to say")

def helper(n): return n + 1

class Plain(Age, frozen=True, kw_only=True):
    """Call what does not compile; `days` is where old begins.

    >>> 1
    1
    """
    @staticmethod
    def classify(f: Any, p: Any, t: int) -> int: return 1 if helper(t) > f.p + p.age else 0

class Unfinished(System, frozen=True, kw_only=True):
    """Have a name only.

    >>> 1
    1
    """
    key: ClassVar[str] = "unfinished"
    number: ClassVar[int] = 901
    title: ClassVar[Label] = Label("未完", "Unfinished")
    @property
    def segments(self): return ("young", "old")

class Needy(Age, frozen=True, kw_only=True):
    other: int
'''


@pytest.fixture
def rewake(rewake: Rewake, tmp_path: Path) -> Rewake:
    """Work in a folder with a module of systems."""
    (tmp_path / "mine.py").write_text(AGE, encoding="utf-8")
    return rewake


@pytest.mark.interpreted
def test_a_system_of_this_distribution_keeps_every_promise(rewake: Rewake) -> None:
    done = rewake("check-system", "monetary_tier")
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert last == "monetary_tier  消费金额 / Monetary tier: 10 of 10 promises kept"
    assert len(lines) == len(CHECKS) + 2
    assert all(line.startswith("ok ") for line in lines)
    assert (
        "ok      no_deadline_is_missed: before its deadline a customer stays where" in done.stdout
    )


@pytest.mark.interpreted
def test_a_broken_promise_is_told_with_what_was_expected_and_the_others_go_on(
    rewake: Rewake,
) -> None:
    done = rewake("check-system", "mine:Late")
    assert done.returncode == 1
    assert "BROKEN  no_deadline_is_missed" in done.stdout
    assert "rewake: no_deadline_is_missed: expected young until " in done.stderr
    assert "ok      the_engine_runs_it" in done.stdout
    assert "age  年龄 / Age: 9 of 10 promises kept" in done.stdout


@pytest.mark.interpreted
def test_what_fails_only_in_the_engine_is_found_and_told_as_json(rewake: Rewake) -> None:
    done = rewake("check-system", "mine:Mute", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["kept"], found["key"]) == (1, False, "age")
    broken = {each["check"]: each["error"] for each in found["checks"] if not each["kept"]}
    assert broken.keys() == {"the_engine_runs_it"}
    assert broken["the_engine_runs_it"].startswith("RuntimeError: nothing to say (mine.py, line ")
    assert broken["the_engine_runs_it"].endswith(", in looked_at)")


def test_what_does_not_compile_is_told_by_the_line_that_does_not(rewake: Rewake) -> None:
    done = rewake("check-system", "mine:Plain")
    assert done.returncode == 1
    told = [line for line in done.stderr.splitlines() if "the_engine_runs_it" in line]
    assert len(told) == 1
    assert "what is compiled cannot be: Untyped global name 'helper'" in told[0]
    assert 'File "mine.py", line ' in told[0]
    assert len(told[0]) < 500


def test_what_a_class_lacks_is_named(rewake: Rewake) -> None:
    done = rewake("check-system", "mine:Unfinished")
    assert done.returncode == 1
    assert (
        "rewake: nothing_is_missing: expected the class to define labels, compiled, classify, "
        "deadline, looked_at\n" in done.stderr
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nobody", "expected a system (lifecycle, "),
        ("nobody:Age", "expected nobody:Age to be importable as module:Class, got ModuleNotFound"),
        ("mine:Nobody", "got AttributeError: module 'mine' has no attribute 'Nobody'"),
        ("mine:FAR", "expected a subclass of segmenters.system.System, got "),
        ("mine:Needy", "expected a default for each parameter of mine:Needy"),
    ],
)
def test_what_is_no_system_ends_with_code_2(rewake: Rewake, name: str, said: str) -> None:
    done = rewake("check-system", name)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_python_that_skips_assertions_is_refused(installed: Rewake) -> None:
    done = installed("check-system", "rfm", PYTHONOPTIMIZE="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected a Python that asserts" in done.stderr
