"""Every registered system passes every contract check, and each check catches what it is for."""

# ruff: noqa: ARG002, ARG004 - the systems here have the shape of all systems
from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import pytest

from segmenters import checks
from segmenters.instants import FAR
from segmenters.system import Label, System
from segmenters.systems import SYSTEMS, Lifecycle, Rfm
from segmenters.systems.lifecycle import Cadence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.money import Currencies

VARIANTS = [
    *(kind() for kind in SYSTEMS.values()),
    Lifecycle(silent_engagement_days=0, churned_engagement_days=0, new_days=0, new_orders=2),
    Lifecycle(cadence=Cadence()),
    Rfm(map="B"),
    Rfm(map="C"),
]


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("system", VARIANTS, ids=lambda system: system.key)
def test_a_system_keeps_the_contract(system: System, check: Callable[[System], None]) -> None:
    check(system)


class Limit(NamedTuple):
    age: int


class Sound(System, frozen=True, kw_only=True):
    """Tell old from young by the age of the last order; `days` is where old begins.

    >>> Sound().key
    'sound'
    """

    days: int = 10

    key: ClassVar[str] = "sound"
    number: ClassVar[int] = 900
    title: ClassVar[Label] = Label("年龄", "Age")

    @property
    def segments(self) -> tuple[str, ...]:
        return ("young", "old")

    @property
    def labels(self) -> Mapping[str, Label]:
        return {"young": Label("新", "Young"), "old": Label("旧", "Old")}

    def compiled(self, currencies: Currencies) -> Limit:
        return Limit(self.days * 86_400_000)

    @staticmethod
    def classify(f: Any, p: Any, t: int) -> int:
        return 1 if t >= f.p + p.age else 0

    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int:
        return f.p + p.age if t < f.p + p.age else FAR  # type: ignore[no-any-return]


class Undocumented(Sound, frozen=True, kw_only=True):
    """Say nothing of its parameter's name.

    >>> 1
    1
    """

    threshold: int = 3


class WithoutExample(Sound, frozen=True, kw_only=True):
    """Tell old from young; `days` is where old begins."""


class Unnamed(Sound, frozen=True, kw_only=True):
    @property
    def labels(self) -> Mapping[str, Label]:
        return {"young": Label("新", "Young"), "old": Label("旧", "")}


class Overlooking(Sound, frozen=True, kw_only=True):
    @staticmethod
    def on_void(row: Any, p: Any, t: int, number: int, order_ts: int, moved: bool) -> None:
        """Take no orders, as if they stood in the row."""


class OutOfRange(Sound, frozen=True, kw_only=True):
    @staticmethod
    def classify(f: Any, p: Any, t: int) -> int:
        return 2 if f.n == 0 else 0


class Late(Sound, frozen=True, kw_only=True):
    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int:
        return f.p + p.age + 1 if t < f.p + p.age else FAR  # type: ignore[no-any-return]


class Stuck(Sound, frozen=True, kw_only=True):
    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int:
        return t


class Restless(Sound, frozen=True, kw_only=True):
    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int:
        return t + 1


class Rounded(Sound, frozen=True, kw_only=True):
    @staticmethod
    def classify(f: Any, p: Any, t: int) -> int:
        # Compiled integers wrap around, interpreted ones grow.
        return 1 if (t << 40) >> 40 == t else 0


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_a_sound_system_passes(check: Callable[[System], None]) -> None:
    check(Sound())


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Undocumented(), checks.parameters_are_documented_and_frozen),
        (WithoutExample(), checks.there_is_an_example),
        (Unnamed(), checks.segments_have_names_in_both_languages),
        (Overlooking(), checks.hooks_take_what_they_are_given),
        (OutOfRange(), checks.every_customer_has_exactly_one_segment),
        (Late(), checks.no_deadline_is_missed),
        (Stuck(), checks.no_deadline_is_missed),
        (Restless(), checks.no_deadline_is_far_too_early),
        (Rounded(), checks.compiled_code_answers_as_python_does),
    ],
    ids=lambda part: getattr(part, "__name__", type(part).__name__),
)
def test_a_check_catches_what_it_is_for(broken: System, check: Callable[[System], None]) -> None:
    with pytest.raises(AssertionError, match="sound: "):
        check(broken)
