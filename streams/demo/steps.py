"""Show what is being done before there is anything to watch, and how long it took.

Responsible for one line a step: on a terminal with a spinner or a bar, elsewhere when it is over.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType


class Step:
    """One step under way.

    Attributes
    ----------
    result
        What is said of it when it is over; the step's own words where nothing is set.
    """

    def __init__(self, progress: Progress, task: int) -> None:
        self._progress = progress
        self._task = task
        self.result = ""

    def progress(self, done: int, whole: int) -> None:
        """Show how far it has come."""
        # One short of all: the last bit is done when the step is.
        self._progress.update(self._task, completed=min(done, whole - 1), total=whole, bar=True)  # type: ignore[arg-type]


class Steps:
    """The steps of a run; use it as a context around them.

    Parameters
    ----------
    console
        Where they are shown.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            _BarWhereThereIsOne(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Say something besides."""
        self._progress.console.print(escape(text), highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, what: str) -> Iterator[Step]:
        """Show a step as long as the block lasts; may be used from several threads."""
        started = time.monotonic()
        task = self._progress.add_task(what, total=1, bar=False)
        step = Step(self._progress, task)
        yield step
        said = step.result or what
        self._progress.update(task, description=said, completed=1, total=1, bar=False)
        if self._progress.disable:
            self.say(f"{said}  {time.monotonic() - started:.1f} s")


class _BarWhereThereIsOne(ProgressColumn):
    """A bar for steps that know how far they are, nothing for the others."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = BarColumn(bar_width=24)

    def render(self, task: Task) -> RenderableType:
        """Draw it."""
        return self._bar.render(task) if task.fields["bar"] else Text("")
