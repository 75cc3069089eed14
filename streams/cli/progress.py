"""Show how far long work has come, on a terminal only.

Responsible for bars on standard error; standard output belongs to the answer.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def bars() -> Iterator[Callable[[str, str], Callable[[int, int], None]]]:
    """Give a function that adds a bar, as long as the block lasts.

    The function takes what is done and the unit it is counted in (bytes show a percentage), and
    returns a function to call with what is done and the whole. Where standard error is no terminal,
    nothing is shown.
    """
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )

    def add(what: str, unit: str) -> Callable[[int, int], None]:
        task = progress.add_task(what, total=None, unit=unit)

        def update(done: int, whole: int) -> None:
            progress.update(task, completed=done, total=whole)

        return update

    with progress:
        yield add
