"""`rewake check-system`."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from segmenters.checks import CHECKS
from segmenters.kernel import cache_folder

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

class Needy(Age, frozen=True, kw_only=True):
    other: int
'''


@pytest.fixture
def rewake(rewake: Rewake, tmp_path: Path) -> Rewake:
    """Work in a folder with a module of systems; all calls share what is compiled."""
    (tmp_path / "mine.py").write_text(AGE, encoding="utf-8")
    return partial(rewake, REWAKE_CACHE_DIR=str(cache_folder()))


def test_a_system_of_this_distribution_keeps_every_promise(rewake: Rewake) -> None:
    done = rewake("check-system", "monetary_tier")
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert last == "monetary_tier  消费金额 / Monetary tier: 8 of 8 promises kept"
    assert len(lines) == len(CHECKS) + 1
    assert all(line.startswith("ok ") for line in lines)
    assert (
        "ok      no_deadline_is_missed: before its deadline a customer stays where" in done.stdout
    )


def test_a_broken_promise_is_told_with_what_was_expected_and_the_others_go_on(
    rewake: Rewake,
) -> None:
    done = rewake("check-system", "mine:Late")
    assert done.returncode == 1
    assert "BROKEN  no_deadline_is_missed" in done.stdout
    assert "rewake: no_deadline_is_missed: expected young until " in done.stderr
    assert "ok      the_engine_runs_it" in done.stdout
    assert "age  年龄 / Age: 7 of 8 promises kept" in done.stdout


def test_what_fails_only_in_the_engine_is_found_and_told_as_json(rewake: Rewake) -> None:
    done = rewake("check-system", "mine:Mute", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["kept"], found["key"]) == (1, False, "age")
    broken = {each["check"]: each["error"] for each in found["checks"] if not each["kept"]}
    assert broken == {"the_engine_runs_it": "RuntimeError: nothing to say"}


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


def test_a_python_that_skips_assertions_is_refused(rewake: Rewake) -> None:
    done = rewake("check-system", "rfm", PYTHONOPTIMIZE="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected a Python that asserts" in done.stderr
