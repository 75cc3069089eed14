"""Draw what is going on, for the person in front of the terminal.

Responsible for the picture alone: everything in it comes as an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streams.demo.tally import SHOWN_SYSTEM
from streams.wording import change_in_words, instant_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from schemas.vocabulary import Instant
    from segmenters.system import Label
    from streams.demo.feed import Reached
    from streams.demo.tally import Tally

_BAR: Final = 24
_COLOURS: Final = {
    "prospect": "cyan",
    "new": "bright_green",
    "active": "green",
    "silent": "yellow",
    "churned": "red",
    "reactivated": "magenta",
}


class Picture(NamedTuple):
    """Everything that is shown.

    Attributes
    ----------
    title
        Whose history it is.
    segments
        The segments of lifecycle with their names.
    begin, until
        First and last instant of the history.
    events
        Events there are.
    reached, tally
        How far the worker has come, and what was heard of it.
    seconds
        For how long it has been reading; 0 before the first event.
    page
        Where the live page is; empty where there is none.
    footer
        Lines below everything.
    """

    title: str
    segments: Mapping[str, Label]
    begin: Instant
    until: Instant
    events: int
    reached: Reached
    tally: Tally
    seconds: float
    page: str = ""
    footer: Sequence[str] = ()


def draw(picture: Picture) -> RenderableType:
    """Draw the picture."""
    return Group(
        Text(),
        Text(picture.title, style="bold"),
        *([Text(f"live page: {picture.page}", style="bold cyan")] if picture.page else []),
        _time(picture),
        _counts(picture),
        Text(),
        _segments(picture),
        Text(),
        _newest(picture.tally),
        *[Text(line, style="dim") for line in picture.footer],
    )


def _time(picture: Picture) -> RenderableType:
    """Draw where in the history the clock stands."""
    clock, span = picture.reached.clock, max(1, picture.until - picture.begin)
    grid = Table.grid(padding=(0, 1))
    at = max(0, min(span, (clock or picture.begin) - picture.begin))
    words = instant_in_words(clock) if clock and clock >= picture.begin else "not begun"
    done = clock is not None and clock >= picture.until
    grid.add_row(
        "event time", ProgressBar(span, at, width=_BAR), f"{words}{', the end' if done else ''}"
    )
    return grid


def _counts(picture: Picture) -> Text:
    tally, read = picture.tally, picture.reached.events
    rate = f" ({read / picture.seconds:,.0f}/s)" if picture.seconds > 0 else ""
    text = Text(f"{read:,} of {picture.events:,} events{rate} · {tally.changes:,} changes")
    if tally.missing or tally.repeated:
        text.append(f" · {tally.missing} missing, {tally.repeated} repeated", style="bold red")
    if tally.rejected:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in tally.rejected.most_common())
        text.append(f"\nrejected {tally.rejected.total():,}: {reasons}", style="yellow")
    return text


def _segments(picture: Picture) -> RenderableType:
    sizes = picture.tally.sizes[SHOWN_SYSTEM]
    whole = max(1, sum(sizes.values()))
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("lifecycle 生命周期")
    table.add_column("customers", justify="right")
    table.add_column("share", justify="right")
    table.add_column("")
    for segment, label in picture.segments.items():
        size = sizes[segment]
        colour = _COLOURS.get(segment, "white")
        bar = Text("█" * round(_BAR * size / whole), style=colour)
        name = Text(f"{label.zh} {label.en}", style=colour)
        table.add_row(name, f"{size:,}", f"{size / whole:.0%}", bar)
    return table


def _newest(tally: Tally) -> RenderableType:
    lines = [Text("newest changes of lifecycle", style="dim")]
    for change in reversed(tally.newest):
        colour = _COLOURS.get(change.to, "white")
        lines.append(Text(change_in_words(change), style=colour, no_wrap=True, overflow="ellipsis"))
    return Group(*lines)
