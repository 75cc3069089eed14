"""Say in words why a customer was skipped, and what to do about a drift.

Responsible for words only.
"""

from __future__ import annotations

from typing import Final

from streams.audit.verdict import CACHE, CHANGES, STATE, Skip

REASONS: Final[dict[Skip, str]] = {
    Skip.UNKNOWN: "neither a row nor an event of this customer",
    Skip.LOG_START: "their first facts may not be in the input log (retention, a moved state)",
    Skip.RULES: "judged under other rules before, or nothing tells any more",
    Skip.ARRIVAL: "late facts, what follows from them depends on when they came",
    Skip.TOO_MANY: "too many facts to recount naively",
    Skip.LETTERS: "events that may have been refused, the dead letters are no longer there",
}
CACHE_REASONS: Final[dict[Skip, str]] = {
    Skip.CACHE_BEHIND: "the cache has not come this far (rw:applied)",
    Skip.CACHE_MOVED_ON: "the cached profile is newer than the row that was read",
    Skip.CACHE_AWAY: "there was no cache to compare",
}
TO_DO: Final[dict[str, str]] = {
    STATE: (
        "the state is not what its events make it. Keep a copy of the changelog, and report it as "
        "a fault. Counting anew heals it: a new REWAKE_APP, `redis-cli DEL rw:epoch`, and the "
        "inputs from their start."
    ),
    CHANGES: (
        "what consumers were told is not what the state says. A consumer that keeps the last "
        "sequence of each customer drops what comes twice; what never came it has to take from "
        "`rewake lookup ID`. Look for anything but a worker that writes to this topic."
    ),
    CACHE: (
        "the cache is not what the state says. `redis-cli DEL rw:epoch` has the workers write all "
        "of it anew; look for anything but a worker that writes to it."
    ),
}
