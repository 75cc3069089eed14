"""Offer `rewake audit`: recount customers from the input log, and compare."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.output import AsJson, print_json, print_table, say

if TYPE_CHECKING:
    from collections import Counter

    from streams.audit.audit import Request
    from streams.audit.report import Report
    from streams.audit.verdict import Skip
    from streams.settings import Settings

_Size = Annotated[int, typer.Option("--sample", min=1, help="How many customers to recount.")]
_Named = Annotated[
    list[str] | None,
    typer.Option(
        "--customer", metavar="ID", help="This customer, not a sample; as often as you like."
    ),
]
_Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", help="Which customers the sample takes; by chance if absent.", show_default=False
    ),
]
_Watch = Annotated[
    str | None,
    typer.Option(
        "--watch",
        metavar="SPAN",
        help="Audit again after each span (10m, 6h), other customers each time, and serve the "
        "result as metrics at REWAKE_METRICS.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("audit")(_audit)


def _audit(
    *,
    size: _Size = 1_000,
    customer: _Named = None,
    seed: _Seed = None,
    watch: _Watch = None,
    as_json: AsJson = False,
) -> None:
    """Recount customers from the input log, and compare with state, changes and cache.

    The recount follows the definition, not the engine. It reads only, and is exact while workers
    run. Needs the worker's settings: REWAKE_KAFKA, REWAKE_REDIS, REWAKE_APP, REWAKE_RULES and
    REWAKE_CLOCK. Exit code 0: no drift, 1: drift, 2: called with other rules or topics.
    """
    import random

    from streams.audit.audit import Request
    from streams.settings import load_settings

    settings = load_settings()
    chosen = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    request = Request(size, chosen, customer or ())
    if watch is not None:
        _watch(settings, request, watch)
        return
    report = _run(settings, request)
    if as_json:
        print_json(as_object(report, request))
    else:
        _tell(report, request)
    if report.drifts:
        raise typer.Exit(1)


def _run(settings: Settings, request: Request) -> Report:
    from streams.audit.audit import audit
    from streams.cli.progress import bars

    with bars() as bar:
        return asyncio.run(audit(settings, request, bar))


def _watch(settings: Settings, request: Request, span: str) -> None:
    from schemas.errors import UsageError
    from streams.audit.watch import watch
    from streams.setting_values import parse_duration

    try:
        pause = parse_duration(span)
    except ValueError as error:
        raise UsageError(f"--watch: expected {error}, got {span!r}") from error
    try:
        asyncio.run(watch(settings, request, pause / 1000, say))
    except KeyboardInterrupt:
        say("stopped")


# ---- for programs


def as_object(report: Report, request: Request) -> dict[str, Any]:
    """Turn a report into what ``--json`` prints; instants are epoch milliseconds."""
    return {
        "drift": len(report.drifts),
        "customers": report.customers,
        "equal": report.equal,
        "equal_late": report.equal_late,
        "skipped": dict(report.skipped),
        "cache": {
            "equal": report.cached,
            "skipped": dict(report.cache_skipped),
            "problem": report.cache_problem,
        },
        "drifts": [
            {
                "customer_id": drift.customer_id,
                "partition": drift.partition,
                "differences": [each._asdict() for each in drift.differences],
            }
            for drift in report.drifts
        ],
        "clocks": {str(number): clock for number, clock in report.clocks.items()},
        "seed": request.seed,
        "rules_version": report.rules_version,
        "facts": report.facts,
        "refused": report.refused,
        "unreadable": report.unreadable,
        "records": report.records,
        "seconds": round(report.seconds, 3),
    }


# ---- for people


def _tell(report: Report, request: Request) -> None:
    from schemas.instants import format_instant
    from streams.audit.wording import CACHE_REASONS, REASONS, TO_DO

    whom = "the customers named" if request.named else f"a sample, seed {request.seed}"
    clocks = [clock for clock in report.clocks.values() if clock > 0]
    upto = f"up to {format_instant(min(clocks))}" if clocks else "no time has passed yet"
    print_table(
        ("customers", "compared with"),
        [
            (f"{report.equal:,}", "the recount: equal" + _late(report)),
            (f"{len(report.drifts):,}", "DRIFT" if report.drifts else "drift"),
            *_reasons(report.skipped, REASONS),
            (f"{report.cached:,}", "the cache: equal"),
            *_reasons(report.cache_skipped, CACHE_REASONS),
        ],
    )
    if report.cache_problem:
        typer.echo(f"the cache was not compared: {report.cache_problem}")
    typer.echo(
        f"\n{report.customers:,} customers ({whom}), {report.facts:,} facts, rules "
        f"{report.rules_version}, {upto}, {report.records:,} records read in {report.seconds:.1f} s"
    )
    if not report.drifts:
        return
    typer.echo("")
    print_table(
        ("customer", "partition", "where", "field", "expected", "found"),
        [
            (drift.customer_id, drift.partition, *difference)
            for drift in report.drifts
            for difference in drift.differences
        ],
    )
    places = {each.where for drift in report.drifts for each in drift.differences}
    for place, what in TO_DO.items():
        if place in places:
            typer.echo(f"\n{place}: {what}")


def _late(report: Report) -> str:
    return f", {report.equal_late:,} of them with late facts" if report.equal_late else ""


def _reasons(counted: Counter[Skip], words: dict[Skip, str]) -> list[tuple[str, str]]:
    return [(f"{count:,}", f"skipped: {words[why]}") for why, count in counted.most_common()]
