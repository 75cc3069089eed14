"""Write the source of a kernel.

Responsible for what differs between rules: one call per system, one sum per window, one feature per
field, unrolled into ``kernel_template.txt``, which has the course of an event. What is the same for
all rules is plain code in ``segmenters/facts.py``, ``segmenters/measures`` and
``segmenters/changelog.py``.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from segmenters.system import System, hooks

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
        renewing=_lines(_renewing(systems), 4),
        rejudging=_lines(_rejudging(systems), 4),
        told=" ".join(f"told[k, {place}]," for place in range(len(systems))),
        gaps_order=_lines(["remember_instant(row, ts)"] if "gaps" in layout.measures else [], 8),
        gaps_void=_lines(["forget_instant(row, order_ts)"] if "gaps" in layout.measures else [], 4),
        following="\n\n\n".join(_lines(_following(system), 0) for system in systems),
        followed=_lines([f"follow_{s.key}(row, parameters.{s.key}, deed)" for s in systems], 4),
        followed_late=_lines(_followed_late(systems), 4),
        systems=len(systems),
        before=", ".join(f"row.{s.key}" for s in systems) + ",",
        fresh=_lines([f"row.{s.key} = UNTOLD" for s in systems], 4),
    )


KEPT_DAYS = 402
"""Days kept behind the widest window: a late fact (400 days at most) may be judged there."""


def feature_names(systems: Sequence[System], layout: Layout) -> list[str]:
    """Return the names of the features, in their order in the tuple and the change record."""
    names = ["n", "p0", "p", "e"]
    for window in layout.windows:
        names += [f"F{window}", f"M{window}"]
    names += [system.key for system in systems]
    for system in systems:
        names += system.features
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
        values += [f"row.{name}" for name in system.features]
    return [f"np.int64({value})," for value in values]


def _judging(systems: Sequence[System]) -> list[str]:
    return [line for k in range(len(systems)) for line in _judging_one(systems, k)]


def _renewing(systems: Sequence[System]) -> list[str]:
    lines = []
    for k, system in enumerate(systems):
        key = system.key
        renewed = f"{key}_renew(row, parameters.{key}, t)"
        forgotten = f"row.{key} = UNTOLD"
        lines += [f"if altered[{k}]:", f"    {renewed if 'renew' in hooks(system) else forgotten}"]
    return lines


def _rejudging(systems: Sequence[System]) -> list[str]:
    lines = []
    for k in range(len(systems)):
        lines += [f"if altered[{k}]:", *("    " + line for line in _judging_one(systems, k))]
    return lines


def _judging_one(systems: Sequence[System], k: int) -> list[str]:
    system = systems[k]
    key = system.key
    lines = [
        f"base = row.{key}",
        f"code = {key}_classify(f, parameters.{key}, t)",
        f"row.{key} = code",
    ]
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
        f"    row.{key}_since = t",
        f"    row.{key}_sequence = row.sequence",
        f"    row.{key}_from = before[{k}]",
        f"    row.{key}_clocked = cause == CLOCK",
    ]
    if any(key in later.needs for later in systems[k + 1 :]):
        lines.append("f, leave = look(row, t, pool, starts)")
    return lines


def _deadlines(systems: Sequence[System]) -> list[str]:
    return [f"due = min(due, {s.key}_deadline(f, parameters.{s.key}, t))" for s in systems]


def _following(system: System) -> list[str]:
    lines = ["@register_jitable", f"def follow_{system.key}(row, p, deed):"]
    calls = {
        "on_order": ("deed.kind == ORDER", "deed.ts, deed.number"),
        "on_engagement": ("deed.kind == ENGAGEMENT", "deed.ts, deed.qualifies"),
        "on_void": (
            "deed.number != 0 and deed.kind != ORDER",
            "deed.ts, deed.number, deed.order_ts, deed.moved",
        ),
    }
    for hook, (condition, arguments) in calls.items():
        if hook in hooks(system):
            lines += [
                f"    if {condition}:",
                f"        {system.key}_{hook}(row, p, {arguments})",
            ]
    return [*lines, "    return"]


def _followed_late(systems: Sequence[System]) -> list[str]:
    lines = []
    for system in systems:
        key = system.key
        if "undo" in hooks(system):
            lines += [
                "spare[0] = rows[i]",
                f"if {key}_undo(spare[0], parameters.{key}, deed, clock):",
                "    rows[i] = spare[0]",
                "else:",
                f"    {key}_on_late(rows[i], parameters.{key}, deed, clock)",
            ]
        else:
            lines.append(f"follow_{key}(rows[i], parameters.{key}, deed)")
    return lines


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
        ("previous_clocked", "i2"),
        ("cause", "i2"),
    ]
    return head + [(f"{name}", "i8") for name in feature_names(systems, layout)]
