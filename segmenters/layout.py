"""Compose the row of a customer from what the rules enable: nothing enabled, nothing stored.

Responsible for the row's fields and the layout digest. It must not know what fields mean.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from schemas.errors import RulesError
from segmenters.measures import gaps, orders, tiles

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
    ("seen_next", "i2"),
    ("judged", "i2"),
)
"""What every row has.

``version`` grows with every write. ``settled``: the instant below which a fact is late. ``looked``:
the instant of the last judgement that wrote the row, later where a fact was late. ``e``: the last
qualifying engagement. ``until``: the ``valid_until`` told. ``seen``: the last event ids.
"""

MEASURES: Final = {"gaps": gaps.FIELDS}
TILE_WIRE: Final = np.dtype([("spend", "i8"), ("day", "i4"), ("orders", "i4")])


class Layout(NamedTuple):
    """The row's dtype, the measures it holds and the digest of both with the systems' segments."""

    row: np.dtype[Any]
    measures: tuple[str, ...]
    windows: tuple[int, ...]
    digest: int


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
            (system.key, "i2"),
            (f"{system.key}_from", "i2"),
            (f"{system.key}_clocked", "i1"),
        )
        fields += system.state
    names = [field[0] for field in fields]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise RulesError("systems", f"row fields {sorted(doubled)} are declared twice")
    # Widest first: no padding between fields, however the parts are combined.
    fields.sort(key=lambda field: -np.dtype(field[1]).itemsize)
    row = np.dtype(fields, align=True)
    told = [(system.key, system.segments) for system in systems]
    text = f"1 {row.descr} {TILE_WIRE.descr} {told}"
    digest = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")
    return Layout(row, measures, windows, digest)
