"""Hold what one call of the engine did.

Responsible for handing it on: changes as records, put into words only when somebody asks, and which
rows were written. It must not decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from schemas.changes import Change
    from schemas.errors import Reason
    from schemas.vocabulary import Instant
    from segmenters.batch import EventBatch
    from segmenters.engine import Engine
    from segmenters.ledger import Rows

_NOTHING: Final = np.zeros(0, np.int64)


class Outcome:
    """What one call of the engine did.

    Attributes
    ----------
    records
        Structured array, one element per change, in the order told (`segmenters.kernel_source`).
    dirty
        Rows written to, each once: what the changelog must get.
    profile_rows
        Rows whose cached profile no longer holds; all of them are dirty.
    rejected
        (index in the batch, reason, detail) of facts that were not applied.
    duplicates, late
        Facts ignored because their id was seen, and facts applied late.
    tally
        Per system, flips that damping has begun to hold back.
    more
        True when a tick stopped at its limit: call again.
    """

    __slots__ = (
        "batch",
        "dirty",
        "duplicates",
        "engine",
        "late",
        "more",
        "profile_rows",
        "records",
        "rejected",
        "tally",
        "teller",
    )

    def __init__(self, engine: Engine, batch: EventBatch | None) -> None:
        self.engine = engine
        self.batch = batch
        self.teller = engine.teller
        self.records: NDArray[Any] = engine.no_records
        self.dirty: Rows = _NOTHING
        self.profile_rows: Rows = _NOTHING
        self.rejected: list[tuple[int, Reason, str]] = []
        self.duplicates = 0
        self.late = 0
        self.tally = np.zeros(len(engine.rules.systems), np.int64)
        self.more = False

    @property
    def suppressed(self) -> dict[str, int]:
        """Flips that damping has begun to hold back, by system."""
        systems = self.engine.rules.systems
        return {systems[k].key: int(self.tally[k]) for k in np.flatnonzero(self.tally)}

    def build_changes(self, seen_at: Instant) -> list[tuple[bytes, Change]]:
        """Return the changes in words, each with its record key."""
        return self.engine.build_changes(self, seen_at)
