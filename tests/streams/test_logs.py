"""What a library says again and again is written once in a while."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from streams.logs import REPEAT_S, Sparing, set_up

if TYPE_CHECKING:
    from collections.abc import Iterator


def record(text: str, name: str = "aiokafka.conn", line: int = 7) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "conn.py", line, "%s", (text,), None)


def test_a_line_of_a_library_is_written_once_and_then_with_how_often_it_came() -> None:
    now = 100.0
    spare = Sparing(lambda: now).filter
    assert spare(record("cannot connect"))
    assert not any(spare(record(f"cannot connect, try {n}")) for n in range(3))
    assert spare(record("something else", line=8))
    now += REPEAT_S
    again = record("cannot connect")
    assert spare(again)
    assert again.getMessage() == "cannot connect (and 3 times more since 10 s)"


def test_our_own_lines_are_all_written() -> None:
    spare = Sparing(lambda: 0.0).filter
    assert all(spare(record("partition taken", name="streams.reports")) for _ in range(3))


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """Give the root logger, and what it was before back to it."""
    logger = logging.getLogger()
    before = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:], logger.level = before


@pytest.mark.usefixtures("root")
def test_the_compiler_is_not_heard_even_where_everything_is() -> None:
    set_up("debug", "console")
    assert not logging.getLogger("numba.core.ssa").isEnabledFor(logging.INFO)
    assert logging.getLogger("aiokafka.conn").isEnabledFor(logging.DEBUG)


@pytest.mark.usefixtures("root")
def test_what_a_members_own_words_are_taken_for_is_not_written() -> None:
    set_up("info", "console")
    assert not logging.getLogger("kafka.admin._groups").isEnabledFor(logging.WARNING)
    assert logging.getLogger("kafka.net.manager").isEnabledFor(logging.WARNING)
