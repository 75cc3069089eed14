"""Offer `rewake simulate`: a made-up shop's history as a file."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.output import STDOUT, AsJson, print_json, say, writing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.simulated.figures import Figures
    from streams.simulated.plan import CustomerKind, Plan

_Out = Annotated[
    str,
    typer.Option(
        "--out",
        help="Where the history goes: .csv or .jsonl, each also .gz; - is standard output, as CSV.",
        show_default=False,
    ),
]
_Customers = Annotated[int, typer.Option("--customers", help="How many customers there are.")]
_Days = Annotated[int, typer.Option("--days", help="Span of the history.")]
_Seed = Annotated[int, typer.Option("--seed", help="The same seed, the same shop.")]
_Begin = Annotated[
    datetime, typer.Option("--begin", formats=["%Y-%m-%d"], help="First day of the span, UTC.")
]
_Currency = Annotated[str, typer.Option("--currency", help="ISO 4217 code of all amounts.")]
_Shares = Annotated[
    list[str] | None,
    typer.Option(
        "--share",
        help="How many of a hundred customers are of a kind, e.g. regular=50; again for further "
        "kinds: regular, one-off, seasonal, lapsing, returning, browsing. What is not said is as "
        "usual; only proportions count.",
        metavar="KIND=WEIGHT",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("simulate")(_simulate)


def _simulate(
    *,
    out: _Out,
    customers: _Customers = 2_000,
    days: _Days = 400,
    seed: _Seed = 1,
    begin: _Begin = datetime(2024, 1, 1),  # noqa: DTZ001 - a day, never changed
    currency: _Currency = "GBP",
    shares: _Shares = None,
    as_json: AsJson = False,
) -> None:
    """Make up a shop's history: customers who keep a rhythm, lapse, return, or only look.

    The file has the columns `rewake replay` reads, in the order in which records arrive: some late,
    some twice, a few broken.
    """
    from streams.cli.progress import bars
    from streams.simulated.figures import count
    from streams.simulated.plan import Plan
    from streams.simulated.rows import write_rows
    from streams.simulated.shop import open_shop

    as_objects = _is_json(out)
    plan = Plan(customers, days, seed, begin.date(), currency, _weights(shares or ()))
    with bars() as bar:
        progress = bar("making up the shop", "records")
        shop = open_shop(plan)
        with writing(out) as sink:
            rows, checksum = write_rows(shop, sink, as_json=as_objects, progress=progress)
    figures = count(shop)
    if as_json:
        print_json(_answer(plan, figures, rows, checksum), apart=out == STDOUT)
    else:
        _tell(plan, figures, rows, checksum)


def _is_json(out: str) -> bool:
    from schemas.errors import UsageError

    name = out.removesuffix(".gz")
    if not (out == STDOUT or name.endswith((".csv", ".jsonl", ".ndjson"))):
        raise UsageError(f"--out: expected a name ending in .csv or .jsonl, or .gz, got {out}")
    return name.endswith((".jsonl", ".ndjson"))


def _weights(shares: Sequence[str]) -> Mapping[CustomerKind, float]:
    from schemas.errors import UsageError
    from streams.simulated.plan import USUAL, CustomerKind

    weights = dict(USUAL)
    for share in shares:
        kind, _, weight = share.partition("=")
        try:
            weights[CustomerKind(kind)] = float(weight)
        except ValueError as error:
            wanted = f"KIND=WEIGHT with a kind among {', '.join(CustomerKind)} and a number"
            raise UsageError(f"--share: expected {wanted}, got {share!r}") from error
    return weights


def _answer(plan: Plan, figures: Figures, rows: int, checksum: str) -> dict[str, Any]:
    return {
        "seed": plan.seed,
        "checksum": checksum,
        "begin": plan.begin.isoformat(),
        "days": plan.days,
        "currency": plan.currency,
        "customers": figures.customers,
        "events": figures.events,
        "records": figures.records,
        "rows": rows,
        "late": figures.late,
        "out_of_order": figures.out_of_order,
        "duplicates": figures.duplicates,
        "malformed": figures.malformed,
        "shares": {
            name: figures.share(getattr(figures, name))
            for name in ("late", "out_of_order", "duplicates", "malformed")
        },
    }


def _tell(plan: Plan, figures: Figures, rows: int, checksum: str) -> None:
    say(f"seed {plan.seed}, checksum {checksum}")
    say(f"{plan.customers:,} customers: {_counts(figures.customers)}")
    say(f"{sum(figures.events.values()):,} events: {_counts(figures.events)}")
    for name in ("late", "out_of_order", "duplicates", "malformed"):
        number = getattr(figures, name)
        say(f"{number:,} {name.replace('_', ' ')} ({figures.share(number):.4%})")
    say(f"{rows:,} rows; {figures.records - rows:,} records are broken as no row can be")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items())
