"""Compose the row of a customer from what the rules enable: nothing enabled, nothing stored.

Responsible for the row's fields and the layout digest. It must not know what fields mean.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from schemas.errors import RulesError
from segmenters.measures import day_gaps, gaps, orders, tiles
from segmenters.system import damping_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segmenters.system import System

EVENT_IDS: Final = 8
CORE: Final = (
    ("version", "i8"),
    ("settled", "i8"),
    ("looked", "i8"),
    ("e", "i8"),
    ("until", "i8"),
    ("seen", "i8", (EVENT_IDS,)),
    ("sequence", "i4"),
    ("seen_next", "i1"),
    ("judged", "i1"),
)
"""What every row has.

``version`` grows with every write. ``settled``: the instant below which a fact is late. ``looked``:
the instant of the last judgement that wrote the row, later where a fact was late. ``e``: the last
qualifying engagement. ``until``: the ``valid_until`` told. ``seen``: the last event ids.

Per system it has the segment's code (-1: untold), the one it came from, since when, by which
sequence and whether time alone did it; under damping, when each segment was last left, and the one
that is held back.
"""

ENGAGED: Final = "engaged"
PROFIT: Final = "profit"
DAY_GAPS: Final = "day_gaps"
GAPS: Final = "gaps"
KEPT_DAYS: Final = 402
"""Days kept behind the widest window: a late fact (400 days at most) may be judged there."""
MEASURES: Final[dict[str, tuple[Any, ...]]] = {
    GAPS: gaps.FIELDS,
    DAY_GAPS: day_gaps.FIELDS,
    PROFIT: (),  # on tiles and listed orders
    ENGAGED: (),  # on the tiles alone
}


class Layout(NamedTuple):
    """The dtypes of row, tile and listed order, the measures in them, the digest of it all."""

    row: np.dtype[Any]
    tile: np.dtype[Any]
    order: np.dtype[Any]
    measures: tuple[str, ...]
    windows: tuple[int, ...]
    engaged_days: int
    digest: int

    @property
    def kept_days(self) -> int:
        """For how many days back purchases are kept."""
        return max(max(self.windows, default=0) + KEPT_DAYS, day_gaps.REACH)

    @property
    def tile_words(self) -> int:
        """Number of 64-bit words of a tile in a changelog value."""
        return 2 + (ENGAGED in self.measures) + (PROFIT in self.measures)

    @property
    def order_words(self) -> int:
        """Number of 64-bit words of a listed order in a changelog value."""
        return 4 + (PROFIT in self.measures)


def compose(systems: Sequence[System]) -> Layout:
    """Return the layout for the enabled systems.

    Raises
    ------
    RulesError
        When two systems name a row field alike.

    Examples
    --------
    >>> from segmenters.systems import MonetaryTier
    >>> layout = compose([MonetaryTier()])
    >>> layout.windows, "monetary_tier_since" in layout.row.names, "rhythm" in layout.row.names
    ((365,), True, False)
    """
    measures = tuple(sorted({m for system in systems for m in system.measures}))
    windows = tuple(sorted({w for system in systems for w in system.windows}))
    fields: list[Any] = [*CORE, *orders.FIELDS, *tiles.FIELDS]
    for name in measures:
        fields += MEASURES[name]
    for system in systems:
        fields += (
            (f"{system.key}_since", "i8"),
            (f"{system.key}_sequence", "i4"),
            (system.key, "i1"),
            (f"{system.key}_from", "i1"),
            (f"{system.key}_clocked", "i1"),
        )
        fields += system.state
        if damping_of(system) is not None:
            fields += (
                (f"{system.key}_left", "i8", (len(system.segments),)),
                (f"{system.key}_wanted", "i1"),
            )
    names = [field[0] for field in fields]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise RulesError("systems", f"row fields {sorted(doubled)} are declared twice")
    # Widest first: no padding between fields, however the parts are combined.
    fields.sort(key=lambda field: -np.dtype(field[1]).itemsize)
    row = np.dtype(fields, align=True)
    told = [(system.key, system.segments) for system in systems]
    tile = tiles.tile_dtype(PROFIT in measures)
    order = orders.order_dtype(PROFIT in measures)
    text = f"3 {row.descr} {tile.descr} {order.descr} {measures} {told}"
    digest = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")
    engaged = max((system.engaged_days for system in systems), default=0)
    return Layout(row, tile, order, measures, windows, engaged, digest)
