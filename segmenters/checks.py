"""Check what every system promises: shipped, so that systems of third parties are held to it too.

Responsible for the contract checks. It must not depend on a test framework: each check raises
AssertionError and says what was expected.

>>> from segmenters.systems import MonetaryTier
>>> for check in CHECKS:
...     check(MonetaryTier())
"""

from __future__ import annotations

import inspect
import random
from collections import namedtuple
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numba

from schemas.money import Currencies
from schemas.vocabulary import MS_PER_DAY
from segmenters.instants import FAR, NEVER
from segmenters.kernel_source import feature_names
from segmenters.layout import compose
from segmenters.system import HOOKS, DampedSystem, hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from segmenters.system import System

SAMPLES: Final = 2_000
PATIENCE: Final = 16
"""Deadlines at which nothing may change, one after the other: each costs a judgement."""
_NOW: Final = 16_000 * MS_PER_DAY
_MONEY: Final = Currencies("GBP", {})


def features(**known: int) -> Any:
    """Return features for an example: what is not named is 0, or NEVER for instants.

    Examples
    --------
    >>> f = features(n=1, p=5)
    >>> f.n, f.p, f.M365, f.e == NEVER
    (1, 5, 0, True)
    """
    return _Features(**known)


class _Features(SimpleNamespace):
    def __getattr__(self, name: str) -> int:
        return NEVER if name in ("e", "p", "p0", "quiet_since") else 0


def parameters_are_documented_and_frozen(system: System) -> None:
    """Hold that every parameter stands in the class's docstring and that none can be changed."""
    kind = type(system)
    text = kind.__doc__ or ""
    shared = {field.name for field in msgspec.structs.fields(DampedSystem)}
    own = [field.name for field in msgspec.structs.fields(kind) if field.name not in shared]
    missing = [name for name in own if name not in text]
    assert not missing, f"{system.key}: expected the docstring to explain {', '.join(missing)}"
    config = kind.__struct_config__
    assert config.frozen, f"{system.key}: expected frozen=True"
    assert config.forbid_unknown_fields, f"{system.key}: expected forbid_unknown_fields=True"


def there_is_an_example(system: System) -> None:
    """Hold that the docstring has an example; a doctest run holds that it is right."""
    assert ">>> " in (type(system).__doc__ or ""), f"{system.key}: expected a doctest"


def segments_have_names_in_both_languages(system: System) -> None:
    """Hold that segments are identifiers, each once, with a name in 中文 and English."""
    segments, labels = system.segments, system.labels
    assert len(set(segments)) == len(segments) > 1, f"{system.key}: expected distinct segments"
    for segment in segments:
        assert segment.isidentifier(), f"{system.key}: expected an identifier, got {segment!r}"
        named = segment in labels and all(labels[segment])
        assert named, f"{system.key}: expected a label zh and en for {segment}"


def hooks_take_what_they_are_given(system: System) -> None:
    """Hold that the functions which see the row have as many parameters as there are arguments."""
    for name, hook in hooks(system).items():
        given = HOOKS.get(name, ("row", "p"))  # what is not there is lent
        taken = tuple(inspect.signature(hook).parameters)
        assert len(taken) == len(given), (
            f"{system.key}: expected {name}({', '.join(given)}), got {name}({', '.join(taken)})"
        )


def every_customer_has_exactly_one_segment(system: System) -> None:
    """Hold that ``classify`` answers every features with the code of a segment."""
    p = system.compiled(_MONEY)
    for f, t in _drawn(system):
        code = system.classify(f, p, t)
        fits = 0 <= code < len(system.segments)
        assert fits, f"{system.key}: expected a code below {len(system.segments)}, got {code!r}"


def no_deadline_is_missed(system: System) -> None:
    """Hold that before its deadline a customer stays where classify has put them.

    What a day leaving a window changes is the kernel's affair, so figures stay as they are.
    """
    p = system.compiled(_MONEY)
    settled = 0
    for f, t in _drawn(system):
        code = system.classify(f, p, t)
        if code != getattr(f, system.key):
            continue
        settled += 1
        deadline = system.deadline(f, p, t)
        assert deadline > t, f"{system.key}: expected a deadline after {t}, got {deadline} for {f}"
        last = min(deadline, t + 3650 * MS_PER_DAY) - 1
        for later in (t + 1, (t + last) // 2, last):
            if t < later <= last:
                found = system.classify(f, p, later)
                assert found == code, (
                    f"{system.key}: expected {system.segments[code]} until {deadline}, got "
                    f"{system.segments[found]} at {later} for {f}"
                )
    assert settled, f"{system.key}: expected some drawn customers to be settled, found none"


def no_deadline_is_far_too_early(system: System) -> None:
    """Hold that following deadlines comes to a change, or to an end, within a few of them."""
    p = system.compiled(_MONEY)
    for f, t in _drawn(system):
        code = system.classify(f, p, t)
        if code != getattr(f, system.key):
            continue
        instant, dues = system.deadline(f, p, t), 1
        while instant < FAR and system.classify(f, p, instant) == code:
            instant = system.deadline(f, p, instant)
            dues += 1
            assert dues <= PATIENCE, (
                f"{system.key}: expected a change or no deadline after {PATIENCE} of them, got "
                f"one more at {instant} for {f}"
            )


def compiled_code_answers_as_python_does(system: System) -> None:
    """Hold that both functions mean the same compiled and interpreted."""
    p = system.compiled(_MONEY)
    classify, deadline = numba.njit(system.classify), numba.njit(system.deadline)
    for f, t in _drawn(system):
        assert classify(f, p, t) == system.classify(f, p, t), f"{system.key}: classify, {f}, {t}"
        assert deadline(f, p, t) == system.deadline(f, p, t), f"{system.key}: deadline, {f}, {t}"


def _drawn(system: System) -> Iterator[tuple[Any, int]]:
    """Draw features of all kinds, plausible or not, the same ones every time."""
    names = feature_names([system, *_needed(system)], compose([system]))
    shape: Any = namedtuple("Features", names)  # type: ignore[misc]
    draw = random.Random(20_111_209)
    for _ in range(SAMPLES):
        yield shape(*(_value(name, system, draw) for name in names)), _NOW


def _needed(system: System) -> list[System]:
    from segmenters.systems import SYSTEMS  # noqa: PLC0415 - systems' own examples import this file

    lent = [key for key, _ in system.borrows]
    return [SYSTEMS[key]() for key in {*system.needs, *lent}]


def _value(name: str, system: System, draw: random.Random) -> int:
    if name == system.key:
        return draw.randrange(-1, len(system.segments))
    if name.startswith("F"):
        return draw.randrange(20)
    if name.startswith(("M", "P")) or name in dict(system.aliases):
        return draw.choice((0, draw.randrange(-100_000, 2_000_000)))
    if name.endswith("_after"):
        return draw.randrange(1, 400) * MS_PER_DAY
    special = {
        "n": (0, 1, 2, draw.randrange(50)),
        "gap": (-1, draw.randrange(400)),
    }
    return draw.choice(special[name]) if name in special else _instant(name, draw)


def _instant(name: str, draw: random.Random) -> int:
    if name.startswith("fade_") or name.endswith("_silence_at"):  # ahead as well as past
        return draw.choice((FAR, _NOW + draw.randrange(-400, 400) * MS_PER_DAY))
    age = draw.choice((0, 1, MS_PER_DAY, draw.randrange(400) * MS_PER_DAY, draw.randrange(10**11)))
    return NEVER if draw.random() < 0.05 else _NOW - age


CHECKS: Final[tuple[Callable[[System], None], ...]] = (
    parameters_are_documented_and_frozen,
    there_is_an_example,
    segments_have_names_in_both_languages,
    hooks_take_what_they_are_given,
    every_customer_has_exactly_one_segment,
    no_deadline_is_missed,
    no_deadline_is_far_too_early,
    compiled_code_answers_as_python_does,
)
"""All contract checks; call each with a system."""
