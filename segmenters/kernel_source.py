"""Write the source of a kernel.

Responsible for the text alone. What differs between rules is unrolled here: one call per system, one sum per window,
one feature per field. The rest of the kernel is plain code in ``segmenters/facts.py`` and ``segmenters/measures``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segmenters.layout import Layout
from segmenters.system import System, hooks

SCALAR = 2


def write(systems: Sequence[System], layout: Layout) -> str:
    """Return the source of the kernel for these systems, in evaluation order."""
    return _TEMPLATE.format(
        features=" ".join(feature_names(systems, layout)),
        parameters=" ".join(system.key for system in systems),
        keep=max(layout.windows, default=0) + KEPT_DAYS,
        sums=_lines(_sums(layout), 4),
        widest=max(layout.windows, default=0),
        adding=_lines(_adding(layout), 12),
        leaving=_lines(_leaving(layout), 4),
        looked=_lines(_looked(systems, layout), 8),
        copied=_lines([f"o.{name} = f.{name}" for name in feature_names(systems, layout)], 4),
        judging=_lines(_judging(systems), 4),
        deadlines=_lines(_deadlines(systems), 4),
        rewound=_lines(_deadlines(systems), 8),
        gaps_order=_lines(["remember_instant(row, ts)"] if "gaps" in layout.measures else [], 8),
        gaps_void=_lines(
            ["forget_instant(row, order_ts)"] if "gaps" in layout.measures else [], 12
        ),
        on_order=_lines(_calls(systems, "on_order", "ts, order"), 8),
        on_engagement=_lines(_calls(systems, "on_engagement", "ts, qualifies"), 8),
        on_void=_lines(
            _calls(systems, "on_void", "ts, order_ts, order, last_order(row) != before"), 12
        ),
        systems=len(systems),
        before=", ".join(f"row.{s.key}" for s in systems) + ",",
        fresh=_lines([f"row.{s.key} = UNTOLD" for s in systems], 4),
    )


KEPT_DAYS = 402
"""Days kept behind the widest window: a late fact (400 days at most) may be judged there."""


def feature_names(systems: Sequence[System], layout: Layout) -> list[str]:
    """Return the names of the features, in the order of the features tuple and the change record."""
    names = ["n", "p0", "p", "e"]
    for window in layout.windows:
        names += [f"F{window}", f"M{window}"]
    names += [system.key for system in systems]
    for system in systems:
        names += [field[0] for field in system.state if len(field) == SCALAR]
    return names


def _lines(lines: Sequence[str], indent: int) -> str:
    return ("\n" + " " * indent).join(lines) if lines else "pass"


def _sums(layout: Layout) -> list[str]:
    return [f"f{w} = m{w} = 0; oldest{w} = NO_DAY" for w in layout.windows]


def _adding(layout: Layout) -> list[str]:
    widest = max(layout.windows, default=0)
    lines = []
    for window in layout.windows:
        body = [
            f"f{window} += tile.orders",
            f"m{window} += tile.spend",
            f"oldest{window} = tile.day",
        ]
        if window == widest:
            lines += body
        else:
            lines += [f"if age < {window}:", *("    " + line for line in body)]
    return lines


def _leaving(layout: Layout) -> list[str]:
    lines = []
    for window in layout.windows:
        lines += [
            f"if oldest{window} != NO_DAY:",
            f"    leave = min(leave, day_start(oldest{window} + {window}, starts))",
        ]
    return lines


def _looked(systems: Sequence[System], layout: Layout) -> list[str]:
    values = ["row.n", "first_order(row)", "last_order(row)", "row.e"]
    for window in layout.windows:
        values += [f"f{window}", f"m{window}"]
    values += [f"row.{system.key}" for system in systems]
    for system in systems:
        values += [f"row.{field[0]}" for field in system.state if len(field) == SCALAR]
    return [f"np.int64({value})," for value in values]


def _judging(systems: Sequence[System]) -> list[str]:
    lines: list[str] = []
    for k, system in enumerate(systems):
        key = system.key
        lines += [
            f"base = row.{key}",
            f"code = {key}_classify(f, parameters.{key}, t)",
            f"row.{key} = code",
        ]
        if "entered" in hooks(system):
            lines += [
                "if code != base:",
                f"    {key}_entered(row, f, parameters.{key}, t, base, code)",
            ]
        lines += [
            f"if code != before[{k}]:",
            "    row.sequence += 1",
            f"    tell(out[m], i, {k}, before[{k}], code, t, cause, event, row.sequence, row.{key}_sequence, row.{key}_from, row.{key}_since, f)",
            "    m += 1",
            f"    row.{key}_since = t",
            f"    row.{key}_sequence = row.sequence",
            f"    row.{key}_from = before[{k}]",
        ]
        if any(key in later.needs for later in systems[k + 1 :]):
            lines.append("f, leave = look(row, t, pool, starts)")
    return lines


def _deadlines(systems: Sequence[System]) -> list[str]:
    return [f"due = min(due, {s.key}_deadline(f, parameters.{s.key}, t))" for s in systems]


def _calls(systems: Sequence[System], hook: str, arguments: str) -> list[str]:
    return [
        f"{s.key}_{hook}(row, parameters.{s.key}, {arguments})" for s in systems if hook in hooks(s)
    ]


def out_dtype_fields(systems: Sequence[System], layout: Layout) -> list[tuple[Any, ...]]:
    """Return the fields of a change record: what happened, what it replaces, and the features."""
    head: list[tuple[Any, ...]] = [
        ("at", "i8"),
        ("previous_at", "i8"),
        ("row", "i4"),
        ("event", "i4"),
        ("sequence", "i4"),
        ("previous_sequence", "i4"),
        ("system", "i2"),
        ("before", "i2"),
        ("after", "i2"),
        ("previous_from", "i2"),
        ("cause", "i2"),
    ]
    return head + [(f"{name}", "i8") for name in feature_names(systems, layout)]


_TEMPLATE = '''\
"""Generated from the rules: the kernel for {parameters}. Do not edit; segmenters/kernel_source.py writes it."""
from collections import namedtuple

import numpy as np
from numba import njit
from numba.extending import register_jitable

from segmenters.calendar import day_start, local_day
from segmenters.facts import CANCEL, ENGAGEMENT, ORDER, REFUND, checksum, remember_event, seen_before
from segmenters.instants import FAR, NEVER
from segmenters.measures.gaps import forget_instant, remember_instant
from segmenters.measures.orders import find_order, first_order, forget_order, last_order, remember_order
from segmenters.measures.tiles import END, add_to_day, give_back_all, take_tile

Features = namedtuple("Features", "{features}")
Parameters = namedtuple("Parameters", "{parameters}")
EVENT, CLOCK, RULES, CUTS, CORRECTION, ERASURE = range(6)
UNTOLD = -1
NO_DAY = -(1 << 31)
KEEP = {keep}
SYSTEMS = {systems}
NEXT, TOLD, DIRTY, DUPLICATE, LATE, REFUSED = range(6)


@register_jitable
def look(row, t, pool, starts):
    """Compute the features at an instant, and when a day next leaves a window."""
    today = local_day(t, starts)
    {sums}
    k = row.head
    while k != END:
        tile = pool[k]
        age = today - tile.day
        if age >= {widest}:
            break
        if age >= 0:
            {adding}
        k = tile.next
    leave = FAR
    {leaving}
    return (
        Features(
        {looked}
        ),
        leave,
    )


@register_jitable
def tell(o, i, system, before, after, t, cause, event, sequence, previous_sequence, previous_from, previous_at, f):
    """Write one change."""
    o.at = t
    o.previous_at = previous_at
    o.row = i
    o.event = event
    o.sequence = sequence
    o.previous_sequence = previous_sequence
    o.system = system
    o.before = before
    o.after = after
    o.previous_from = previous_from
    o.cause = cause
    {copied}


@register_jitable
def judge(row, i, t, cause, event, before, pool, starts, parameters, out, m):
    """Judge a customer at an instant: tell every system whose segment differs from ``before``, return the next due."""
    first = m
    f, leave = look(row, t, pool, starts)
    {judging}
    if m > first:
        row.settled = max(row.settled, t)
        f, leave = look(row, t, pool, starts)
    due = leave
    {deadlines}
    return m, due


@register_jitable
def remember(row, ts, kind, amount, order, qualifies, pool, free, starts, parameters):
    """Put a fact into the customer's memory, and let the systems follow it."""
    if kind == ORDER:
        remember_order(row, ts, order, amount)
        add_to_day(row, pool, free, local_day(ts, starts), 1, amount, KEEP)
        {gaps_order}
        {on_order}
    elif kind == ENGAGEMENT:
        if qualifies:
            row.e = max(row.e, ts)
        {on_engagement}
    else:
        k = find_order(row, order)
        if k < 0:
            if kind == REFUND:
                add_to_day(row, pool, free, local_day(ts, starts), 0, -amount, KEEP)
            return
        order_ts = row.order_ts[k]
        left = row.order_left[k]
        taken = amount if kind == REFUND else max(left, 0)
        full = kind == CANCEL or left <= taken
        add_to_day(row, pool, free, local_day(order_ts, starts), -1 if full else 0, -taken, KEEP)
        row.order_left[k] = left - taken
        if full:
            before = last_order(row)
            forget_order(row, k)
            {gaps_void}
            {on_void}


@register_jitable
def segments_of(row):
    return ({before})


@register_jitable
def settle(row, i, due, clock, inclusive, pool, starts, parameters, out, m):
    """Fire the customer's deadlines before ``clock`` (or up to it), in order; stop early when ``out`` is full."""
    while due < clock or (inclusive and due == clock):
        if len(out) - m < SYSTEMS:
            return m, due, False
        m, due = judge(row, i, due, CLOCK, -1, segments_of(row), pool, starts, parameters, out, m)
    return m, due, True


@register_jitable
def mark(i, stamps, stamp, dirty, count):
    if stamps[i] != stamp:
        stamps[i] = stamp
        dirty[count[DIRTY]] = i
        count[DIRTY] += 1


@njit(cache=True)
def apply(rows, dues, stamps, pool, free, starts, parameters, who, tss, kinds, amounts, orders, events, qualifies,
          clock, lateness, stamp, out, dirty, refused, count):
    """Apply facts from count[NEXT] on, in order; return when all are applied or ``out`` is full."""
    m = 0
    for k in range(count[NEXT], len(who)):
        count[NEXT] = k
        count[TOLD] = m
        if len(out) - m < 2 * SYSTEMS:
            return
        i = who[k]
        row = rows[i]
        ts = tss[k]
        late = ts < row.settled
        t = max(clock, row.settled) if late else ts
        if seen_before(row, events[k]):
            count[DUPLICATE] += 1
            continue
        if late and ts < t - lateness:
            refused[count[REFUSED]] = k
            count[REFUSED] += 1
            continue
        if row.judged:
            m, dues[i], done = settle(row, i, dues[i], t, False, pool, starts, parameters, out, m)
            if m > count[TOLD]:
                mark(i, stamps, stamp, dirty, count)
            count[TOLD] = m
            if not done or len(out) - m < SYSTEMS:
                return
        mark(i, stamps, stamp, dirty, count)
        remember_event(row, events[k])
        before = segments_of(row)
        remember(row, ts, kinds[k], amounts[k], orders[k], qualifies[k], pool, free, starts, parameters)
        if late:
            count[LATE] += 1
        else:
            row.settled = ts
        if row.judged == 0:
            if kinds[k] == REFUND or kinds[k] == CANCEL:
                continue
            row.judged = 1
        m, dues[i] = judge(row, i, t, CORRECTION if late else EVENT, k, before, pool, starts, parameters, out, m)
    count[NEXT] = len(who)
    count[TOLD] = m


@njit(cache=True)
def tick(rows, dues, stamps, pool, starts, parameters, who, clock, inclusive, stamp, out, dirty, count):
    """Settle these customers from count[NEXT] on; return when all are settled or ``out`` is full."""
    m = 0
    count[TOLD] = 0
    for k in range(count[NEXT], len(who)):
        i = who[k]
        count[NEXT] = k
        m, dues[i], done = settle(rows[i], i, dues[i], clock, inclusive, pool, starts, parameters, out, m)
        if m > count[TOLD]:
            mark(i, stamps, stamp, dirty, count)
        count[TOLD] = m
        if not done:
            return
    count[NEXT] = len(who)


@njit(cache=True)
def foresee(rows, dues, pool, starts, parameters, who, steps, first, scratch, told, until, following):
    """Find, for each customer, the next change of each system if nothing happens, over at most ``steps`` dues.

    ``until[k]``: first instant at which any segment changes, or the last due looked at; ``following[k, s]``: the code
    that follows in system s, or UNTOLD; ``told[k, s]``: when. With ``first`` the look ends at the first change.
    """
    out = scratch[1]
    for k in range(len(who)):
        i = who[k]
        rows_scratch = scratch[0]
        rows_scratch[0] = rows[i]
        row = rows_scratch[0]
        due = dues[i]
        until[k] = FAR
        for s in range(SYSTEMS):
            following[k, s] = UNTOLD
            told[k, s] = FAR
        for step in range(steps):
            if due >= FAR or (first and until[k] < FAR):
                break
            t = due
            m, due = judge(row, i, t, CLOCK, -1, segments_of(row), pool, starts, parameters, out, 0)
            for j in range(m):
                s = out[j].system
                if following[k, s] == UNTOLD:
                    following[k, s] = out[j].after
                    told[k, s] = t
                until[k] = min(until[k], t)
            if step == steps - 1:
                until[k] = min(until[k], due)


@njit(cache=True)
def publish(rows, dues, refresh, pool, starts, parameters, dirty, changed, steps, early, scratch, told, until,
            following, shown):
    """Find which of these customers' cached profiles no longer hold, and note what will be told of them.

    One whose segments changed, or whose next due comes before the told ``valid_until``, is looked at afresh. Returns
    how many of ``shown`` are filled.
    """
    n = 0
    one = np.empty(1, np.int64)
    for k in range(len(dirty)):
        i = dirty[k]
        row = rows[i]
        row.version += 1
        if row.judged == 0:
            continue
        if not changed[k] and dues[i] >= row.until:
            continue
        one[0] = i
        foresee(rows, dues, pool, starts, parameters, one, steps, True, scratch, told, until, following)
        if not changed[k] and until[0] == row.until:
            continue
        row.until = until[0]
        refresh[i] = until[0] - early
        shown[n] = i
        n += 1
    return n


@njit(cache=True)
def freshen(rows, dues, refresh, pool, starts, parameters, who, steps, early, scratch, told, until,
            following, shown):
    """Look again at profiles whose told ``valid_until`` is near: facts may have moved it later. Returns how many did."""
    n = 0
    one = np.empty(1, np.int64)
    for k in range(len(who)):
        i = who[k]
        one[0] = i
        foresee(rows, dues, pool, starts, parameters, one, steps, True, scratch, told, until, following)
        refresh[i] = FAR
        if until[0] != rows[i].until:
            rows[i].until = until[0]
            rows[i].version += 1
            refresh[i] = until[0] - early
            shown[n] = i
            n += 1
    return n


@njit(cache=True)
def open_rows(rows, dues, refresh, start, stop):
    """Make rows of customers nobody has seen yet."""
    for i in range(start, stop):
        open_row(rows[i])
        dues[i] = FAR
        refresh[i] = FAR


@register_jitable
def open_row(row):
    row.settled = NEVER
    row.e = NEVER
    row.until = FAR
    row.head = END
    {fresh}


@njit(cache=True)
def sizes(rows, who, offsets, fixed, tile):
    """Fill the offsets of the changelog values of these customers in one buffer."""
    total = 0
    for k in range(len(who)):
        offsets[k] = total
        total += fixed + tile * rows[who[k]].tiles
    offsets[len(who)] = total


@njit(cache=True)
def pack(rows, row_bytes, pool, who, offsets, buffer, words, digest):
    """Write changelog values: digest, checksum, row, tiles."""
    size = row_bytes.shape[1]
    for k in range(len(who)):
        i = who[k]
        a = offsets[k]
        b = a + 8
        for j in range(size):
            buffer[b + j] = row_bytes[i, j]
        w = (b + size) // 8
        j = rows[i].head
        while j != END:
            words[w] = pool[j].spend
            words[w + 1] = (np.int64(pool[j].orders) << 32) | (np.int64(pool[j].day) & 0xFFFFFFFF)
            w += 2
            j = pool[j].next
        words[a // 8] = (np.int64(checksum(words[b // 8 : offsets[k + 1] // 8])) << 32) | digest


@njit(cache=True)
def unpack(rows, row_bytes, pool, free, who, offsets, buffer, words, digest):
    """Read changelog values into rows; return the place of the first that is not one, or -1."""
    size = row_bytes.shape[1]
    for k in range(len(who)):
        a = offsets[k]
        z = offsets[k + 1]
        if z - a < 8 + size or (z - a - 8 - size) % 16 != 0:
            return k
        head = words[a // 8]
        if head & 0xFFFFFFFF != digest:
            return k
        if (head >> 32) & 0xFFFFFFFF != checksum(words[a // 8 + 1 : z // 8]):
            return k
        i = who[k]
        row = rows[i]
        give_back_all(row, pool, free)
        for j in range(size):
            row_bytes[i, j] = buffer[a + 8 + j]
        row.head = END
        last = END
        w = (a + 8 + size) // 8
        while w < z // 8:
            new = take_tile(free, pool)
            pool[new].spend = words[w]
            pool[new].orders = words[w + 1] >> 32
            pool[new].day = np.int32(words[w + 1] & 0xFFFFFFFF)
            pool[new].next = END
            if last == END:
                row.head = new
            else:
                pool[last].next = new
            last = new
            w += 2
    return -1


@njit(cache=True)
def wind(rows, dues, refresh, pool, starts, parameters, n, early):
    """Derive the due column from the rows: deadlines are never stored."""
    for i in range(n):
        row = rows[i]
        if row.judged == 0:
            dues[i] = FAR
            refresh[i] = FAR
            continue
        t = row.settled
        f, leave = look(row, t, pool, starts)
        due = leave
        {rewound}
        dues[i] = due
        refresh[i] = row.until - early if row.until < FAR else FAR
'''
