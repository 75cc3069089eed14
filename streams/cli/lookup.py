"""Offer `rewake lookup`: one customer's segments, and as of when they are right."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.vocabulary import MS_PER_DAY
from streams.cli.output import AsJson, print_json, say

if TYPE_CHECKING:
    from schemas.vocabulary import Instant
    from segmenters.rules import Rules
    from streams.reader import Answer

_Id = Annotated[str, typer.Argument(help="The customer's id.", metavar="ID")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("lookup")(_lookup)


def _lookup(customer: _Id, *, as_json: AsJson = False) -> None:
    """Say which segments a customer has, since when, and as of when that is right.

    Exit code 1 for a customer nobody has told of. Where REWAKE_CLOCK=event the answer is that of a
    replay of history: right as of the replay's clock, and never called stale for being of the past.
    """
    from segmenters.rules import load
    from streams.reader import lookup
    from streams.settings import load_settings

    settings = load_settings()
    now = time.time_ns() // 1_000_000
    answer = lookup(settings, customer, now)
    if as_json:
        print_json(as_object(answer))
    else:
        for line in in_words(answer, load(settings.rules), now):
            (typer.echo if answer.profile else say)(line)
    if answer.profile is None:
        raise typer.Exit(1)


def as_object(answer: Answer) -> dict[str, Any]:
    """Turn an answer into what ``--json`` prints; instants are epoch milliseconds."""
    profile = answer.profile
    found: dict[str, Any] = {"customer_id": answer.customer_id, "known": profile is not None}
    if profile is not None:
        found["segments"] = {
            system: {"segment": standing.segment, "since": standing.since}
            for system, standing in profile.systems.items()
        }
        found["sequence"] = profile.sequence
        found["valid_until"] = profile.valid_until
        found["next"] = profile.next
        found["overdue"] = dict(answer.overdue)
    found["as_of"] = answer.as_of
    found["stale"] = answer.stale
    found["clock"] = "live" if answer.until is None else "event"
    return found


def in_words(answer: Answer, rules: Rules, now: Instant) -> list[str]:
    """Say an answer in lines for a person."""
    profile = answer.profile
    if profile is None:
        return [_unknown(answer)]
    labels = {system.key: system.labels for system in rules.systems}
    width = max(map(len, profile.systems), default=0)
    lines = [f"customer {answer.customer_id}"]
    for system, standing in profile.systems.items():
        label = labels.get(system, {}).get(standing.segment)
        called = f"  {label.zh} / {label.en}" if label else ""
        since = _when(standing.since)
        lines.append(f"  {system:<{width}}  {standing.segment}{called}, since {since}")
    lines.append(f"  {_as_of(answer, now)}")
    if answer.overdue:
        lines += [
            f"  overdue: {system} should have become {segment} at {_when(profile.valid_until)}"
            for system, segment in answer.overdue.items()
        ]
    elif profile.valid_until is not None:
        lines += [
            f"  next: {system} becomes {segment} at {_when(profile.valid_until)}, "
            "unless something happens before"
            for system, segment in profile.next.items()
        ]
    else:
        lines.append("  next: nothing, unless something happens")
    return lines


def _unknown(answer: Answer) -> str:
    if answer.as_of is None:
        return (
            f"rewake: expected a profile of customer {answer.customer_id}, the cache has none and "
            f"no clock of partition {answer.partition}; does a worker run against this Redis, and "
            "is REWAKE_PARTITIONS that of the topics?"
        )
    return (
        f"rewake: expected a profile of customer {answer.customer_id}, the cache knows no order or "
        f"engagement of such a customer as of {_when(answer.as_of)}; check the id"
    )


def _as_of(answer: Answer, now: Instant) -> str:
    """Say up to when the answer holds, and what is wrong with it if something is."""
    if answer.as_of is None:
        return (
            f"STALE: no clock of partition {answer.partition} is published; does the worker run, "
            "and is REWAKE_PARTITIONS that of the topics?"
        )
    as_of = f"as of {_when(answer.as_of)}"
    if answer.until is not None:
        if answer.as_of >= answer.until:
            return f"{as_of}, the end of the replayed history"
        return f"{as_of}; the replay goes on up to {_when(answer.until)}"
    if not answer.stale:
        return f"{as_of}, up to date"
    behind = now - answer.as_of
    found = f"STALE: right {as_of}, {_span(behind)} ago: the worker stands still or is behind"
    if behind < MS_PER_DAY:
        return found
    return (
        f"{found}. Was it a replay of history? Then set REWAKE_CLOCK=event and REWAKE_UNTIL as the "
        "worker has them"
    )


def _when(instant: Instant | None) -> str:
    from schemas.instants import format_instant

    return "never" if instant is None else format_instant(instant).replace(".000Z", "Z")


def _span(ms: int) -> str:
    """Say a span roughly, in its largest unit.

    Examples
    --------
    >>> _span(12_000), _span(7_200_000), _span(400 * 86_400_000)
    ('12 seconds', '2 hours', '400 days')
    """
    for unit, size in (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000)):
        if ms >= 2 * size:
            return f"{ms // size:,} {unit}"
    return f"{ms // 1000} seconds"
