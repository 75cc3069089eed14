"""Bring customers from the rules they were judged by under others.

Responsible for what happens to a customer when the rules change: what was due before the clock
happens under the old rules, the row is moved by field name, and the systems whose terms have been
altered judge it at the clock, `cause=rules`. It must not know where rows come from or go to.

Every row says under which terms it was written (`segmenters.terms`), so customers may be brought
over some at a time, and whoever goes on after a crash sees who is left.
"""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numba
import numpy as np

from schemas.errors import RulesChanged
from segmenters import calendar
from segmenters.engine import Engine
from segmenters.instants import FAR
from segmenters.layout import DAY_GAPS, GAPS, compose
from segmenters.measures import gaps
from segmenters.pools import END, give_back, insert, only_links
from segmenters.telling import FORGOTTEN
from segmenters.terms import altered, stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from schemas.changes import Change
    from schemas.errors import Reason
    from schemas.vocabulary import Instant
    from segmenters.ledger import Ledger, Rows
    from segmenters.outcome import Outcome
    from segmenters.pools import Pool
    from segmenters.rules import Rules
    from segmenters.system import System

SLICE: Final = 5_000
UNTOLD: Final = -1
_FROM_SCRATCH: Final = "start over with a new REWAKE_APP, replaying the inputs"


def kept_days(rules: Rules) -> int:
    """Return for how many days back these rules keep day tiles.

    Examples
    --------
    >>> from segmenters.rules import loads
    >>> kept_days(loads("[systems.lifecycle]")), kept_days(loads("[systems.rfm]"))
    (730, 767)
    """
    return compose(rules.systems).kept_days


def check(before: Rules, now: Rules, kept: int) -> None:
    r"""Refuse rules under which what has been remembered would mean something else.

    Parameters
    ----------
    before, now
        The rules the state was written under, and those it is to be brought under.
    kept
        For how many days back the state has all day tiles.

    Raises
    ------
    RulesChanged
        With what to do.

    Examples
    --------
    >>> from segmenters.rules import loads
    >>> one = loads("[engine]\nbusiness_timezone = 'Europe/London'\n[systems.rfm]")
    >>> check(one, loads("[engine]\nbusiness_timezone = 'Europe/Jersey'\n[systems.rfm]"), 767)
    >>> try:
    ...     check(one, loads("[systems.rfm]"), 767)
    ... except RulesChanged as error:
    ...     print(str(error)[:80])
    engine.business_timezone: expected days of Europe/London, as the state counts th
    """
    old, new = before.engine, now.engine
    if old.base_currency != new.base_currency:
        raise RulesChanged(
            f"engine.base_currency: expected {old.base_currency}, in which the state counts, got "
            f"{new.base_currency}; amounts cannot be converted afterwards: {_FROM_SCRATCH}"
        )
    days = calendar.midnights(before.timezone), calendar.midnights(now.timezone)
    if not np.array_equal(*days):
        raise RulesChanged(
            f"engine.business_timezone: expected days of {before.timezone}, as the state counts "
            f"them, got {now.timezone}; purchases cannot be put on other days afterwards: "
            f"{_FROM_SCRATCH}"
        )
    for system in now.systems:
        if max(system.windows, default=0) > kept + 1:
            raise RulesChanged(
                f"systems.{system.key}: expected windows of at most {kept + 1} days, for which the "
                f"state has kept all purchases, got {max(system.windows)}: {_FROM_SCRATCH}"
            )


class Slice:
    """What bringing over some customers did; to `streams` an outcome like any other."""

    __slots__ = ("dirty", "judged", "more", "profile_rows", "settled")

    rejected: Sequence[tuple[int, Reason, str]] = ()
    duplicates = 0
    late = 0
    suppressed: Mapping[str, int] = MappingProxyType({})

    def __init__(self, settled: Outcome, judged: Outcome, more: bool) -> None:
        self.settled = settled
        self.judged = judged
        self.dirty = judged.dirty
        self.profile_rows = judged.profile_rows
        self.more = more

    def build_changes(self, seen_at: Instant) -> list[tuple[bytes, Change]]:
        """Return the changes under the old rules, then those by the new ones."""
        return self.settled.build_changes(seen_at) + self.judged.build_changes(seen_at)


class Changeover:
    r"""The customers of an engine who are to be brought over, and how far that has come.

    Parameters
    ----------
    engine
        The engine with the rules in force; what it holds waiting is what is to be brought over.
    laws
        All rules under which that may have been written.
    clock
        The partition's clock.
    kept
        For how many days back the state has all day tiles.

    Attributes
    ----------
    moved, settled, told
        Customers brought over so far, changes made by deadlines of before, changes made by the
        rules.

    Raises
    ------
    RulesChanged
        When these rules cannot take over from one of those.
    LayoutChanged
        When a row was written under none of them.

    Examples
    --------
    >>> from segmenters.batch import EventBatch
    >>> from segmenters.rules import loads
    >>> day = 86_400_000
    >>> old, new = (loads(f"[systems.lifecycle]\nsilent_purchase_days = {n}") for n in (90, 40))
    >>> before, now = Engine(old), Engine(new, patient=True)
    >>> order = EventBatch.from_columns([b"ada"], [0], [0], [995], [1], [1], [False], ["1"])
    >>> done = before.apply(order)
    >>> now.load_rows(*zip(*before.dump_rows(done.dirty)))
    >>> told = Changeover(now, [old], 45 * day, 402).step().build_changes(seen_at=45 * day)
    >>> [(change.from_, change.to, change.at // day, change.cause) for _, change in told]
    [('new', 'active', 30, 'clock'), ('active', 'silent', 45, 'rules')]
    """

    def __init__(self, engine: Engine, laws: Sequence[Rules], clock: Instant, kept: int) -> None:
        self._engine = engine
        self._clock = clock
        self._laws = _by_stamp(laws)
        self._own = {system.key: k for k, system in enumerate(engine.rules.systems)}
        self._left = Counter(map(_stamp, engine.waiting.values()))
        self.moved = 0
        self.settled = 0
        self.told = 0
        for value in engine.waiting.values() if self._left.keys() - self._laws.keys() else ():
            if _stamp(value) not in self._laws:
                raise engine.ledger.explain(value)
        if engine.customers:
            for law in laws:
                check(law, engine.rules, kept)
        engine.wind_own()

    @property
    def more(self) -> bool:
        """Whether customers are left."""
        return bool(self._engine.waiting)

    @property
    def waiting(self) -> int:
        """How many customers are left."""
        return len(self._engine.waiting)

    def rows(self) -> Rows:
        """Return the rows of those left: blank so far."""
        return self._engine.find_rows(list(self._engine.waiting))

    @property
    def left(self) -> list[Rules]:
        """Rules under which customers are left, in the order they were given."""
        laws = [law for stamp, law in self._laws.items() if self._left[stamp]]
        return [law for place, law in enumerate(laws) if law not in laws[:place]]

    @property
    def before(self) -> list[str]:
        """Versions of these rules."""
        return [law.version for law in self.left]

    def step(self, limit: int = SLICE) -> Slice:
        """Bring over some customers; there must be some left."""
        waiting = self._engine.waiting
        stamp = _stamp(next(iter(waiting.values())))
        chosen = {}
        for key, value in waiting.items():
            if _stamp(value) == stamp:
                chosen[key] = value
                if len(chosen) == limit:
                    break
        law = self._laws[stamp]
        old = Engine(law)
        old.ledger.stamp = stamp
        old.load_rows(list(chosen), list(chosen.values()))
        old.wind()
        settled = old.settle(np.arange(old.customers), self._clock)
        judged = self._take(old)
        for key in chosen:
            del waiting[key]
        self._left[stamp] -= len(chosen)
        self.moved += len(chosen)
        self.settled += len(settled.records)
        self.told += len(judged.records)
        return Slice(settled, judged, bool(waiting))

    def _take(self, old: Engine) -> Outcome:
        """Move all rows of an engine, and have the altered systems judge them."""
        engine, systems = self._engine, self._engine.rules.systems
        rows = move(old.ledger, engine.ledger)
        changed = altered(old.rules, engine.rules)
        former: list[tuple[str, ...]] = [()] * len(systems)
        told = np.full((len(rows), len(systems)), UNTOLD, np.int64)
        for before in old.rules.systems:
            k = self._own.get(before.key)
            if k is not None:
                told[:, k], former[k] = _rename(engine.ledger, rows, before, systems[k])
        if DAY_GAPS in engine.layout.measures and DAY_GAPS not in old.layout.measures:
            engine.begin_pace(rows, self._clock)
        if GAPS in engine.layout.measures and GAPS not in old.layout.measures:
            moved = engine.ledger.rows[rows]
            gaps.begin_with_listed(moved, engine.ledger.orders)
            engine.ledger.rows[rows] = moved
        flags = np.array([system.key in changed for system in systems])
        outcome = engine.judge_altered(rows, told, flags, former, self._clock)
        for system in systems:
            _forget(engine.ledger.rows[f"{system.key}_from"], rows, len(system.segments))
        return outcome


def move(old: Ledger, new: Ledger) -> Rows:
    """Copy all customers of a ledger to another by field name; return their rows there.

    A field that is not there, or has another shape, begins as for a new customer.
    """
    count = len(old)
    rows = new.rows_of(old.keys.at(np.arange(count)))
    # Of what an earlier value of the same key may have left:
    stale = new.rows["head"][rows], new.rows["latest"][rows]
    new.rows[rows] = new.blank()
    new.dues[rows] = new.refresh[rows] = FAR
    was, now = old.layout.row.fields, new.layout.row.fields
    for name in set(was or ()) & set(now or ()):
        if was and now and was[name][0] == now[name][0]:
            new.rows[name][rows] = old.rows[name][:count]
    new.fit(int(old.tiles.free[1]), int(old.orders.free[1]))
    for name, before, after, left in (
        ("head", old.tiles, new.tiles, stale[0]),
        ("latest", old.orders, new.orders, stale[1]),
    ):
        new.rows[name][rows] = _move_chains(before, after, old.rows[name][:count], left)
    return rows


def _move_chains(
    old: Pool, new: Pool, firsts: NDArray[np.int32], stale: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Copy chains to another pool by field name; return where they begin there.

    Stale ones are given back. A field that was not there is 0.
    """
    copies = np.empty((2, int(old.free[1])), np.int64)
    heads = np.full(len(firsts), END, np.int32)
    size = _lay_chains(old.links, firsts.copy(), only_links(new), stale, heads, copies)
    source, target = copies[:, :size]
    known = old.cells.dtype.names
    for name in new.cells.dtype.names:
        if name != "next":
            new.cells[name][target] = old.cells[name][source] if name in known else 0
    return heads


@numba.njit(cache=True)
def _lay_chains(old, firsts, new, stale, heads, copies):  # type: ignore[no-untyped-def]
    """Lay chains in another pool, and give stale ones back there; ``heads`` is where they begin.

    Returns how many cells are to be copied: ``copies`` has from where and to where.
    """
    n = 0
    for k in range(len(firsts)):
        give_back(new, stale[k])
        last = END
        j = firsts[k]
        while j != END:
            cell = insert(new, last, END)
            copies[0, n] = j
            copies[1, n] = cell
            n += 1
            if last == END:
                heads[k] = cell
            last = cell
            j = old[j]
    return n


def _rename(
    ledger: Ledger, rows: Rows, before: System, now: System
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Put the segments of moved rows into today's codes.

    Returns
    -------
    told
        Per row the segment told last; one that is no more has a code above all others.
    former
        The names of those, in the order of their codes.
    """
    former = tuple(name for name in before.segments if name not in now.segments)
    names = (*now.segments, *former)
    codes = np.array([names.index(name) for name in before.segments], np.int64)
    own, came = ledger.rows[now.key], ledger.rows[f"{now.key}_from"]
    told = np.where(own[rows] < 0, own[rows], codes[own[rows]])
    own[rows] = np.where(told < len(now.segments), told, UNTOLD)
    came[rows] = np.where(came[rows] < 0, came[rows], codes[came[rows]])
    return told, former


def _forget(came: NDArray[np.int16], rows: Rows, segments: int) -> None:
    """Forget the names of segments that are no more, from which the last changes came."""
    came[rows] = np.where(came[rows] < segments, came[rows], FORGOTTEN)


def _by_stamp(laws: Iterable[Rules]) -> dict[int, Rules]:
    """Return rules by the stamps of the rows they have written.

    Before there were stamps the digest of the layout stood in their place: the oldest rules count.
    """
    found: dict[int, Rules] = {}
    for law in laws:
        layout = compose(law.systems)
        found.setdefault(stamp_of(layout, law), law)
        found.setdefault(layout.digest, law)
    return found


def _stamp(value: bytes) -> int:
    return int.from_bytes(value[:4], "little")
