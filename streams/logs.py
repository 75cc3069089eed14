"""Set up logging for the commands that run long.

Responsible for levels and format. No log line at INFO or above may hold a customer id, none at all
a secret of the settings.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Final

import structlog

from streams.masking import mask

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

REPEAT_S: Final = 10.0
"""Seconds for which one place of a library is heard once."""

_QUIET: Final = {
    # Both tell of every partition at every rebalance, in tables; ours says it in one line.
    "aiokafka": logging.WARNING,
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "kafka": logging.WARNING,
    # It takes what Faust's members say of themselves for broken, and writes it out at each look.
    "kafka.admin": logging.ERROR,
}


class Sparing(logging.Filter):
    """Let what a library says again and again through once in a while, and say how often it did.

    With the broker away aiokafka writes dozens of lines a second, and what matters drowns in them.

    Parameters
    ----------
    now
        Seconds, ever growing.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._heard: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a line is written."""
        if record.name.partition(".")[0] not in _QUIET:
            return True
        place, now = (record.pathname, record.lineno), self._now()
        since, missed = self._heard.get(place, (now - REPEAT_S, 0))
        if now - since < REPEAT_S:
            self._heard[place] = (since, missed + 1)
            return False
        self._heard[place] = (now, 0)
        if missed:
            record.msg = (
                f"{record.getMessage()} (and {missed} times more since {now - since:.0f} s)"
            )
            record.args = ()
        return True


class _Masking(structlog.stdlib.ProcessorFormatter):
    """Write a line, whoever says it, without what must not be shown."""

    secrets: Collection[str] = ()

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record), self.secrets)


def set_up(level: str, form: str, secrets: Collection[str] = ()) -> None:
    """Log to standard error.

    Parameters
    ----------
    level
        ``debug``, ``info``, ``warning`` or ``error``.
    form
        ``json`` for machines, anything else for people.
    secrets
        Words that no line may hold, whatever library says it.
    """
    threshold = getattr(logging, level.upper())
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info if form == "json" else _as_it_is,
    ]
    handler = logging.StreamHandler(sys.stderr)
    formatter = _Masking(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        foreign_pre_chain=shared,
    )
    formatter.secrets = secrets
    handler.setFormatter(formatter)
    if level != "debug":
        handler.addFilter(Sparing())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name, floor in _QUIET.items():
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else floor)
    # At any level: a compiler that tells each of its steps makes a first start take minutes, and
    # among the bytes on the wire are those of logins.
    logging.getLogger("numba").setLevel(logging.WARNING)
    logging.getLogger("kafka.protocol.parser").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        cache_logger_on_first_use=True,
    )


def _as_it_is(
    _: structlog.typing.WrappedLogger, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return event
