"""Offer `rewake report`: how the customers of a history are spread.

Responsible for the options and for how a report reads. The figures are those of
`segmenters.reports`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple

import typer

from schemas.money import exponent
from schemas.vocabulary import Kind
from streams.cli.inputs import Files, read_instant, say_skipped
from streams.cli.output import AsJson, print_json, print_table, right, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schemas.vocabulary import Instant
    from segmenters.oracle.book import Fact
    from segmenters.reports.rfm import Band, Report, Size
    from segmenters.system import Label
    from streams.history import History

_ALL: Final = "all"
_MEASURED: Final = {"R": "days since the last order", "F": "orders", "M": "spend"}

_group = typer.Typer(help="Reports over files of history.", no_args_is_help=True)

_Quintiles = Annotated[
    bool, typer.Option("--quintiles", help="Score by the fifth of the customers one is in.")
]
_ReferenceDate = Annotated[
    str | None,
    typer.Option(
        "--reference-date",
        help="The instant of the report; later facts do not count. RFC 3339, epoch ms, or a date, "
        "which is its midnight in UTC; the last fact if absent.",
        show_default=False,
    ),
]
_WindowDays = Annotated[
    str,
    typer.Option("--window-days", help="How many days of orders and spend count; all: every one."),
]
_Cut = Annotated[
    Literal["edges", "rank_first"],
    typer.Option(
        "--cut",
        help="edges: equal customers have equal scores. rank_first: orders are cut by rank, equal "
        "customers as their ids come; only to reproduce notebooks.",
    ),
]
_Map = Annotated[str, typer.Option("--map", help="A, B, C, or the path of a map file.")]
_Positive = Annotated[
    bool,
    typer.Option(
        "--positive-only", help="Count orders above 0 alone: no refunds, no cancellations."
    ),
]
_Rules = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        help="Rules file: its currencies and its time zone count, its systems do not; the default "
        "pack if absent.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(_group, name="report")


@_group.callback()
def _reports() -> None:
    """Report on files of history, without a broker."""


@_group.command("rfm")
def _rfm(
    files: Files,
    *,
    quintiles: _Quintiles = False,
    reference_date: _ReferenceDate = None,
    window_days: _WindowDays = "365",
    cut: _Cut = "edges",
    map_name: _Map = "A",
    positive_only: _Positive = False,
    rules: _Rules = None,
    as_json: AsJson = False,
) -> None:
    """Say how many customers each segment of an RFM map has, by quintiles of the population.

    Only customers with an order are in it. The columns of the files are those of `rewake replay`.
    """
    from schemas.errors import UsageError
    from segmenters.oracle.book import Calendar
    from segmenters.reports.rfm import count_population, positive_orders, report
    from segmenters.rules import load
    from segmenters.systems.rfm import Rfm
    from streams.cli.progress import bars
    from streams.history import read_history

    if not quintiles:
        raise UsageError(
            "--quintiles: expected, as the only way of scoring here; what fixed bounds make of a "
            "history tells `rewake replay`"
        )
    asked = Rfm(map=map_name)
    window = _read_window(window_days)
    at = read_instant("--reference-date", reference_date)
    in_force = load(rules)
    with bars() as bar:
        history = read_history(files, in_force, bar("reading", "bytes"))
        if not history.facts:
            raise UsageError("expected facts that can be taken, got none in these files")
        if at is None:
            at = history.facts[-1].ts
        facts = list(_for_the_definition(history))
        kept = positive_orders(facts) if positive_only else facts
        calendar = Calendar(in_force.timezone)
        population = count_population(kept, at, window, calendar, bar("counting", "customers"))
    found = report(population, map_name, cut)
    currency = in_force.engine.base_currency
    terms = _Terms(at, window, cut, map_name, positive_only, currency)
    if as_json:
        print_json(_answer(found, terms, asked.labels))
        return
    say_skipped(history)
    _tell(found, terms, asked.labels)


class _Terms(NamedTuple):
    """What was asked for; a report says it, so that another can be made like it."""

    at: Instant
    window: int | None
    cut: str
    map_name: str
    positive_only: bool
    currency: str

    def major(self, minor: float) -> float:
        """Turn minor units into major ones, to the decimals the currency has."""
        places = exponent(self.currency)
        return round(minor / float(10**places), places)

    def amount(self, minor: float) -> str:
        """Write an amount in major units."""
        return f"{self.major(minor):,.{exponent(self.currency)}f}"


def _read_window(text: str) -> int | None:
    from schemas.errors import UsageError

    if text == _ALL:
        return None
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise UsageError(f"--window-days: expected a number of days, or {_ALL}, got {text!r}")


def _for_the_definition(history: History) -> Iterator[Fact]:
    """Give the facts as the definition of orders and spend takes them; engagements are none."""
    from segmenters.oracle.book import Fact

    for fact in history.facts:
        if fact.kind != Kind.ENGAGEMENT:
            yield Fact(fact.customer, fact.ts, fact.kind, fact.amount, fact.order or None)


# ---- for programs


def _answer(found: Report, terms: _Terms, labels: Mapping[str, Label]) -> dict[str, Any]:
    return {
        "reference": terms.at,
        "window_days": terms.window,
        "cut": terms.cut,
        "map": terms.map_name,
        "positive_only": terms.positive_only,
        "currency": terms.currency,
        "customers": found.customers,
        "scores": {
            name: [
                {
                    "score": band.score,
                    "customers": band.customers,
                    "least": terms.major(band.least) if name == "M" else band.least,
                    "most": terms.major(band.most) if name == "M" else band.most,
                }
                for band in bands
            ]
            for name, bands in found.bands.items()
        },
        "segments": [
            {
                "segment": size.segment,
                "label": labels[size.segment]._asdict(),
                "customers": size.customers,
                "mean_days": _rounded(size.days),
                "mean_orders": _rounded(size.orders),
                "spend": terms.major(size.spend),
            }
            for size in found.sizes
        ],
        "cells": found.cells,
    }


def _rounded(mean: float | None) -> float | None:
    return None if mean is None else round(mean, 2)


# ---- for people


def _tell(found: Report, terms: _Terms, labels: Mapping[str, Label]) -> None:
    from segmenters.reports.rfm import FEW
    from streams.wording import instant_in_words

    days = "all days" if terms.window is None else f"the last {terms.window:,} days"
    what = "orders above 0 alone" if terms.positive_only else "orders less what was taken back"
    cut = "orders by rank" if terms.cut == "rank_first" else "at values"
    typer.echo(
        f"{found.customers:,} customers with orders up to {instant_in_words(terms.at)}; {days}, "
        f"{what}; fifths cut {cut}, map {terms.map_name}"
    )
    if found.customers < FEW:
        say(f"note: fifths of fewer than {FEW} customers say little, and move with each of them")
    typer.echo()
    print_table(
        ("score", "figure", right("from"), right("to"), right("customers")),
        [
            (
                f"{name}{band.score}",
                _MEASURED[name],
                *_span(name, band, terms),
                f"{band.customers:,}",
            )
            for name, bands in found.bands.items()
            for band in bands
        ],
    )
    typer.echo()
    spent = sum(size.spend for size in found.sizes)
    print_table(
        (
            "segment",
            "中文 / English",
            *map(right, ("customers", "share", "mean days", "mean orders", "mean spend")),
            right("share of spend"),
        ),
        [_line(size, labels[size.segment], found.customers, spent, terms) for size in found.sizes],
    )


def _span(name: str, band: Band, terms: _Terms) -> tuple[str, str]:
    written = terms.amount if name == "M" else "{:,}".format
    return written(band.least), written(band.most)


def _line(size: Size, label: Label, whole: int, spent: int, terms: _Terms) -> tuple[str, ...]:
    called = (size.segment, f"{label.zh} / {label.en}", f"{size.customers:,}")
    if not size.customers:
        return (*called, *["–"] * 5)
    return (
        *called,
        f"{size.customers / whole:.1%}",
        f"{size.days:,.1f}",
        f"{size.orders:,.1f}",
        terms.amount(size.spend / size.customers),
        f"{size.spend / spent:.1%}" if spent else "–",
    )
