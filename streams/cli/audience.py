"""Offer `rewake audience`: who is in some segments, as a count, a list or a file."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from streams.cli.output import AsJson, print_json, print_table, say, writing
from streams.cli.progress import bars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from schemas.vocabulary import Instant
    from segmenters.rules import Rules
    from streams.audiences.conditions import Audience
    from streams.audiences.members import Member, Members
    from streams.settings import Settings

_SHOWN: Final = 5


class Languages(StrEnum):
    """In which languages a call list speaks."""

    ZH = "zh"
    EN = "en"
    BOTH = "both"


_Conditions = Annotated[
    list[str],
    typer.Argument(
        metavar="SYSTEM=SEGMENT",
        help="All have to hold; several segments of one system: lifecycle=silent,churned.",
    ),
]
_Since = Annotated[
    str | None,
    typer.Option("--since", help="In the first system since then or later: an instant, or 7d."),
]
_Until = Annotated[
    str | None,
    typer.Option("--until", help="In the first system since then or earlier: an instant, or 7d."),
]
_Count = Annotated[bool, typer.Option("--count", help="Print the number only.")]
_Export = Annotated[
    str | None,
    typer.Option(
        "--export", metavar="FILE", help="Write all to .csv or .ndjson, .gz behind it to pack it."
    ),
]
_Calls = Annotated[
    bool,
    typer.Option(
        "--call-list", help="Who came into it within the bounds, with reason and play, by value."
    ),
]
_Lang = Annotated[Languages, typer.Option("--lang", help="Languages of a call list.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("audience")(_audience)


def _audience(
    conditions: _Conditions,
    *,
    since: _Since = None,
    until: _Until = None,
    count: _Count = False,
    export: _Export = None,
    calls: _Calls = False,
    language: _Lang = Languages.BOTH,
    as_json: AsJson = False,
) -> None:
    """Say who is in some segments now: how many, and a few of them; or write them to a file.

    Reads the cache, for a call list the changes, too. A file appears when it is whole. Whether a
    customer may be contacted is not known here: filter by consent before you call. See
    docs/how-to/audiences.md.
    """
    from segmenters.rules import load
    from streams.audiences.conditions import Audience, read_conditions
    from streams.audiences.members import open_members
    from streams.settings import load_settings

    settings = load_settings()
    rules = load(settings.rules)
    now = time.time_ns() // 1_000_000
    # A replay of history ends in the past: spans are counted back from there.
    end = settings.until if settings.until is not None else now
    audience = Audience(
        read_conditions(conditions, rules),
        _instant(since, end, "--since"),
        _instant(until, end, "--until"),
    )
    form = None if export is None else _form(export)
    with open_members(settings, now) as members:
        if calls:
            _call_list(settings, rules, members, audience, language, export, form, as_json=as_json)
        elif export is not None and form is not None:
            _export(rules, members, audience, export, form, as_json=as_json)
        else:
            _show(rules, members, audience, only_count=count, as_json=as_json)


# ---- what was asked for


def _instant(text: str | None, now: Instant, option: str) -> Instant | None:
    """Read an instant, or a span back from now."""
    from schemas.errors import Rejected, UsageError
    from schemas.instants import parse_replay_instant
    from streams.setting_values import parse_duration

    if text is None:
        return None
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        return parse_replay_instant(text)
    except Rejected as error:
        raise UsageError(
            f"{option}: expected an instant such as 2026-03-01T00:00:00Z, or a span back from now "
            f"such as 7d, got {text!r}"
        ) from error


def _form(path: str) -> str:
    from schemas.errors import UsageError

    form = Path(path.removesuffix(".gz")).suffix
    if form not in {".csv", ".ndjson"}:
        raise UsageError(
            "--export: expected a file that ends in .csv, .ndjson, .csv.gz or .ndjson.gz, got "
            f"{path!r}"
        )
    return form


# ---- answers


def _show(
    rules: Rules, members: Members, audience: Audience, *, only_count: bool, as_json: bool
) -> None:
    from streams.audiences.export import cells_of, columns_of
    from streams.audiences.members import take

    found = members.count(audience)
    systems = [condition.system for condition in audience.conditions]
    some = [] if only_count else take(members.read(audience), _SHOWN)
    if as_json:
        rows = [cells_of(member, [system.key for system in rules.systems]) for member in some]
        print_json(_about(members, audience) | {"customers": found, "members": rows})
        return
    if only_count:
        typer.echo(found)
        return
    typer.echo(f"{found:,} customers: {audience}, {_as_of(members)}")
    if some:
        columns = columns_of(systems)
        print_table(columns, [_row(cells_of(member, systems), columns) for member in some])


def _export(
    rules: Rules, members: Members, audience: Audience, path: str, form: str, *, as_json: bool
) -> None:
    from streams.audiences.export import cells_of, columns_of

    systems = [system.key for system in rules.systems]
    with bars() as add:
        update, whole = add("exporting", "customers"), members.size(audience)
        rows = (
            cells_of(member, systems) for member in _counted(members.read(audience), update, whole)
        )
        written = _write(path, form, columns_of(systems), rows)
    _wrote(members, audience, path, written, {}, as_json=as_json)


def _call_list(
    settings: Settings,
    rules: Rules,
    members: Members,
    audience: Audience,
    language: Languages,
    path: str | None,
    form: str | None,
    *,
    as_json: bool,
) -> None:
    from segmenters.phrases import Phrases
    from streams.audiences.call_list import call_cells, call_columns, call_list

    with bars() as add:
        made = call_list(settings, rules, members, audience, add("reading changes", "offsets"))
    spoken = ["zh", "en"] if language is Languages.BOTH else [language.value]
    phrases = Phrases(rules.engine.base_currency, rules.timezone)
    columns, system = call_columns(spoken), audience.conditions[0].system
    rows = [call_cells(call, system, phrases, spoken) for call in made.calls]
    if path is not None and form is not None:
        from streams.audiences.export import BOM

        written = _write(path, form, columns, rows, begin=BOM)
        _wrote(members, audience, path, written, {"moved_on": made.moved_on}, as_json=as_json)
    elif as_json:
        print_json(_about(members, audience) | {"calls": rows, "moved_on": made.moved_on})
    else:
        print_table(columns, [_row(row, columns) for row in rows])
        say(f"{len(rows):,} to call, {made.moved_on:,} have moved on since, {_as_of(members)}")


# ---- their form


def _counted(
    members: Iterable[Member], update: Callable[[int, int], None], whole: int
) -> Iterable[Member]:
    for number, member in enumerate(members, 1):
        if number % 1_000 == 0:
            update(number, max(whole, number))
        yield member


def _write(
    path: str, form: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], begin: str = ""
) -> int:
    from streams.audiences.export import write_csv, write_lines

    with writing(path) as file:
        if form == ".csv":
            return write_csv(file, columns, rows, begin)
        return write_lines(file, columns, rows)


def _wrote(
    members: Members,
    audience: Audience,
    path: str,
    written: int,
    besides: dict[str, int],
    *,
    as_json: bool,
) -> None:
    if as_json:
        about = _about(members, audience)
        print_json(about | {"written": written, "file": path} | besides)
        return
    left = f", {besides['moved_on']:,} have moved on since" if besides else ""
    typer.echo(f"{written:,} customers written to {path}{left}, {_as_of(members)}")


def _about(members: Members, audience: Audience) -> dict[str, Any]:
    return {
        "conditions": {c.system: list(c.segments) for c in audience.conditions},
        "since": audience.since,
        "until": audience.until,
        "as_of": members.began.as_of,
        "stale": members.began.stale,
    }


def _as_of(members: Members) -> str:
    from streams.wording import instant_in_words

    began = members.began
    if began.as_of is None:
        return "STALE: not every partition has a clock yet; is the worker still writing?"
    stale = " (STALE: a worker stands still or lags)" if began.stale else ""
    return f"as of {instant_in_words(began.as_of)}{stale}"


def _row(cells: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    return ["" if cells[name] is None else str(cells[name]) for name in columns]
