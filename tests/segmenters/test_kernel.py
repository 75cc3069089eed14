"""A kernel is compiled once for what it is made of, and never mistaken for another."""

from __future__ import annotations

import os
import sys
from inspect import isfunction
from itertools import count
from typing import TYPE_CHECKING

import numba
import pytest

from segmenters.kernel import build, cache_folder
from segmenters.layout import compose
from segmenters.systems import MonetaryTier, Rfm
from tests.forked import Forked

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = count()

HELPER = """
from numba.extending import register_jitable

LIMIT = {limit}

@register_jitable
def step(n):
    return n {sign} {add}
"""
SYSTEM = '''
import warnings
warnings.simplefilter("error")

from typing import Any, ClassVar, NamedTuple
from segmenters.instants import FAR
from segmenters.system import Label, System
from helper import LIMIT, step

class Nothing(NamedTuple):
    unused: int

class Counted(System, frozen=True, kw_only=True):
    """Count orders."""
    key: ClassVar[str] = "counted"
    number: ClassVar[int] = 900
    title: ClassVar[Label] = Label("数", "Counted")

    @property
    def segments(self): return ("few", "many")
    @property
    def labels(self): return {{name: Label(name, name) for name in self.segments}}
    def compiled(self, currencies): return Nothing(0)
    @staticmethod
    def looked_at(f, p, t): return {{}}
    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int: return FAR
    @staticmethod
    def classify(f: Any, p: Any, t: int) -> int: return 1 if step(f.n) {compare} LIMIT else 0

from segmenters.engine import Engine
from segmenters.rules import EngineRules, Rules
engine = Engine(Rules(EngineRules(), {{"counted": Counted()}}, {{}}))
rows = engine.ledger.rows_of([b"c"])
engine.ledger.rows[0].n = 1
engine.ledger.dues[0] = 5  # looking ahead is the quickest part to compile, and it judges
print(engine.profiles(rows)[0].next["counted"], engine.kernel.path.name)
'''


def start(folder: Path, cache: Path) -> tuple[Forked, Path]:
    said = folder / f"said-{next(NUMBERS)}.log"
    environment = os.environ | {"REWAKE_CACHE_DIR": str(cache)}
    return Forked([sys.executable, "-m", "counted"], folder, environment, said), said


def ended(running: Forked, said: Path) -> list[str]:
    try:
        code = running.wait(timeout=300)
    finally:
        running.kill()
    assert code == 0, said.read_text()
    return said.read_text().split()


def answer(folder: Path, cache: Path) -> list[str]:
    return ended(*start(folder, cache))


def write(folder: Path, *, limit: int, add: int, sign: str = "+", compare: str = ">=") -> None:
    (folder / "helper.py").write_text(HELPER.format(limit=limit, sign=sign, add=add))
    (folder / "counted.py").write_text(SYSTEM.format(compare=compare))


@pytest.mark.timeout(600)
def test_an_edit_in_a_rules_own_source_its_helpers_or_constants_is_not_overlooked(
    tmp_path: Path,
) -> None:
    cache = tmp_path / "cache"
    names = set()
    for edit, expected in (
        ({"limit": 2, "add": 0}, "few"),
        ({"limit": 2, "add": 1}, "many"),  # in a helper of another module
        ({"limit": 3, "add": 1}, "few"),  # a constant of another module
        ({"limit": 3, "add": 1, "compare": "<"}, "many"),  # in the rule itself
    ):
        write(tmp_path, **edit)  # type: ignore[arg-type]
        segment, name = answer(tmp_path, cache)
        assert segment == expected, edit
        names.add(name)
    assert len(names) == 4
    assert answer(tmp_path, cache) == [segment, name]
    assert len(list((cache / "kernels").glob("*.py"))) == 4


@pytest.mark.timeout(600)
def test_processes_that_compile_at_once_all_come_out_right(tmp_path: Path) -> None:
    write(tmp_path, limit=1, add=0)
    cache = tmp_path / "cache"
    running = [start(tmp_path, cache) for _ in range(3)]
    told = [ended(*each) for each in running]
    assert told[0][0] == "many"
    assert told[0] == told[1] == told[2]
    assert not list((cache / "kernels").glob("*.tmp"))


def test_parameters_are_arguments_and_compile_nothing() -> None:
    one, other = MonetaryTier(), MonetaryTier(down_ratio="0.5")  # type: ignore[arg-type]
    assert build([one], compose([one])).module is build([other], compose([other])).module


def test_an_interpreted_kernel_is_not_taken_for_a_compiled_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    systems = [MonetaryTier()]
    compiled = build(systems, compose(systems))
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    interpreted = build(systems, compose(systems))
    assert interpreted.path != compiled.path
    assert isfunction(interpreted.module.apply)
    assert not isfunction(compiled.module.apply)


def test_another_set_of_systems_is_another_kernel() -> None:
    one, two = [MonetaryTier()], [MonetaryTier(), Rfm()]
    assert build(one, compose(one)).path != build(two, compose(two)).path


def test_kernels_are_kept_where_the_operator_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWAKE_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path / "kernels"


def test_a_cache_that_cannot_be_written_is_replaced_by_one_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("REWAKE_CACHE_DIR", str(blocked))
    systems = [Rfm(), MonetaryTier()]
    assert build(systems, compose(systems)).path.exists()


def test_a_tuple_of_parameters_whose_fields_change_places_is_not_mistaken_for_the_one_before(
    tmp_path: Path,
) -> None:
    def edited(fields: str) -> list[str]:
        write(tmp_path, limit=1, add=0)
        file = tmp_path / "counted.py"
        text = file.read_text().replace("    unused: int\n", fields)
        text = text.replace("Nothing(0)", "Nothing(least=1, most=5)")
        file.write_text(text.replace("step(f.n) >= LIMIT", "f.n >= p.least"))
        return answer(tmp_path, tmp_path / "cache")

    assert edited("    least: int\n    most: int\n")[0] == "many"
    assert edited("    most: int\n    least: int\n")[0] == "many"


def test_the_same_system_from_another_module_is_another_kernel(tmp_path: Path) -> None:
    write(tmp_path, limit=1, add=0)
    told = answer(tmp_path, tmp_path / "cache")
    package = tmp_path / "moved"
    package.mkdir()
    text = (tmp_path / "counted.py").read_text()
    (tmp_path / "counted.py").unlink()
    (package / "first.py").write_text(text)
    (tmp_path / "counted.py").write_text("import moved.first")
    again = answer(tmp_path, tmp_path / "cache")
    assert again[0] == told[0]
    assert again[1] != told[1]


HELPED = """
from enum import IntEnum

class Tier(IntEnum):
    HIGH = {high}

def step(n):
    return n + {add}
"""


@pytest.mark.parametrize(
    "source",
    [
        "import deep.helper\ndef rule(n): return deep.helper.step(n)",
        "from deep import helper\ndef rule(n): return helper.step(n)",
        "from deep.helper import Tier\ndef rule(n): return Tier.HIGH",
        "from deep import helper\ndef rule(n): return helper.Tier.HIGH",
        "from deep.helper import step\ndef rule(n): return [step(k) for k in range(n)]",
        "from deep.helper import step\ndef make(k): return lambda n: k(n)\nrule = make(step)",
    ],
)
def test_whatever_way_a_rule_reaches_another_module_an_edit_there_is_not_overlooked(
    tmp_path: Path, source: str
) -> None:
    package = tmp_path / "deep"
    package.mkdir()
    (package / "__init__.py").write_text("")
    printing = "from segmenters.kernel import _contributing\nprint(_contributing([rule]))\n"
    (tmp_path / "counted.py").write_text(f"{source}\n{printing}")
    told = []
    for high, add in ((2, 1), (2, 1), (30, 10)):
        (package / "helper.py").write_text(HELPED.format(high=high, add=add))
        told.append(answer(tmp_path, tmp_path / "cache"))
    assert told[0] == told[1] != told[2]


SYMBOL = """
import numba
import numpy as np
from segmenters.jitable import jitable

@jitable
def read(row):
    return row.{field}

@numba.njit
def enter(rows):
    return read(rows[0])

assert enter(np.array([(1, 7)], [("a", "i8"), ("b", "i8")])) == {expected}
print(next(iter(enter.overloads.values())).fndesc.mangled_name)
"""


def test_two_processes_never_give_the_same_symbol_to_functions_that_differ(tmp_path: Path) -> None:
    symbols = []
    for field, expected in (("a", 1), ("b", 7)):
        said = tmp_path / f"{field}.log"
        text = SYMBOL.format(field=field, expected=expected)
        forked = Forked([sys.executable, "-c", text], tmp_path, dict(os.environ), said)
        assert forked.wait(60) == 0, said.read_text()
        symbols.append(said.read_text().strip())
    assert symbols[0] != symbols[1]
