"""Where a partition goes on, and when it must not."""

from __future__ import annotations

import pytest

from schemas.errors import InputReset, InputTruncated, StateMissing
from segmenters.instants import NEVER
from streams.position import FORMAT, InputPosition, PositionRecord
from streams.start import InputLog, starting_positions
from streams.topic_lane import Position

RECORD = PositionRecord(FORMAT, {"a": InputPosition(50, 777, "id-a")}, 5, "r", "l")


def test_a_new_partition_starts_at_the_log_start():
    assert starting_positions(0, None, 0, {"a": InputLog(7, 90)}) == {"a": Position(7, NEVER)}


def test_a_known_partition_goes_on_at_its_position_record_never_at_group_offsets():
    logs = {"a": InputLog(0, 90, "id-a", committed=60)}
    assert starting_positions(0, RECORD, 5, logs) == {"a": Position(50, 777)}


def test_an_input_beside_existing_records_starts_at_its_log_start():
    logs = {"a": InputLog(0, 90, "id-a"), "b": InputLog(3, 9)}
    assert starting_positions(0, RECORD, 5, logs)["b"] == Position(3, NEVER)


@pytest.mark.parametrize("logs", [{"a": InputLog(0, 9, committed=4)}, {"a": InputLog(0, 9)}])
def test_rows_or_offsets_without_a_position_record_are_state_missing(logs: dict[str, InputLog]):
    with pytest.raises(StateMissing, match=r"restore the changelog|start over"):
        starting_positions(0, None, 0 if logs["a"].committed else 3, logs)


def test_a_state_that_was_moved_to_another_app_is_not_worked_with():
    moved = PositionRecord(FORMAT, RECORD.inputs, 5, "r", "l", moved_to="shop-8")
    with pytest.raises(StateMissing, match="moved to the app shop-8; start workers with its"):
        starting_positions(0, moved, 5, {"a": InputLog(0, 90, "id-a")})


def test_a_log_that_starts_after_the_position_is_truncated():
    with pytest.raises(InputTruncated, match="10 offsets were deleted unread"):
        starting_positions(0, RECORD, 5, {"a": InputLog(60, 90, "id-a")})


def test_a_log_that_ends_before_the_position_was_reset():
    with pytest.raises(InputReset, match="ends at 49"):
        starting_positions(0, RECORD, 5, {"a": InputLog(0, 49, "id-a")})


def test_another_topic_of_the_same_name_was_reset_even_where_offsets_fit():
    with pytest.raises(InputReset, match="another one of that name"):
        starting_positions(0, RECORD, 5, {"a": InputLog(0, 90, "id-b")})


@pytest.mark.parametrize("ids", [("id-a", ""), ("", "id-a")])
def test_an_unknown_topic_id_is_no_sign_of_a_reset(ids: tuple[str, str]):
    record = PositionRecord(FORMAT, {"a": InputPosition(50, None, ids[0])}, 5, "r", "l")
    logs = {"a": InputLog(0, 90, ids[1])}
    assert starting_positions(0, record, 5, logs) == {"a": Position(50, NEVER)}


@pytest.mark.parametrize("log", [InputLog(50, 50, "id-a"), InputLog(0, 50, "id-a")])
def test_the_very_ends_of_a_log_are_inside(log: InputLog):
    assert starting_positions(0, RECORD, 5, {"a": log})["a"].offset == 50
