"""The pace of a fed history: what is released when, and which offsets are events."""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition

from schemas.errors import UsageError
from schemas.topics import PURCHASES
from schemas.vocabulary import MS_PER_DAY, Kind
from streams.demo.pace import Pace, _Appended, instants_of_release, read_speed
from streams.seeding import Message, Seed
from streams.settings import load_settings

FIRST = 1_300_000_000_000


def message(ts: int) -> Message:
    return Message(ts, Kind.ORDER, "", PURCHASES, b"c", b"{}")


@pytest.mark.parametrize("text", ["", "30", "30d", "d/s", "-1d/s", "0d/s", "30d/m", "30 d/s"])
def test_a_speed_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected event time in a second, as in 30d/s"):
        read_speed(text)


def test_what_comes_late_is_released_where_it_came_and_what_is_never_due_holds_nothing_up() -> None:
    until = FIRST + 10 * MS_PER_DAY
    given = [FIRST, FIRST + 5, FIRST + 2, until + MS_PER_DAY, FIRST + 7, until]
    expected = [FIRST, FIRST + 5, FIRST + 5, FIRST + 5, FIRST + 7, until]
    assert instants_of_release([message(ts) for ts in given], until) == expected


def test_offsets_of_what_keeps_the_inputs_open_are_no_events() -> None:
    pace = Pace(load_settings(None), Seed([message(FIRST)], 1, FIRST), 1.0)
    place = TopicPartition(PURCHASES, 0)
    #  offset   0 1 2 3 4   5 6   7 8 9  10 11
    #           h e e e e   h m   e e e   h  m      h: holds open, e: event, m: marker
    pace._appended[place] = _Appended([5, 10], [4, 7])
    read = {committed: pace.events({place: committed}) for committed in (0, 4, 5, 7, 9, 10, 12)}
    assert read == {0: 0, 4: 0, 5: 4, 7: 4, 9: 4, 10: 7, 12: 7}
