"""Offer `rewake replay`: history through the engine, without a broker."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from streams.cli.inputs import Files, read_instant, say_skipped
from streams.cli.output import STDOUT, AsJson, print_json, say, writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.history import History
    from streams.replay import Summary

_SAMPLES: Final = 3

_Rules = Annotated[
    Path | None, typer.Option("--rules", help="Rules file; the default pack if absent.")
]
_Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        help="Where the changes go, one JSON object a line; .gz is compressed, - is standard "
        "output. Without it only the summary is told.",
        show_default=False,
    ),
]
_UntilText = Annotated[
    str | None,
    typer.Option(
        "--until",
        help="Where time ends: later facts are left out, deadlines up to and including it fire. "
        "RFC 3339 or epoch ms; the last fact if absent.",
        show_default=False,
    ),
]
_Other = Annotated[
    Path | None,
    typer.Option(
        "--compare",
        help="Other rules for the same history: say who ends in another segment under them, and "
        "how many changes each would have told.",
        show_default=False,
    ),
]
_Samples = Annotated[
    int | None,
    typer.Option(
        "--samples",
        help=f"With --compare: how many customers to name of each move; {_SAMPLES} if absent.",
        min=0,
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("replay")(_replay)


def _replay(
    files: Files,
    *,
    rules: _Rules = None,
    out: _Out = None,
    until: _UntilText = None,
    compare: _Other = None,
    samples: _Samples = None,
    as_json: AsJson = False,
) -> None:
    """Say how customers of a history changed class, and when.

    Columns: customer_id, ts, type (purchase = order | refund | cancel | engagement), amount[, ref,
    order_id, kind, currency]. The same engine decides as in the stream.
    """
    from segmenters.rules import load
    from streams.cli.progress import bars
    from streams.history import read_history
    from streams.replay import replay, write_lines

    _refuse_misfits(compare, samples, out)
    in_force = load(rules)
    end = read_instant("--until", until)
    if compare is not None:
        from streams.cli.comparison import Side, compare_rules

        mine = Side("the default pack" if rules is None else str(rules), in_force)
        other = Side(str(compare), load(compare))
        compare_rules(files, mine, other, end, _SAMPLES if samples is None else samples, as_json)
        return
    started = time.perf_counter()
    with bars() as bar:
        history = read_history(files, in_force, bar("reading", "bytes"))
        changes, summary = replay(
            history.facts,
            in_force,
            end,
            bar("judging (the first time the rules are compiled, 20 s)", "facts"),
        )
    seconds = time.perf_counter() - started
    if out is not None:
        with writing(out) as sink:
            write_lines(changes, sink)
    if as_json:
        print_json(_answer(history, summary, in_force.version, seconds), apart=out == STDOUT)
    else:
        _tell(history, summary, seconds)


def _refuse_misfits(compare: Path | None, samples: int | None, out: str | None) -> None:
    """Refuse options that mean nothing together."""
    from schemas.errors import UsageError

    if compare is None and samples is not None:
        raise UsageError("--samples: expected together with --compare OTHER_RULES")
    if compare is not None and out is not None:
        raise UsageError(
            "--out: expected without --compare, which tells no changes; replay once with each rules"
        )


def _answer(history: History, summary: Summary, version: str, seconds: float) -> dict[str, Any]:
    read = summary.facts + summary.left_out + sum(history.skipped.values())
    return {
        "events": read,
        "applied": summary.facts,
        "skipped": {str(reason): count for reason, count in history.skipped.items()},
        "first_skipped": {str(reason): said for reason, said in history.first_skipped.items()},
        "beyond_until": summary.left_out,
        "customers": summary.customers,
        "until": summary.until,
        "changes": sum(summary.moves.values()),
        "moves": [
            {"system": system, "from": from_, "to": to, "changes": count}
            for (system, from_, to), count in _by_system(summary)
        ],
        "rules_version": version,
        "seconds": round(seconds, 3),
    }


def _tell(history: History, summary: Summary, seconds: float) -> None:
    from schemas.instants import format_instant

    skipped = sum(history.skipped.values())
    read = summary.facts + summary.left_out + skipped
    rate = f"{read / seconds:,.0f} events/s" if seconds > 0 else "at once"
    say(f"read {read:,} events in {seconds:.1f} s ({rate}), applied {summary.facts:,}")
    say_skipped(history)
    if summary.left_out:
        say(f"left out {summary.left_out:,} events later than --until")
    if summary.until is None:
        say("no facts: nothing happened")
        return
    changes = sum(summary.moves.values())
    end = format_instant(summary.until)
    say(f"{summary.customers:,} customers, {changes:,} changes up to {end}\n")
    rows = [
        (system, from_ or "–", to, f"{count:,}")
        for (system, from_, to), count in _by_system(summary)
    ]
    _say_table(("system", "from", "to", "changes"), rows)


def _say_table(headers: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Tell rows below headers; the last column are numbers."""
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    for row in (headers, *rows):
        *texts, number = row
        cells = [text.ljust(width) for text, width in zip(texts, widths, strict=False)]
        say("  ".join([*cells, number.rjust(widths[-1])]))


def _by_system(summary: Summary) -> list[tuple[tuple[str, str | None, str], int]]:
    """Order moves by system, the frequent ones first."""
    return sorted(
        summary.moves.items(), key=lambda item: (item[0][0], -item[1], item[0][1] or "", item[0][2])
    )
