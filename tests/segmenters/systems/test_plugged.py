"""Installed packages add systems by an entry point, and are refused by name when they cannot."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from schemas.errors import RulesError
from segmenters import rules
from segmenters.mistakes import find
from segmenters.systems import OWN
from segmenters.systems.plugged import Systems

if TYPE_CHECKING:
    from pathlib import Path

AGE = '''
from typing import Any, ClassVar, NamedTuple
from segmenters.instants import FAR
from segmenters.system import Label, System

class Limit(NamedTuple):
    age: int

class Age(System, frozen=True, kw_only=True):
    """Tell old from young; `days` is where old begins."""
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
'''


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Give a function that installs a package with one module and one entry point."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(package: str, source: str, entry: str) -> None:
        (tmp_path / f"{package}.py").write_text(source, encoding="utf-8")
        declared = tmp_path / f"{package}-1.0.dist-info"
        declared.mkdir()
        (declared / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
        (declared / "entry_points.txt").write_text(f"[rewake.systems]\n{entry}\n")
        monkeypatch.delitem(sys.modules, package, raising=False)

    return put


def test_a_declared_system_stands_behind_those_of_this_distribution(install) -> None:
    install("shop_age", AGE, "age = shop_age:Age")
    systems = Systems(OWN)
    assert list(systems) == [*OWN, "age"]
    assert len(systems) == len(OWN) + 1
    assert "age" in systems
    assert systems["age"] is systems["age"]
    assert systems["age"]().segments == ("young", "old")
    with pytest.raises(KeyError):
        systems["nobody"]


def test_rules_enable_it_with_its_parameters_and_name_what_is_wrong_in_them(
    install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("shop_age", AGE, "age = shop_age:Age")
    for module in ("segmenters.rules.SYSTEMS", "segmenters.mistakes.SYSTEMS"):
        monkeypatch.setattr(module, Systems(OWN))
    loaded = rules.loads("[systems.age]\ndays = 3\n[systems.rfm]\n[plays]\n'age:old' = "
                         "{ zh = '旧', en = 'Old' }")  # fmt: skip
    assert [system.key for system in loaded.systems] == ["rfm", "age"]
    assert loaded.systems[1].days == 3
    assert rules.recall(loaded.text).version == loaded.version
    (mistake,) = find({"systems": {"age": {"dais": 3}}})
    assert str(mistake).startswith("systems.age.dais: no such key; did you mean days?")


def test_it_is_no_part_of_the_default_pack(install, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rules.defaults().version
    install("shop_age", AGE, "age = shop_age:Age")
    monkeypatch.setattr(rules, "SYSTEMS", Systems(OWN))
    assert rules.defaults().version == before


def test_nothing_is_imported_before_it_is_asked_for(install) -> None:
    install("shop_broken", "raise RuntimeError('no licence')", "broken = shop_broken:Broken")
    systems = Systems(OWN)
    assert "broken" in list(systems)
    assert systems["rfm"] is OWN["rfm"]


@pytest.mark.parametrize(
    ("source", "entry", "said"),
    [
        ("raise RuntimeError('no licence')", "age = shop:Age", "got RuntimeError: no licence"),
        ("import nothing_of_that_name", "age = shop:Age", "got ModuleNotFoundError: No module"),
        (AGE, "age = shop:Aeg", "got AttributeError"),
        ("Age = 3", "age = shop:Age", "expected a subclass of segmenters.system.System, got 3"),
        (AGE, "ages = shop:Age", "named like the key, which is 'age'"),
        (AGE.replace('"age"', '"age2"'), "age2 = shop:Age", "three small letters"),
        (
            AGE.replace("900", "12"),
            "age = shop:Age",
            "from 100 on (it orders judgement), got 12",
        ),
        (AGE.replace("days: int = 10", "days: int"), "age = shop:Age", "got none for days"),
        (AGE.replace("    number: ClassVar[int] = 900\n", ""), "age = shop:Age", "define number"),
    ],
)
def test_what_cannot_be_a_system_is_refused_with_package_entry_point_and_reason(
    install, source: str, entry: str, said: str
) -> None:
    install("shop", source, entry)
    key = entry.split(" ", maxsplit=1)[0]
    with pytest.raises(RulesError) as caught:
        Systems(OWN)[key]
    assert caught.value.path == f"systems.{key}"
    assert f"shop ({key} = {entry.split(' = ')[1]!r})" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("other", "entry", "rival"),
    [
        ("shop_two", "age = shop_two:Age", "shop_one (age = 'shop_one:Age') and shop_two"),
        ("shop_two", "rfm = shop_two:Age", "rewake itself and shop_two (rfm = 'shop_two:Age')"),
    ],
)
def test_two_who_declare_one_key_are_both_named(
    install, other: str, entry: str, rival: str
) -> None:
    install("shop_one", AGE, "age = shop_one:Age")
    install(other, AGE, entry)
    with pytest.raises(RulesError, match="expected one package") as caught:
        list(Systems(OWN))
    assert rival in str(caught.value)
    assert "uninstall one" in str(caught.value)
