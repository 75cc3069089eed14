"""Follow one customer through the lifecycle by facts that come late.

Responsible for what a late fact changes: it may undo the last change, if nothing but time made it;
else it is taken at the clock. In compiled code, on rows.
"""

from __future__ import annotations

from typing import Any

from segmenters.facts import ENGAGEMENT, ORDER
from segmenters.jitable import jitable
from segmenters.systems.lifecycle_course import (
    CHURNED,
    SILENT,
    enter,
    fix_thresholds,
    stage_at,
    stage_ends_at,
    take_engagement,
    take_order,
    take_removal,
    view,
    wake,
)


@jitable
def precedes(ts: int, at: int, clocked: bool) -> bool:
    """Tell whether a fact comes before a change: at a deadline's own instant the fact is first."""
    return ts < at or (ts == at and clocked)


@jitable
def relive(row: Any, orders: Any, p: Any, deed: Any, clock: int) -> bool:
    """Go back before the last change, take the fact there, and run the deadlines before the clock.

    Returns
    -------
    bool
        Whether the last change would not have happened so; if False, the row is of no use.
    """
    told, told_at = row.lifecycle, row.entered_at
    if not row.by_time or not precedes(deed.ts, told_at, row.entered_clocked):
        return False
    if precedes(deed.ts, row.was_at, row.was_clocked):
        return False
    row.lifecycle = row.was
    row.entered_at = row.was_at
    row.entered_clocked = row.was_clocked
    if row.lifecycle != SILENT:  # churned goes on with the silence it came from
        row.quiet_since = row.was_quiet
    row.by_time = False
    before = row.lifecycle
    take(row, orders, p, deed)
    t = deed.ts
    clocked = False
    unmoved = True
    while t < clock:
        moved = row.lifecycle
        after = stage_at(view(row), p, t)
        if unmoved and after != before:
            if after == told and t == told_at:
                return False
            unmoved = False
        if not before == moved == after:
            row.lifecycle = after
            enter(row, t, before, moved, after, clocked)
        before = after
        t = stage_ends_at(view(row), p)
        clocked = True
    return True


@jitable
def take(row: Any, orders: Any, p: Any, deed: Any) -> None:
    """Take a fact at its own instant."""
    if deed.kind == ORDER:
        take_order(row, p, deed.ts, deed.ts, deed.number)
    elif deed.kind == ENGAGEMENT:
        if deed.qualifies:
            take_engagement(row, p, deed.ts)
    elif deed.number != 0:
        take_removal(row, orders, p, deed.ts, deed.number, deed.order_ts, deed.moved)


@jitable
def take_at_clock(row: Any, orders: Any, p: Any, deed: Any, clock: int) -> None:
    """Take a late fact that undoes nothing, at the clock.

    An order wakes only a customer whom it would still keep from silence; an engagement counts
    towards no waking, but may be the last before the silence.
    """
    silent = row.lifecycle in (SILENT, CHURNED)
    if deed.kind == ORDER:
        if silent:
            fix_thresholds(row, p)
            if deed.ts + row.silent_after > clock:
                wake(row, clock, deed.number)
        else:
            take_order(row, p, clock, deed.ts, deed.number)
    elif deed.kind == ENGAGEMENT:
        if silent and deed.qualifies and deed.ts < row.silent_at:
            row.quiet_since = max(row.quiet_since, deed.ts)
    elif deed.number != 0:
        take_removal(row, orders, p, clock, deed.number, deed.order_ts, deed.moved)
