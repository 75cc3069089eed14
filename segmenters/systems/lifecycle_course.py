"""Follow one customer through the lifecycle: by time, and by facts that come in time.

Responsible for the rule itself, in compiled code on features and rows. Late facts are the business
of ``lifecycle_late.py``; parameters, names and labels stand in ``lifecycle.py``.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from segmenters.instants import FAR
from segmenters.jitable import jitable
from segmenters.measures.gaps import gap_quantile
from segmenters.pools import END

PROSPECT: Final = 0
NEW: Final = 1
ACTIVE: Final = 2
SILENT: Final = 3
CHURNED: Final = 4
REACTIVATED: Final = 5


class View(NamedTuple):
    """The features of the lifecycle, taken from the row itself while a fact is followed."""

    n: int
    p0: int
    p: int
    e: int
    lifecycle: int
    silent_after: int
    churned_after: int
    engaged_after: int
    quiet_since: int
    react_at: int


@jitable
def view(row: Any) -> Any:
    """Look at a row as it is."""
    return View(
        row.n,
        row.p0,
        row.p,
        row.e,
        row.lifecycle,
        row.silent_after,
        row.churned_after,
        row.engaged_after,
        row.quiet_since,
        row.react_at,
    )


@jitable
def stage_at(f: Any, p: Any, t: int) -> int:
    """Follow time from the segment a fact has left the customer in."""
    stage = f.lifecycle
    if f.n == 0:
        return PROSPECT
    if stage == CHURNED:
        return CHURNED
    if stage == SILENT:
        return CHURNED if t >= churn_at(f, p, f.quiet_since) else SILENT
    if t >= silence_at(f):
        return CHURNED if t >= churn_at(f, p, f.e) else SILENT
    if t >= graduation_at(f, p):
        return ACTIVE
    return NEW if stage < NEW else int(stage)  # orders, yet nothing told: they have just begun


@jitable
def stage_ends_at(f: Any, p: Any) -> int:
    """Return the instant of silence, churn or graduation, whichever comes first."""
    stage = f.lifecycle
    if stage in (PROSPECT, CHURNED):
        return FAR
    if stage == SILENT:
        return churn_at(f, p, f.quiet_since)
    return min(silence_at(f), graduation_at(f, p))


@jitable
def silence_at(f: Any) -> int:
    """Return the instant at which a customer who does nothing more falls silent."""
    return silence_after(f, f.e)


@jitable
def silence_after(f: Any, engaged: int) -> int:
    """Return that instant for one who engaged last at ``engaged``."""
    instant = f.p + f.silent_after
    if f.engaged_after > 0:
        instant = max(instant, engaged + f.engaged_after)
    return int(instant)


@jitable
def silence_ahead(row: Any) -> int:
    """Return when a customer falls silent if nothing happens; FAR for one who is, or cannot."""
    if row.n == 0 or row.lifecycle not in (NEW, ACTIVE, REACTIVATED):
        return FAR
    return silence_at(view(row))


@jitable
def churn_at(f: Any, p: Any, engaged: int) -> int:
    """Return the instant at which a customer, silent since after ``engaged``, is lost."""
    instant = f.p + f.churned_after
    if p.churned_engagement > 0:
        instant = max(instant, engaged + p.churned_engagement)
    return int(instant)


@jitable
def graduation_at(f: Any, p: Any) -> int:
    """Return the instant at which new or reactivated ends by time."""
    if f.lifecycle == NEW and p.new_time > 0:
        return int(f.p0 + p.new_time)
    if f.lifecycle == REACTIVATED and p.reactivated_time > 0:
        return int(f.react_at + p.reactivated_time)
    return FAR


@jitable
def fix_thresholds(row: Any, p: Any) -> None:
    """Fix the silent and churned thresholds of the customer as of the last order."""
    row.silent_after = p.silent_purchase[row.value_then]
    row.engaged_after = p.silent_engagement[row.value_then]
    row.churned_after = max(p.churned_purchase, row.silent_after)
    if p.cadence and row.rhythm_n > p.min_gaps:
        gap = gap_quantile(row, p.quantile)
        silent = min(max(gap * p.silent_pct // 100, p.silent_least), p.silent_most)
        churned = min(max(gap * p.churned_pct // 100, p.churned_least), p.churned_most)
        row.silent_after = silent
        row.engaged_after = min(p.cadence_engagement, silent)
        row.churned_after = max(churned, silent)


@jitable
def take_order(row: Any, p: Any, t: int, ts: int, number: int) -> None:
    """Begin, wake or graduate at ``t`` by an order of ``ts``, and fix the thresholds anew."""
    fix_thresholds(row, p)
    stage = row.lifecycle
    if stage in (SILENT, CHURNED):
        wake(row, t, number)
        return
    if ts >= row.react_at:
        row.react_n += 1
    if stage == NEW:
        if p.new_orders > 0 and row.n >= p.new_orders:
            end_by_count(row, number)
    elif stage == REACTIVATED:
        if p.reactivated_orders > 0 and row.react_n >= p.reactivated_orders:
            end_by_count(row, number)
    elif stage != ACTIVE:
        row.lifecycle = NEW
        row.ended_no = 0
        row.react_at = 0  # what came back before all orders were taken back is forgotten


@jitable
def wake(row: Any, t: int, number: int) -> None:
    """Bring a silent or churned customer back, by an order or (0) by engagement."""
    row.lifecycle = REACTIVATED
    row.react_at = t
    row.react_no = number
    row.react_n = 0
    row.ended_no = 0


@jitable
def end_by_count(row: Any, number: int) -> None:
    """Graduate a customer by an order, remembering which, in case it is taken back."""
    row.ended_from = row.lifecycle
    row.ended_no = number
    row.lifecycle = ACTIVE


@jitable
def take_engagement(row: Any, p: Any, t: int) -> None:
    """Count qualifying engagements of a silent customer: enough within a short time wake."""
    if p.wake_engagements == 0 or row.lifecycle not in (SILENT, CHURNED):
        return
    if row.wakes_n == p.wake_engagements:
        for k in range(row.wakes_n - 1):
            row.wakes[k] = row.wakes[k + 1]
        row.wakes_n -= 1
    row.wakes[row.wakes_n] = t
    row.wakes_n += 1
    if row.wakes_n == p.wake_engagements and t < row.wakes[0] + p.wake_time:
        wake(row, t, 0)


@jitable
def take_removal(
    row: Any, orders: Any, p: Any, t: int, number: int, order_ts: int, moved: bool
) -> None:
    """Take back at ``t`` what a removed order did: the return it made, or the end of a stage."""
    if row.n == 0:
        return
    if moved:
        fix_thresholds(row, p)
    stage = row.lifecycle
    if number != row.react_no and order_ts >= row.react_at:
        row.react_n = max(row.react_n - 1, 0)
    if stage == REACTIVATED and number == row.react_no:
        if row.react_n > 0:
            follow_up(row, orders)
        else:
            row.lifecycle = SILENT
            row.silent_at = t
            row.wakes_n = 0
    elif moved and stage in (NEW, ACTIVE, REACTIVATED) and t >= silence_at(view(row)):
        fall_silent(row, t)
        row.lifecycle = SILENT
    elif stage == ACTIVE and number == row.ended_no:
        begin_again(row, p, t)


@jitable
def follow_up(row: Any, orders: Any) -> None:
    """Let the order after a removed return take its place: it would have woken the customer."""
    k = row.latest
    before = orders[k].next
    while before != END and orders[before].ts >= row.react_at:
        k = before
        before = orders[k].next
    row.react_at = orders[k].ts
    row.react_no = orders[k].number
    row.react_n -= 1


@jitable
def begin_again(row: Any, p: Any, t: int) -> None:
    """Go back to new or reactivated, whose end by count was taken back, if its days still run."""
    if row.ended_from == NEW:
        enough = row.n >= p.new_orders
        over = p.new_time > 0 and t >= row.p0 + p.new_time
    else:
        enough = row.react_n >= p.reactivated_orders
        over = p.reactivated_time > 0 and t >= row.react_at + p.reactivated_time
    if not enough and not over:
        row.lifecycle = row.ended_from
        row.ended_no = 0


@jitable
def enter(row: Any, t: int, before: int, moved: int, after: int, clocked: bool) -> None:
    """Note a move at ``t``: from ``before`` to ``moved`` by a fact, on to ``after`` by time.

    A move made by nothing but time may be undone by a late fact: what it came from is kept.
    """
    row.by_time = before == moved and after != PROSPECT
    if row.by_time:
        row.was = before
        row.was_at = row.entered_at
        row.was_clocked = row.entered_clocked
        row.was_quiet = row.quiet_since
    row.entered_at = t
    row.entered_clocked = clocked
    if moved not in (after, SILENT) and after in (SILENT, CHURNED):
        fall_silent(row, t)


@jitable
def fall_silent(row: Any, t: int) -> None:
    """Note what a silence begins with: the last engagement before it, and no sign of waking."""
    row.silent_at = t
    row.quiet_since = row.e
    row.wakes_n = 0


@jitable
def judge_plainly(row: Any, p: Any, t: int) -> None:
    """Judge by the thresholds of other rules, from what the row keeps.

    The silence is counted from the last order and the last engagement before it, under these
    thresholds; one whom they do not call silent is what the last return, or else the first order,
    has made of her. The count of engagements that wake begins anew, and no earlier change can be
    taken back any more.
    """
    fix_thresholds(row, p)
    row.by_time = False
    row.ended_no = 0
    latched = row.lifecycle in (SILENT, CHURNED)
    engaged = row.quiet_since if latched else row.e
    f = view(row)
    if row.n == 0:
        row.lifecycle = PROSPECT
    elif t >= silence_after(f, engaged):
        if latched:
            row.wakes_n = 0
        else:
            fall_silent(row, t)
        row.lifecycle = CHURNED if t >= churn_at(f, p, engaged) else SILENT
    else:
        row.lifecycle = REACTIVATED if row.react_at > 0 else NEW
        if has_ended_by_count(row, p):
            row.lifecycle = ACTIVE
        row.lifecycle = stage_at(view(row), p, t)


@jitable
def has_ended_by_count(row: Any, p: Any) -> bool:
    """Tell whether new or reactivated has had the orders that end it."""
    if row.lifecycle == NEW:
        return bool(p.new_orders > 0 and row.n >= p.new_orders)
    return bool(p.reactivated_orders > 0 and row.react_n >= p.reactivated_orders)
