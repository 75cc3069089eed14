"""Offer `rewake webhook`: the process that posts changes to an endpoint."""

from __future__ import annotations

from typing import Annotated

import typer

_System = Annotated[
    list[str] | None,
    typer.Option("--system", metavar="KEY", help="Only changes of this system; may be repeated."),
]
_Cause = Annotated[
    list[str] | None,
    typer.Option(
        "--cause", help="Only changes of this cause: event, clock, …; may be repeated.",
        metavar="CAUSE",
    ),
]  # fmt: skip
_From = Annotated[
    list[str] | None,
    typer.Option("--from", metavar="SEGMENT", help="Only changes out of this segment."),
]
_To = Annotated[
    list[str] | None,
    typer.Option("--to", metavar="SEGMENT", help="Only changes into this segment."),
]
_Value = Annotated[
    list[str] | None,
    typer.Option("--value-tier", metavar="SEGMENT", help="Only customers of this value tier."),
]
_Play = Annotated[bool, typer.Option("--with-play", help="Only changes with a play.")]
_Control = Annotated[
    bool, typer.Option("--control", help="Send changes of a holdout's control arm, too.")
]
_Name = Annotated[
    str, typer.Option("--name", help="Which of several webhooks this is; names its group.")
]
_Beginning = Annotated[
    bool,
    typer.Option("--from-beginning", help="A new webhook begins with all the topic still holds."),
]
_Abreast = Annotated[
    int, typer.Option("--concurrency", min=1, max=1000, help="Requests at a time, at most.")
]
_Attempts = Annotated[
    int, typer.Option("--attempts", min=1, help="Requests after which a change is a dead letter.")
]
_Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds a request may take.")]
_Open = Annotated[
    int,
    typer.Option(
        "--open-after", min=1, help="Failures in a row after which the endpoint is left alone."
    ),
]
_First = Annotated[
    float,
    typer.Option("--first-wait", min=0.01, help="Seconds before a second attempt; they double."),
]
_Redeliver = Annotated[
    bool,
    typer.Option("--redeliver", help="Send this webhook's dead letters once more, and end."),
]
_Check = Annotated[bool, typer.Option("--check", help="Ask a running webhook if it is well.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("webhook")(_webhook)


def _webhook(
    *,
    system: _System = None,
    cause: _Cause = None,
    from_: _From = None,
    to: _To = None,
    value_tier: _Value = None,
    with_play: _Play = False,
    control: _Control = False,
    name: _Name = "",
    from_beginning: _Beginning = False,
    concurrency: _Abreast = 16,
    attempts: _Attempts = 8,
    timeout: _Timeout = 10.0,
    open_after: _Open = 10,
    first_wait: _First = 0.5,
    redeliver: _Redeliver = False,
    check: _Check = False,
) -> None:
    """Post changes of segment to REWAKE_WEBHOOK_URL, signed with REWAKE_WEBHOOK_SECRET.

    Runs until it is told to stop (SIGTERM, Ctrl-C). Each change is delivered at least once, each
    customer's in order; what the endpoint refuses goes to a topic of dead letters. Health and
    metrics are served at REWAKE_METRICS. See docs/how-to/webhook.md.
    """
    from streams.settings import load_settings

    settings = load_settings()
    if check:
        from streams.health import probe

        typer.echo(probe(settings.metrics))
        return
    from streams.webhook.delivering import Patience
    from streams.webhook.running import Options, run
    from streams.webhook.selection import Selection

    selection = Selection(
        frozenset(system or ()),
        frozenset(cause or ()),
        frozenset(from_ or ()),
        frozenset(to or ()),
        frozenset(value_tier or ()),
        with_play,
        control,
    )
    run(
        settings,
        Options(
            selection,
            Patience(attempts, first_wait),
            name,
            from_beginning,
            concurrency,
            timeout,
            open_after,
            redeliver,
        ),
    )
