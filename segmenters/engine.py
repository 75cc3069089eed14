"""Apply facts and let time pass: the two doors of the core, for one partition.

Responsible for turning batches and clock instants into changes. Time is an argument: the engine
never reads a clock. The work is done by the kernel on the ledger's arrays; what a change says in
words is built afterwards, and only for changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from schemas.errors import Reason
from segmenters import calendar
from segmenters.headcount import Headcount
from segmenters.instants import NEVER
from segmenters.kernel import build
from segmenters.kernel_source import out_dtype_fields
from segmenters.layout import compose
from segmenters.ledger import EARLY_MS, Ledger, Rows
from segmenters.outcome import Outcome
from segmenters.system import damping_of
from segmenters.telling import Teller
from segmenters.terms import stamp_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from schemas.changes import Change
    from schemas.profiles import Profile
    from schemas.vocabulary import Instant
    from segmenters.batch import EventBatch
    from segmenters.rules import Rules

TICK_LIMIT: Final = 5_000
FORESIGHT: Final = 8
"""How many dues a look ahead follows."""
FURTHEST: Final = 4_096
"""How many it follows at most, to come as far as what was told once."""
_OUT_ROWS: Final = 16_384
_NEXT, _TOLD, _DIRTY, _DUPLICATE, _LATE, _REFUSED = range(6)


class Engine:
    """All state and decisions of one partition.

    Parameters
    ----------
    rules
        The rules in force.
    patient
        Let changelog values that other rules have written wait, instead of refusing them.

    Attributes
    ----------
    waiting
        Those, by key: a `segmenters.changeover.Changeover` brings their customers over.

    Examples
    --------
    >>> from segmenters.batch import EventBatch
    >>> from segmenters.rules import loads
    >>> engine = Engine(loads("[systems.lifecycle]"))
    >>> order = EventBatch.from_columns([b"17850"], [0], [0], [995], [1], [1], [False], ["536365"])
    >>> [change.to for _, change in engine.apply(order).build_changes(seen_at=0)]
    ['new']
    >>> quarter = 90 * 86_400_000
    >>> told = engine.tick(quarter, inclusive=True).build_changes(seen_at=quarter)
    >>> [(change.from_, change.to, change.at // 86_400_000, change.cause) for _, change in told]
    [('new', 'active', 30, 'clock'), ('active', 'silent', 90, 'clock')]
    """

    def __init__(self, rules: Rules, patient: bool = False) -> None:
        self.rules = rules
        self.patient = patient
        self.layout = compose(rules.systems)
        self.kernel = build(rules.systems, self.layout)
        self.ledger = Ledger(self.layout, self.kernel, stamp_of(self.layout, rules))
        self.waiting: dict[bytes, bytes] = {}
        self.clock: Instant = NEVER
        self._module: Any = self.kernel.module
        self._starts = calendar.midnights(rules.timezone)
        compiled = [system.compiled(rules.currencies) for system in rules.systems]
        damping = [damped.compiled() for damped in map(damping_of, rules.systems) if damped]
        self._parameters = self._module.Parameters(*compiled, *damping)
        out = np.dtype(out_dtype_fields(rules.systems, self.layout), align=True)
        self.no_records = np.zeros(0, out)
        self._out: Any = np.zeros(_OUT_ROWS, out).view(np.recarray)
        self._scratch = (
            np.zeros(1, self.layout.row).view(np.recarray),
            np.zeros(len(rules.systems), out).view(np.recarray),
            np.zeros(len(rules.systems), np.int64),
        )
        self._stamp = 0
        self._compiled = compiled
        self.teller = Teller(rules, compiled, self._module.Features)

    @property
    def customers(self) -> int:
        """Number of customers known."""
        return len(self.ledger)

    @property
    def nbytes(self) -> int:
        """Bytes in use by what is known of them."""
        return self.ledger.nbytes

    def headcount(self, clock: Instant) -> Headcount:
        """Begin to count customers by segment, as of the clock's day; it changes nothing."""
        return Headcount(self, clock)

    def row_of(self, customer: bytes) -> int:
        """Return the row of a customer, or -1."""
        return int(self.find_rows([customer])[0])

    def find_rows(self, customers: Sequence[bytes]) -> Rows:
        """Return the rows of customers, -1 for those unknown."""
        return self.ledger.keys.find(customers)

    def apply(self, batch: EventBatch, clock: Instant | None = None) -> Outcome:
        """Apply facts in their order.

        Before each, the customer's deadlines before it fire. A fact older than what its customer
        was last judged at is late: it is put where it belongs and the customer is judged at the
        clock.

        Parameters
        ----------
        batch
            Facts, ordered.
        clock
            The partition's clock so far, for late facts; by default that of the last tick.
        """
        outcome = Outcome(self, batch)
        size = len(batch)
        if size == 0:
            return outcome
        ledger = self.ledger
        rows = ledger.rows_of(batch.customers)
        ledger.fit(2 * size, size)
        count = np.zeros(6, np.int64)
        dirty = np.empty(size, np.int64)
        refused = np.empty(size, np.int64)
        self._stamp += 1
        parts = []
        clock = self.clock if clock is None else clock
        while count[_NEXT] < size:
            self._module.apply(
                ledger.rows, ledger.dues, ledger.stamps, ledger.tiles, ledger.orders, self._starts,
                self._parameters, rows, batch.ts, batch.kind, batch.amount, batch.profit,
                batch.order, batch.event, batch.qualifies, clock, self.rules.max_lateness_ms,
                self._stamp, self._scratch, self._out, dirty, refused, count, outcome.tally,
            )  # fmt: skip
            parts.append(self._out[: count[_TOLD]].copy())
        outcome.duplicates, outcome.late = int(count[_DUPLICATE]), int(count[_LATE])
        days = self.rules.engine.max_lateness_days
        for k in refused[: count[_REFUSED]].tolist():
            detail = f"expected an event at most {days} days late, got ts {batch.ts[k]}"
            outcome.rejected.append((k, Reason.TOO_LATE, detail))
        self._finish(outcome, parts, dirty[: count[_DIRTY]])
        return outcome

    def tick(self, clock: Instant, inclusive: bool = False, limit: int = TICK_LIMIT) -> Outcome:
        """Let time pass: fire deadlines before ``clock``, oldest customers first.

        Parameters
        ----------
        clock
            The instant up to which the partition's facts are complete; it never goes back.
        inclusive
            Also fire deadlines that fall on ``clock``: the end of a replay.
        limit
            Customers to settle; the outcome's ``more`` tells whether some are left.
        """
        outcome = Outcome(self, None)
        ledger = self.ledger
        known = len(ledger)
        clock = max(clock, self.clock)
        dues = ledger.dues[:known]
        who = np.flatnonzero(dues <= clock if inclusive else dues < clock)
        outcome.more = len(who) > limit
        if outcome.more:
            who = who[np.argpartition(dues[who], limit - 1)[:limit]]
        who = who[np.argsort(dues[who], kind="stable")]
        parts, dirty = self._fire(who, clock, inclusive, outcome)
        self._finish(outcome, parts, dirty)
        if not outcome.more:
            self.clock = clock
            self._freshen(outcome, clock)
        return outcome

    def settle(self, rows: Rows, clock: Instant) -> Outcome:
        """Fire the deadlines of some customers before ``clock``; nobody else hears of it.

        Their profiles are not looked after: they are about to be moved under other rules.
        """
        outcome = Outcome(self, None)
        parts, outcome.dirty = self._fire(rows, clock, False, outcome)
        outcome.records = _joined(parts, self.no_records)
        return outcome

    def _fire(
        self, who: Rows, clock: Instant, inclusive: bool, outcome: Outcome
    ) -> tuple[list[NDArray[Any]], Rows]:
        """Fire deadlines of customers; return the change records and the rows written."""
        ledger = self.ledger
        count = np.zeros(6, np.int64)
        dirty = np.empty(len(who), np.int64)
        self._stamp += 1
        parts = []
        while count[_NEXT] < len(who):
            self._module.tick(
                ledger.rows, ledger.dues, ledger.stamps, ledger.tiles.cells, self._starts,
                self._parameters, who, clock, inclusive, self._stamp, self._out, dirty, count,
                outcome.tally,
            )  # fmt: skip
            parts.append(self._out[: count[_TOLD]].copy())
        return parts, dirty[: count[_DIRTY]]

    def judge_altered(
        self,
        rows: Rows,
        told: NDArray[np.int64],
        altered: NDArray[np.bool_],
        former: Sequence[Sequence[str]],
        clock: Instant,
    ) -> Outcome:
        """Judge customers at the clock by the systems whose terms have been altered.

        Parameters
        ----------
        rows
            Rows moved here from other rules; all of them are written, and their profiles.
        told
            Per row and system the segment told last, -1 where none was.
        altered
            The systems whose terms have been altered.
        former
            Per system the names of segments it has no more: codes above its own.
        clock
            The partition's clock.
        """
        outcome = Outcome(self, None)
        outcome.teller = Teller(self.rules, self._compiled, self._module.Features, former)
        ledger = self.ledger
        count = np.zeros(6, np.int64)
        parts = []
        while count[_NEXT] < len(rows):
            self._module.change_over(
                ledger.rows, ledger.dues, ledger.tiles.cells, self._starts, self._parameters, rows,
                told, altered, clock, self._out, count, outcome.tally,
            )  # fmt: skip
            parts.append(self._out[: count[_TOLD]].copy())
        self.clock = max(self.clock, clock)
        self._finish(outcome, parts, rows, all_shown=True)
        return outcome

    def begin_pace(self, rows: Rows, clock: Instant) -> None:
        """Fix the usual gap of customers moved here from rules that did not ask for it."""
        ledger = self.ledger
        self._module.begin_pace(ledger.rows, ledger.tiles.cells, self._starts, rows, clock)

    def _finish(
        self, outcome: Outcome, parts: list[NDArray[Any]], dirty: Rows, all_shown: bool = False
    ) -> None:
        """Collect the changes, raise versions, and find the profiles that no longer hold."""
        outcome.records = _joined(parts, self.no_records)
        outcome.dirty = dirty
        if not len(dirty):
            return
        ledger = self.ledger
        changed = np.full(len(ledger), all_shown)
        changed[outcome.records["row"]] = True
        shown = np.empty(len(dirty), np.int64)
        shown_count = self._module.publish(
            ledger.rows, ledger.dues, ledger.refresh, ledger.tiles.cells, self._starts,
            self._parameters, dirty, changed[dirty], FORESIGHT, EARLY_MS, self._scratch,
            *self._ahead(1), shown,
        )  # fmt: skip
        outcome.profile_rows = shown[:shown_count]

    def _freshen(self, outcome: Outcome, clock: Instant) -> None:
        """Write again the profiles whose told ``valid_until`` is near, though it has moved on."""
        ledger = self.ledger
        near = np.flatnonzero(ledger.refresh[: len(ledger)] < clock)
        if not len(near):
            return
        shown = np.empty(len(near), np.int64)
        count = self._module.freshen(
            ledger.rows, ledger.dues, ledger.refresh, ledger.tiles.cells, self._starts,
            self._parameters, near, FORESIGHT, EARLY_MS, self._scratch, *self._ahead(1), shown,
        )  # fmt: skip
        if count:
            outcome.dirty = np.union1d(outcome.dirty, shown[:count])
            outcome.profile_rows = np.union1d(outcome.profile_rows, shown[:count])

    def _ahead(self, size: int) -> tuple[Any, Any, Any]:
        systems = len(self.rules.systems)
        return (
            np.empty((size, systems), np.int64),
            np.empty(size, np.int64),
            np.empty((size, systems), np.int64),
        )

    def _foresee(self, rows: Rows, first: bool, steps: int = FORESIGHT) -> tuple[Rows, Rows, Rows]:
        """Return, per row: when each system changes next, when any does, and to what."""
        ledger = self.ledger
        told, until, following = self._ahead(len(rows))
        self._module.foresee(
            ledger.rows, ledger.dues, ledger.tiles.cells, self._starts, self._parameters,
            rows, steps, first, self._scratch, told, until, following,
        )  # fmt: skip
        return told, until, following

    def _foresee_as_told(self, rows: Rows) -> tuple[Rows, Rows]:
        """Return, per row, when any system changes, at least as far ahead as was told before.

        A row that was taken back has the dues again that it had when it was written; those that
        have passed since and changed nothing use foresight up.
        """
        _, until, following = self._foresee(rows, first=True)
        told, steps = self.ledger.rows.view(np.ndarray)["until"][rows], FORESIGHT
        while steps < FURTHEST and len(short := np.flatnonzero(until < told)):
            steps *= 2
            _, until[short], following[short] = self._foresee(rows[short], True, steps)
        return until, following

    def dump_rows(self, rows: Rows) -> list[tuple[bytes, bytes]]:
        """Return (key, changelog value) of rows."""
        return list(zip(self.ledger.keys.at(rows), self.ledger.pack(rows), strict=True))

    def load_rows(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """Restore rows from changelog values; of one key the last wins.

        Raises
        ------
        LayoutChanged, ChangelogCorrupt
            When a value cannot be read; nothing is guessed.
        """
        latest = dict(zip(keys, values, strict=True))
        if self.patient:
            self._put_aside(latest)
        self.ledger.unpack(latest)

    def _put_aside(self, latest: dict[bytes, bytes]) -> None:
        """Take the values of other rules out; their customers have blank rows so far."""
        ledger = self.ledger
        own = ledger.stamp.to_bytes(4, "little")
        strange = [k for k, v in latest.items() if v[:4] != own and ledger.may_be_row(v)]
        waiting = {key: latest.pop(key) for key in strange}
        for key in latest if self.waiting else ():
            self.waiting.pop(key, None)
        ledger.rows_of(strange)
        self.waiting.update(waiting)

    def wind(self) -> None:
        """Derive all deadlines from the rows: call once after the last `load_rows`.

        Raises
        ------
        LayoutChanged
            When rows of other rules wait: a `segmenters.changeover.Changeover` has to move them.
        """
        for value in self.waiting.values():
            raise self.ledger.explain(value)
        self.wind_own()

    def wind_own(self) -> None:
        """Derive the deadlines of the rows that these rules have written."""
        ledger = self.ledger
        self._module.wind(
            ledger.rows, ledger.dues, ledger.refresh, ledger.tiles.cells, self._starts,
            self._parameters, len(ledger), EARLY_MS,
        )  # fmt: skip

    def profiles(self, rows: Rows) -> list[Profile]:
        """Return what lookups are told: segments, since when, until when, and what follows."""
        until, following = self._foresee_as_told(rows)
        return self.teller.profiles(self.ledger, rows, until.tolist(), following.tolist())

    def build_changes(self, outcome: Outcome, seen_at: Instant) -> list[tuple[bytes, Change]]:
        """Return an outcome's changes in words: see `Outcome.build_changes`."""
        if not len(outcome.records):
            return []
        rows, where = np.unique(outcome.records["row"], return_inverse=True)
        told, _, following = self._foresee(rows.astype(np.int64), first=False)
        return outcome.teller.changes(
            self.ledger, outcome.records, outcome.batch, seen_at, told[where], following[where]
        )


def _joined(parts: Sequence[NDArray[Any]], nothing: NDArray[Any]) -> NDArray[Any]:
    if not parts:
        return nothing
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
