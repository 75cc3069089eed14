"""System 14, rfm (购买情况+购买频率+购买金额): three scores, and the segment of their cell.

Responsible for this one rule. Maps are data (``segmenters/maps``).
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, NamedTuple

import msgspec
import numpy as np

from schemas.money import exponent
from schemas.vocabulary import MS_PER_DAY
from segmenters.instants import FAR
from segmenters.jitable import jitable
from segmenters.rfm_map import read_map
from segmenters.system import NONE_LABEL, DampedSystem, Label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.money import Currencies

NONE: Final = 0
BEST: Final = 5

Days = Annotated[int, msgspec.Meta(ge=1, le=3650)]
Count = Annotated[int, msgspec.Meta(ge=1)]
NAMES: Final = {
    "champions": Label("冠军客户", "Champions"),
    "loyal": Label("忠诚客户", "Loyal"),
    "potential_loyalist": Label("潜在忠诚客户", "Potential loyalist"),
    "new": Label("新近客户", "Recent single order"),
    "promising": Label("有望客户", "Promising"),
    "need_attention": Label("需关注客户", "Needs attention"),
    "about_to_sleep": Label("即将沉睡", "About to sleep"),
    "at_risk": Label("有流失风险", "At risk"),
    "cannot_lose": Label("不可失去", "Cannot lose"),
    "hibernating": Label("沉睡客户", "Hibernating"),
    "lost": Label("流失客户", "Lost"),
    "hhh": Label("重要价值", "Key: value"),
    "hlh": Label("重要发展", "Key: develop"),
    "lhh": Label("重要保持", "Key: keep"),
    "llh": Label("重要挽留", "Key: win back"),
    "hhl": Label("一般价值", "General: value"),
    "hll": Label("一般发展", "General: develop"),
    "lhl": Label("一般保持", "General: keep"),
    "lll": Label("一般挽留", "General: win back"),
}


class Compiled(NamedTuple):
    """Bounds of the scores 5 … 2 in ms, orders and minor units, and the codes of the 125 cells."""

    recency: tuple[int, int, int, int]
    frequency: tuple[int, int, int, int]
    monetary: tuple[int, int, int, int]
    cells: np.ndarray[tuple[int], np.dtype[np.int8]]


class Rfm(DampedSystem, frozen=True, kw_only=True):
    """Score recency, frequency and spend from 1 to 5 and name the customer by the cell of a map.

    Parameters
    ----------
    map
        ``A`` (25 cells, recency and frequency), ``B`` (125 cells), ``C`` (eight classes), or the
        path of a map file.
    recency_days
        The last order is younger than these for the scores 5, 4, 3, 2; else 1.
    frequency
        Orders in 365 days, at least, for the scores 5, 4, 3, 2; else 1.
    monetary
        Spend in 365 days, at least, for the scores 5, 4, 3, 2 (base currency, major units); else 1.

    Examples
    --------
    >>> from schemas.money import Currencies
    >>> from segmenters.checks import features
    >>> rule = Rfm(map="A")
    >>> p = rule.compiled(Currencies("GBP", {}))
    >>> f = features(n=7, p=0, F365=7, M365=120_000)
    >>> [rule.segments[rule.classify(f, p, day * 86_400_000)] for day in (29, 30, 200)]
    ['champions', 'loyal', 'at_risk']
    """

    map: str = "A"
    recency_days: tuple[Days, Days, Days, Days] = (30, 60, 90, 180)
    frequency: tuple[Count, Count, Count, Count] = (12, 6, 3, 2)
    monetary: tuple[Decimal, Decimal, Decimal, Decimal] = (
        Decimal(10_000),
        Decimal(3_000),
        Decimal(1_000),
        Decimal(200),
    )

    key: ClassVar[str] = "rfm"
    number: ClassVar[int] = 14
    title: ClassVar[Label] = Label("RFM 客户细分", "RFM")

    @property
    def segments(self) -> tuple[str, ...]:
        """None, then the segments of the map in force."""
        return ("none", *read_map(self.map).segments)

    @property
    def labels(self) -> Mapping[str, Label]:
        """The segments' names for people; a map of one's own keeps its identifiers."""
        own = {name: NAMES.get(name, Label(name, name)) for name in read_map(self.map).segments}
        return {"none": Label("未购", "No orders")} | own if own else {"none": NONE_LABEL}

    @property
    def windows(self) -> tuple[int, ...]:
        """The one window: a year."""
        return (365,)

    def check(self) -> list[tuple[str, str]]:
        """Refuse bounds out of order and maps that are none."""
        read_map(self.map)
        wrong = []
        if list(self.recency_days) != sorted(set(self.recency_days)):
            wrong.append(("recency_days", f"must rise, got {list(self.recency_days)}"))
        for name in ("frequency", "monetary"):
            bounds = list(getattr(self, name))
            if bounds != sorted(set(bounds), reverse=True) or not bounds[-1] > 0:
                wrong.append(
                    (name, f"must fall and stay above 0, got {[str(bound) for bound in bounds]}")
                )
        return wrong

    def compiled(self, currencies: Currencies) -> Compiled:
        """Return bounds in milliseconds, orders and minor units."""
        unit = Decimal(10) ** exponent(currencies.base)
        a, b, c, d = (int((m * unit).to_integral_value(ROUND_CEILING)) for m in self.monetary)
        w, x, y, z = (days * MS_PER_DAY for days in self.recency_days)
        codes = np.array(read_map(self.map).cells, dtype=np.int8) + np.int8(1)
        return Compiled((w, x, y, z), self.frequency, (a, b, c, d), codes)

    @staticmethod
    def classify(f: Any, p: Any, t: int) -> int:
        """Name the cell of the three scores."""
        if f.n == 0:
            return NONE
        r = recency_score(t - f.p, p.recency)
        return int(
            p.cells[
                25 * (r - 1) + 5 * (score(f.F365, p.frequency) - 1) + score(f.M365, p.monetary) - 1
            ]
        )

    @staticmethod
    def deadline(f: Any, p: Any, t: int) -> int:
        """Return the next age of the last order at which recency falls."""
        if f.n == 0:
            return FAR
        age = t - f.p
        for bound in p.recency:
            if age < bound:
                return int(f.p + bound)
        return FAR

    @staticmethod
    def looked_at(f: Any, p: Any, t: int) -> dict[str, int]:
        """Return the scores and what they were made from."""
        if f.n == 0:
            return {"n": 0}
        return {
            "R": recency_score(t - f.p, p.recency),
            "F": score(f.F365, p.frequency),
            "M": score(f.M365, p.monetary),
            "n": f.n,
            "p": f.p,
            "F365": f.F365,
            "M365": f.M365,
        }


@jitable
def recency_score(age: int, bounds: Any) -> int:
    """Return 5 for an age below the first bound, one less for each bound reached."""
    points = BEST
    for bound in bounds:
        if age >= bound:
            points -= 1
    return points


@jitable
def score(figure: int, bounds: Any) -> int:
    """Return 5 for a figure of at least the first bound, one less for each bound missed."""
    points = BEST
    for bound in bounds:
        if figure < bound:
            points -= 1
    return points
