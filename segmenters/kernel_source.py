"""Write the source of a kernel.

Responsible for what differs between rules: one call per system, one sum per window, one feature per
field, unrolled into ``kernel_template.txt``, which has the course of an event. What is the same for
all rules is plain code in ``segmenters/facts.py``, ``segmenters/measures`` and
``segmenters/changelog.py``.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from segmenters.layout import DAY_GAPS, ENGAGED, GAPS, PROFIT
from segmenters.system import System, damping_of, hooks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segmenters.layout import Layout


def template() -> str:
    """Return the text that all kernels share."""
    return files("segmenters").joinpath("kernel_template.txt").read_text("utf-8")


def write(systems: Sequence[System], layout: Layout) -> str:
    """Return the source of the kernel for these systems, in evaluation order."""
    return template().format(
        features=" ".join(feature_names(systems, layout)),
        parameters=" ".join(parameter_names(systems)),
        keep=layout.kept_days,
        engaged_keep=layout.engaged_days,
        tile_words=layout.tile_words,
        order_words=layout.order_words,
        sums=_lines(_sums(layout), 4),
        widest=max(layout.windows, default=0),
        adding=_lines(_adding(layout), 12),
        leaving=_lines(_leaving(layout), 4),
        surveying=_lines(_surveying(systems), 4),
        looked=_lines(_looked(systems, layout), 8),
        looked_again=_lines(_looked_again(systems, layout), 8),
        copied=_lines([f"o.{name} = f.{name}" for name in feature_names(systems, layout)], 4),
        judging=_lines(_judging(systems), 4),
        standing=_lines([f"o.now_{s.key} = row.{s.key}" for s in systems], 4),
        deadlines=_lines(_deadlines(systems), 4),
        renewing=_lines(_renewing(systems), 4),
        rejudging=_lines(_rejudging(systems), 4),
        told=" ".join(f"told[k, {place}]," for place in range(len(systems))),
        briefing=_lines(_briefing(systems), 4),
        following="\n\n\n".join(_lines(_following(system), 0) for system in systems),
        followed=_lines(
            [f"follow_{s.key}(row, orders, parameters.{s.key}, deed)" for s in systems], 4
        ),
        followed_late=_lines(_followed_late(systems), 4),
        systems=len(systems),
        before=", ".join(f"row.{s.key}" for s in systems) + ",",
        fresh=_lines(_fresh(systems, layout), 4),
        **_measuring(layout),
    )


def feature_names(systems: Sequence[System], layout: Layout) -> list[str]:
    """Return the names of the features, in their order in the tuple and the change record."""
    return list(_features(systems, layout))


def parameter_names(systems: Sequence[System]) -> list[str]:
    """Return the names of what the kernel is given: parameters of each system, then damping."""
    return [s.key for s in systems] + [f"{s.key}_damping" for s in _damped(systems)]


def _damped(systems: Sequence[System]) -> list[System]:
    return [system for system in systems if damping_of(system) is not None]


def _features(systems: Sequence[System], layout: Layout) -> dict[str, tuple[str, bool]]:
    """Return by feature how it is computed, and whether a judgement may change it.

    What days add up to stays while a customer is judged; what stands in the row may not.
    """
    found = {
        "n": ("row.n", False),
        "p0": ("row.p0", False),
        "p": ("row.p", False),
        "e": ("row.e", False),
    }
    for window in layout.windows:
        found |= {f"{figure.upper()}{window}": (f"{figure}{window}", False) for figure in "fm"}
        if PROFIT in layout.measures:
            found[f"P{window}"] = (f"p{window}", False)
    found |= {system.key: (f"row.{system.key}", True) for system in systems}
    for system in systems:
        found |= {name: (f"row.{name}", True) for name in system.features}
        found |= {name: (figure.lower(), False) for name, figure in system.aliases}
        found |= {name: (name, False) for name in system.surveyed}
        for key, name in system.borrows:
            found[f"{key}_{name}"] = (f"{key}_{name}(row, parameters.{key})", True)
    return found


def _lines(lines: Sequence[str], indent: int) -> str:
    return ("\n" + " " * indent).join(lines) if lines else "pass"


def _figures(layout: Layout) -> tuple[tuple[str, str], ...]:
    """Return by letter which field of a tile a window adds up."""
    profit = (("p", "profit"),) if PROFIT in layout.measures else ()
    return (("f", "orders"), ("m", "spend"), *profit)


def _sums(layout: Layout) -> list[str]:
    names = [name for name, _ in _figures(layout)]
    return [
        " = ".join(f"{name}{w}" for name in names) + f" = 0; oldest{w} = NO_DAY"
        for w in layout.windows
    ]


def _adding(layout: Layout) -> list[str]:
    widest = max(layout.windows, default=0)
    lines = []
    for window in layout.windows:
        body = [f"{name}{window} += tile.{field}" for name, field in _figures(layout)]
        body += [
            "if tile.orders != 0 or tile.spend != 0:",
            f"    oldest{window} = tile.day",
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


def _surveying(systems: Sequence[System]) -> list[str]:
    return [
        f"{', '.join(s.surveyed)}, = {s.key}_survey(row, pool, today, starts, parameters.{s.key})"
        for s in systems
        if s.surveyed
    ]


def _looked(systems: Sequence[System], layout: Layout) -> list[str]:
    return [f"np.int64({value})," for value, _ in _features(systems, layout).values()]


def _looked_again(systems: Sequence[System], layout: Layout) -> list[str]:
    return [
        f"np.int64({value})," if moves else f"f.{name},"
        for name, (value, moves) in _features(systems, layout).items()
    ]


def _measuring(layout: Layout) -> dict[str, str]:
    """Return the lines that keep the measures which not all rules have."""
    gaps, profit = GAPS in layout.measures, PROFIT in layout.measures
    engaged, day_gaps = ENGAGED in layout.measures, DAY_GAPS in layout.measures
    order = [
        "tiles.cells[k].profit += profit",
        "if made != END:",
        "    orders.cells[made].profit_left = profit",
    ]
    void = ["gained = take_profit(order, taken, full)", "tiles.cells[j].profit -= gained"]
    engage = [
        "k = tile_of(row, tiles, local_day(ts, starts), KEEP, ENGAGED_KEEP)",
        "tiles.cells[k].engaged += 1",
    ]
    tile_out, tile_in = [], []
    for w, name in enumerate([ENGAGED] * engaged + [PROFIT] * profit, 2):
        tile_out.append(f"words[w + {w}] = tile.{name}")
        tile_in.append(f"tile.{name} = words[w + {w}]")
    return {
        "gaps_order": _lines(["remember_instant(row, ts)"] if gaps else [], 8),
        "gaps_void": _lines(["forget_instant(row, order_ts)"] if gaps else [], 4),
        "profit_order": _lines(order if profit else [], 8),
        "profit_void": _lines(void if profit else [], 4),
        "profit_unlinked": _lines(["tiles.cells[k].profit -= amount"] if profit else [], 12),
        "engage": _lines(engage if engaged else [], 12),
        "pacing": _lines(["row.gap = usual_gap(row, pool, today)"] if day_gaps else [], 4),
        "tile_out": _lines(tile_out, 8),
        "tile_in": _lines(tile_in, 8),
        "order_out": _lines(["words[w + 4] = order.profit_left"] if profit else [], 8),
        "order_in": _lines(["order.profit_left = words[w + 4]"] if profit else [], 8),
    }


def _judging(systems: Sequence[System]) -> list[str]:
    return [line for k in range(len(systems)) for line in _judging_one(systems, k)]


def _renewing(systems: Sequence[System]) -> list[str]:
    lines = []
    for k, system in enumerate(systems):
        key = system.key
        if "renew" in hooks(system):
            body = [*_briefing_one(systems, k), f"{key}_renew(row, parameters.{key}, t)"]
        else:
            body = [f"row.{key} = UNTOLD"]
        if damping_of(system) is not None:
            body += [f"row.{key}_left[:] = NEVER"]
        lines += [f"if altered[{k}]:", *("    " + line for line in body)]
    return lines


def _rejudging(systems: Sequence[System]) -> list[str]:
    lines = []
    for k in range(len(systems)):
        lines += [f"if altered[{k}]:", *("    " + line for line in _judging_one(systems, k))]
    return lines


def _classifying(systems: Sequence[System], k: int) -> list[str]:
    """Find what a system says now, and hold it back where damping wants that."""
    system = systems[k]
    key = system.key
    lines = [f"base = row.{key}", f"code = {key}_classify(f, parameters.{key}, t)"]
    if damping_of(system) is not None:
        lines += [
            "wanted = FREE",
            f"if base != UNTOLD and code != before[{k}]:",
            f"    since, left = row.{key}_since, row.{key}_left[code]",
            f"    if t < released_at(parameters.{key}_damping, since, left):",
            "        wanted = code",
            "        code = base",
            f"if wanted != FREE and wanted != row.{key}_wanted:",
            f"    tally[{k}] += 1",
            f"row.{key}_wanted = wanted",
        ]
    return [*lines, f"row.{key} = code"]


def _judging_one(systems: Sequence[System], k: int) -> list[str]:
    system = systems[k]
    key = system.key
    lines = _classifying(systems, k)
    if "entered" in hooks(system):
        lines += [
            f"if code != base or code != before[{k}]:",
            f"    {key}_entered(",
            f"        row, f, parameters.{key}, t, before[{k}], base, code, cause == CLOCK",
            "    )",
        ]
    lines += [
        f"if code != before[{k}]:",
        "    row.sequence += 1",
        "    tell(",
        f"        out[m], i, {k}, before[{k}], code, t, cause, event, row.sequence,",
        f"        row.{key}_sequence, row.{key}_from, row.{key}_since, row.{key}_clocked, f,",
        "    )",
        "    m += 1",
    ]
    if damping_of(system) is not None:
        lines += [
            f"    if before[{k}] >= 0 and cause != RULES:",
            f"        row.{key}_left[before[{k}]] = t",
        ]
    lines += [
        f"    row.{key}_since = t",
        f"    row.{key}_sequence = row.sequence",
        f"    row.{key}_from = before[{k}]",
        f"    row.{key}_clocked = cause == CLOCK",
    ]
    if any(key in later.needs for later in systems[k + 1 :]):
        lines.append("f = look_again(row, f, parameters)")
    return lines


def _deadlines(systems: Sequence[System]) -> list[str]:
    lines = [f"due = min(due, {s.key}_deadline(f, parameters.{s.key}, t))" for s in systems]
    for system in _damped(systems):
        key = system.key
        lines += [
            f"if row.{key}_wanted != FREE:",
            f"    release = released_at(parameters.{key}_damping, row.{key}_since,",
            f"                          row.{key}_left[row.{key}_wanted])",
            "    if release > t:",
            "        due = min(due, release)",
        ]
    return lines


def _briefing(systems: Sequence[System]) -> list[str]:
    """Judge what systems with a ``briefed`` need, so that their hooks know it with the fact."""
    return [line for k in range(len(systems)) for line in _briefing_one(systems, k)]


def _briefing_one(systems: Sequence[System], k: int) -> list[str]:
    system = systems[k]
    if "briefed" not in hooks(system) or not system.needs:
        return []
    lines = ["f, leave = look(row, t, pool, starts, parameters)"]
    for place, needed in enumerate(systems):
        if needed.key in system.needs:
            lines += _classifying(systems, place)
    return [
        *lines,
        "f = look_again(row, f, parameters)",
        f"{system.key}_briefed(row, f, parameters.{system.key})",
    ]


def _following(system: System) -> list[str]:
    lines = ["@jitable", f"def follow_{system.key}(row, orders, p, deed):"]
    calls = {
        "on_order": ("deed.kind == ORDER", "row, p, deed.ts, deed.number"),
        "on_engagement": ("deed.kind == ENGAGEMENT", "row, p, deed.ts, deed.qualifies"),
        "on_void": (
            "deed.number != 0 and deed.kind != ORDER",
            "row, orders, p, deed.ts, deed.number, deed.order_ts, deed.moved",
        ),
    }
    for hook, (condition, arguments) in calls.items():
        if hook in hooks(system):
            lines += [f"    if {condition}:", f"        {system.key}_{hook}({arguments})"]
    return [*lines, "    return"]


def _followed_late(systems: Sequence[System]) -> list[str]:
    lines = []
    for system in systems:
        key = system.key
        if "undo" in hooks(system):
            lines += [
                "spare[0] = rows[i]",
                f"if {key}_undo(spare[0], orders, parameters.{key}, deed, clock):",
                "    rows[i] = spare[0]",
                "else:",
                f"    {key}_on_late(rows[i], orders, parameters.{key}, deed, clock)",
            ]
        else:
            lines.append(f"follow_{key}(rows[i], orders, parameters.{key}, deed)")
    return lines


def _fresh(systems: Sequence[System], layout: Layout) -> list[str]:
    lines = [f"row.{s.key} = UNTOLD" for s in systems]
    for system in _damped(systems):
        lines += [f"row.{system.key}_left[:] = NEVER", f"row.{system.key}_wanted = FREE"]
    return lines + (["row.gap = UNKNOWN"] if DAY_GAPS in layout.measures else [])


def out_dtype_fields(systems: Sequence[System], layout: Layout) -> list[tuple[Any, ...]]:
    """Return the fields of a change record.

    What happened, what it replaces, the features, and each system's segment after the judgement.
    """
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
        ("previous_clocked", "i2"),
        ("cause", "i2"),
    ]
    features = [(name, "i8") for name in feature_names(systems, layout)]
    return head + features + [(f"now_{system.key}", "i1") for system in systems]
