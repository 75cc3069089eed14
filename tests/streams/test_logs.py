"""What a library says again and again is written once in a while."""

from __future__ import annotations

import logging

from streams.logs import REPEAT_S, Sparing, set_up


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


def test_the_compiler_is_not_heard_even_where_everything_is() -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        set_up("debug", "console")
        assert not logging.getLogger("numba.core.ssa").isEnabledFor(logging.INFO)
        assert logging.getLogger("aiokafka.conn").isEnabledFor(logging.DEBUG)
    finally:
        root.handlers[:], root.level = before


def test_what_a_members_own_words_are_taken_for_is_not_written() -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        set_up("info", "console")
        assert not logging.getLogger("kafka.admin._groups").isEnabledFor(logging.WARNING)
        assert logging.getLogger("kafka.net.manager").isEnabledFor(logging.WARNING)
    finally:
        root.handlers[:], root.level = before
