"""Tell what other rules would make of a history: the part of `rewake replay` behind ``--compare``.

Responsible for running both, and for how the comparison reads. What is compared, and how, is
`segmenters.reports.comparison`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import typer

from schemas.instants import EARLIEST
from segmenters.reports.comparison import Apart, Shared, compare
from streams.cli.inputs import say_skipped
from streams.cli.output import print_json, print_table, right, say
from streams.cli.progress import bars
from streams.history import read_history
from streams.replay import replay
from streams.wording import instant_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from schemas.changes import Change
    from schemas.vocabulary import Instant
    from segmenters.reports.comparison import Comparison, Sample
    from segmenters.rules import Rules
    from segmenters.system import Label
    from streams.replay import Summary

Sides: TypeAlias = "tuple[Side, Side]"

_UNJUDGED: Final = "–"
_DIFFERENCE: Final = "+,"


class Side(NamedTuple):
    """One of the two sets of rules: where it comes from, and what it is."""

    name: str
    rules: Rules

    def labels(self, system: str) -> Mapping[str, Label]:
        """Return the segments' names of a system."""
        return next(each.labels for each in self.rules.systems if each.key == system)


def compare_rules(
    files: Sequence[Path],
    rules: Side,
    other: Side,
    until: Instant | None,
    samples: int,
    as_json: bool,
) -> None:
    """Replay files under both rules, up to the same end of time, and print what differs.

    Raises
    ------
    UsageError
        When a file cannot be read or lacks a column.
    """
    sides = (rules, other)
    with bars() as bar:
        # Each reads by its own rules: they may count in another currency.
        histories = [
            read_history(files, side.rules, bar(f"reading for {side.name}", "bytes"))
            for side in sides
        ]
        ends = [history.facts[-1].ts for history in histories if history.facts]
        end = max(ends, default=None) if until is None else until
        (changes, mine), (other_changes, theirs) = (
            replay(
                history.facts,
                side.rules,
                end,
                bar(f"judging by {side.name} (compiling takes 20 s)", "facts"),
            )
            for side, history in zip(sides, histories, strict=True)
        )
        found = compare(rules.rules, changes, other.rules, other_changes, samples)
    if as_json:
        print_json(_answer(found, sides, (mine, theirs), end))
        return
    one, two = histories
    if one.skipped == two.skipped:
        say_skipped(one)
    else:
        for side, history in zip(sides, histories, strict=True):
            say(f"{side.name}:")
            say_skipped(history)
    _tell(found, sides, (mine, theirs), end)


# ---- for programs


def _answer(
    found: Comparison, sides: Sides, summaries: Sequence[Summary], end: Instant | None
) -> dict[str, Any]:
    first, second = (
        {
            "name": side.name,
            "rules_version": side.rules.version,
            "customers": summary.customers,
            "changes": sum(summary.moves.values()),
        }
        for side, summary in zip(sides, summaries, strict=True)
    )
    return {
        "until": end,
        "rules": first,
        "other": second,
        "systems": [
            _shared(each, sides) if isinstance(each, Shared) else _apart(each, sides)
            for each in found.systems
        ],
        "changes": [
            {"system": system, "cause": cause, "rules": count, "other": other_count}
            for (system, cause), (count, other_count) in found.told.items()
        ],
    }


def _shared(system: Shared, sides: Sides) -> dict[str, Any]:
    rows = system.rows
    return {
        "system": system.key,
        "title": system.title._asdict(),
        "in": "both",
        "customers": system.customers,
        "moved": system.moved,
        "labels": {
            name: {segment: label._asdict() for segment, label in side.labels(system.key).items()}
            for name, side in zip(("rules", "other"), sides, strict=True)
        },
        "matrix": [
            {
                "from": from_,
                "to": to,
                "customers": count,
                "row_share": round(count / rows[from_], 4),
                "samples": [_sample(each) for each in system.samples.get((from_, to), ())],
            }
            for (from_, to), count in system.counts.items()
        ],
    }


def _apart(system: Apart, sides: Sides) -> dict[str, Any]:
    labels = sides[system.side == "other"].labels(system.key)
    return {
        "system": system.key,
        "title": system.title._asdict(),
        "in": system.side,
        "customers": sum(system.sizes.values()),
        "labels": {system.side: {name: label._asdict() for name, label in labels.items()}},
        "sizes": system.sizes,
    }


def _sample(sample: Sample) -> dict[str, Any]:
    return {
        "customer_id": sample.customer_id,
        "rules": _standing(sample.rules),
        "other": _standing(sample.other),
    }


def _standing(change: Change | None) -> dict[str, Any] | None:
    if change is None:
        return None
    return {
        "segment": change.to,
        "since": change.at,
        "cause": change.cause,
        "features": change.features,
    }


# ---- for people


def _tell(
    found: Comparison, sides: Sides, summaries: Sequence[Summary], end: Instant | None
) -> None:
    for word, side, summary in zip(("from", "to"), sides, summaries, strict=True):
        changes = sum(summary.moves.values())
        typer.echo(
            f"{word:<4}  {side.name} (rules version {side.rules.version}): "
            f"{summary.customers:,} customers, {changes:,} changes"
        )
    if end is None:
        typer.echo("no facts: nothing happened")
        return
    typer.echo(f"up to {instant_in_words(end)}")
    for system in found.systems:
        typer.echo(f"\n{system.key}  {system.title.zh} / {system.title.en}")
        if isinstance(system, Shared):
            _tell_shared(system, sides)
        else:
            _tell_apart(system, sides)
    typer.echo("\nchanges told")
    print_table(
        ("system", "cause", right("from"), right("to"), right("difference")),
        [
            (*kind, f"{mine:,}", f"{theirs:,}", format(theirs - mine, _DIFFERENCE))
            for kind, (mine, theirs) in found.told.items()
        ],
    )


def _tell_shared(system: Shared, sides: Sides) -> None:
    share = f" ({system.moved / system.customers:.1%})" if system.customers else ""
    typer.echo(f"{system.moved:,} of {system.customers:,} customers end elsewhere{share}")
    if not system.customers:
        return
    mine, theirs = (side.labels(system.key) for side in sides)
    rows = system.rows
    columns = [to for to in (*theirs, None) if any(to == pair[1] for pair in system.counts)]
    print_table(
        (
            "from ↓  to →",
            right("customers"),
            *(right("\n".join(_called(to, theirs))) for to in columns),
        ),
        [
            (
                "  ".join(_called(from_, mine)),
                f"{size:,}",
                *(_cell(system.counts.get((from_, to), 0), size) for to in columns),
            )
            for from_, size in rows.items()
        ],
    )
    _tell_samples(system)


def _tell_samples(system: Shared) -> None:
    rows = [
        (*map(_or_dash, pair), each.customer_id, _in_words(each.rules), _in_words(each.other))
        for pair, samples in system.samples.items()
        for each in samples
    ]
    if rows:
        typer.echo("\nfor example")
        print_table(("from", "to", "customer", "from: since, by", "to: since, by"), rows)


def _tell_apart(system: Apart, sides: Sides) -> None:
    one, other = sides if system.side == "rules" else reversed(sides)
    typer.echo(f"only in {one.name}; {other.name} does not enable it")
    labels, whole = one.labels(system.key), sum(system.sizes.values())
    print_table(
        ("segment", "中文 / English", right("customers"), right("share")),
        [
            (name, f"{labels[name].zh} / {labels[name].en}", f"{size:,}", f"{size / whole:.1%}")
            for name, size in system.sizes.items()
        ],
    )


def _called(segment: str | None, labels: Mapping[str, Label]) -> tuple[str, ...]:
    if segment is None:
        return (_UNJUDGED, "未判定 / Not judged")
    return segment, f"{labels[segment].zh} / {labels[segment].en}"


def _or_dash(segment: str | None) -> str:
    return segment or _UNJUDGED


def _cell(count: int, row: int) -> str:
    return f"{count:,} {count / row:.1%}" if count else "·"


def _in_words(change: Change | None) -> str:
    """Say since when a customer is in a segment, and what the rule looked at then."""
    if change is None:
        return _UNJUDGED
    features = " ".join(f"{name}={_figure(value)}" for name, value in change.features.items())
    return f"{instant_in_words(change.at)}, {features}"


def _figure(value: object) -> str:
    """Write a figure; no count, age or amount of one customer is as large as an instant."""
    if isinstance(value, int) and value >= EARLIEST:
        return instant_in_words(value).replace(" ", "T")
    return str(value)
