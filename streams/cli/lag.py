"""Offer `rewake lag`: how far the group is behind its inputs."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.output import AsJson, print_drawn, print_json, right, say, table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

    from streams.lag import Lag, LagWatch

_Watch = Annotated[
    bool, typer.Option("--watch", help="Look again and again, until you stop it (Ctrl-C).")
]
_Every = Annotated[
    str,
    typer.Option("--every", metavar="SPAN", help="What lies between two looks: 500ms, 2s, 1m."),
]

_COLOURS = {"OK": "green", "WARN": "yellow"}
_BAD = ("STALL", "STOP")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("lag")(_lag)


def _lag(*, watch: _Watch = False, every: _Every = "2s", as_json: AsJson = False) -> None:
    """Say how far the workers are behind their inputs, by topic and partition.

    Looks twice, for a rate and for what becomes of the lag. LAG is in offsets, BEHIND the age of
    the oldest event that is not applied, RATE what is applied per second.

    REWIND: the group's offset went back. STOP: events wait, and no worker is there. STALL: none was
    applied since the look before, and the oldest has waited for 30 s. WARN: more wait than before,
    the oldest for 5 s. OK: none of these.

    Reads only, as the group REWAKE_APP. Exit code 0: fine, 1: a partition is at STALL or STOP.
    """
    from streams.lag import LagWatch
    from streams.settings import load_settings

    pause = _seconds(every)
    looks = LagWatch(load_settings())
    lag = looks.look()
    if watch:
        try:
            _follow(looks, lag, pause, as_json=as_json)
        except KeyboardInterrupt:
            say("stopped")
        return
    time.sleep(pause)
    lag = looks.look()
    if as_json:
        print_json(as_object(lag))
    else:
        print_drawn(draw(lag))
    if any(each.status.value in _BAD for each in lag.partitions):
        raise typer.Exit(1)


def _follow(looks: LagWatch, lag: Lag, pause: float, *, as_json: bool) -> None:
    """Show one look after the other, until somebody stops it."""
    with _screen(as_json=as_json) as show:
        while True:
            show(lag)
            time.sleep(pause)
            lag = looks.look()


@contextmanager
def _screen(*, as_json: bool) -> Iterator[Callable[[Lag], None]]:
    """Give what shows a look: in place of the one before on a terminal, else below it."""
    if as_json:
        import orjson

        yield lambda lag: typer.echo(orjson.dumps(as_object(lag)).decode())
    elif sys.stdout.isatty():
        from rich.live import Live

        with Live(auto_refresh=False) as live:
            yield lambda lag: live.update(draw(lag), refresh=True)
    else:
        yield lambda lag: print_drawn(draw(lag))


def _seconds(span: str) -> float:
    from schemas.errors import UsageError
    from streams.setting_values import parse_duration

    try:
        return parse_duration(span) / 1000
    except ValueError as error:
        raise UsageError(f"--every: expected {error}, got {span!r}") from error


def as_object(lag: Lag) -> dict[str, Any]:
    """Turn a look into what ``--json`` prints; instants are epoch milliseconds."""
    from msgspec import to_builtins

    found: dict[str, Any] = to_builtins(lag)
    totals = {"lag": lag.lag, "seconds": lag.seconds, "rate": lag.rate, "status": lag.status.value}
    return found | totals


def draw(lag: Lag) -> RenderableType:
    """Draw a look as a table, with the group above and the sums below."""
    from rich.console import Group
    from rich.text import Text

    headers = ("topic", right("partition"), right("lag"), right("behind"), right("rate"), "status")
    rows = [
        (each.topic, each.partition, f"{each.lag:,}", _span(each.seconds), _rate(each.rate),
         _status(each.status.value))
        for each in lag.partitions
    ]  # fmt: skip
    total = ("all", "", f"{lag.lag:,}", _span(lag.seconds), _rate(lag.rate), _status(lag.status))
    owners = [
        f"  {each.client} at {each.host}: "
        + (f"partitions {', '.join(map(str, each.partitions))}" if each.partitions else "nothing")
        for each in lag.members
    ]
    head = f"group {lag.group}: {lag.state}, members: {len(lag.members)}"
    return Group(Text("\n".join((head, *owners))), Text(), table_of(headers, [*rows, total]))


def _status(status: str) -> Any:
    from rich.text import Text

    return Text(status, style=_COLOURS.get(status, "red"))


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{rate:,.1f}/s"


def _span(seconds: float | None) -> str:
    """Write a span for people.

    Examples
    --------
    >>> [_span(seconds) for seconds in (0.0, 4.25, 75.0, 7_260.0, None)]
    ['0.0 s', '4.2 s', '1 min 15 s', '2 h 1 min', '?']
    """
    if seconds is None:
        return "?"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
