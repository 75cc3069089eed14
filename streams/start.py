"""Decide where a partition goes on, or why it must not.

Responsible for the checks at the start of a partition. Pure: what was read is an argument. Group
offsets are a trace here ("somebody has worked on this"), never a position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from schemas.errors import InputReset, InputTruncated, StateMissing
from segmenters.instants import NEVER
from streams.topic_lane import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.position import PositionRecord


class InputLog(NamedTuple):
    """What the broker says about one input topic-partition.

    Attributes
    ----------
    start, end
        Log start and last stable offset.
    topic_id
        The broker's id of the topic; empty when unknown.
    committed
        The group's committed offset; None without one.
    """

    start: int
    end: int
    topic_id: str = ""
    committed: int | None = None


def starting_positions(
    partition: int, record: PositionRecord | None, customers: int, logs: Mapping[str, InputLog]
) -> dict[str, Position]:
    """Return where each input goes on.

    Parameters
    ----------
    partition
        For the messages.
    record
        The partition's position record; None when its changelog holds none.
    customers
        Rows recovered.
    logs
        Input topic → what its log looks like now, in rank order.

    Raises
    ------
    StateMissing
        No position record, yet rows or a committed offset; or the state was moved away.
    InputTruncated
        The log starts after the position: events were deleted unread.
    InputReset
        The log ends before the position, or is another topic of the same name.

    Examples
    --------
    >>> starting_positions(0, None, 0, {"t": InputLog(5, 9)})["t"].offset
    5
    """
    if record is None:
        _refuse_traces(partition, customers, logs)
        return {topic: Position(log.start, NEVER) for topic, log in logs.items()}
    if record.moved_to:
        raise StateMissing(
            f"partition {partition}: expected state to go on with, it was moved to the app "
            f"{record.moved_to}; start workers with its REWAKE_APP and REWAKE_TOPIC_PREFIX, none "
            "of this app"
        )
    return {topic: _position(partition, record, topic, log) for topic, log in logs.items()}


def _refuse_traces(partition: int, customers: int, logs: Mapping[str, InputLog]) -> None:
    worked_on = [topic for topic, log in logs.items() if log.committed is not None]
    if not customers and not worked_on:
        return
    trace = f"{customers} rows" if customers else "a committed offset on " + ", ".join(worked_on)
    raise StateMissing(
        f"partition {partition}: expected a position record beside {trace}, found none in the "
        "changelog; restore the changelog topic, or start over: delete the changelog topic, the "
        "consumer group and the cache's key rw:epoch, then replay the inputs from their start"
    )


def _position(partition: int, record: PositionRecord, topic: str, log: InputLog) -> Position:
    known = record.inputs.get(topic)
    if known is None:  # an input that joined later is read from its start
        return Position(log.start, NEVER)
    where = f"{topic}, partition {partition}"
    if known.topic_id and log.topic_id and known.topic_id != log.topic_id:
        raise InputReset(
            f"{where}: expected the topic with id {known.topic_id}, found another one of that name "
            f"({log.topic_id}); it was deleted and created again: start over with a new "
            "REWAKE_APP, or restore the topic"
        )
    if known.offset > log.end:
        raise InputReset(
            f"{where}: expected a log up to at least offset {known.offset}, it ends at {log.end}; "
            "records were lost or the topic was created again: restore it, or start over with a "
            "new REWAKE_APP"
        )
    if known.offset < log.start:
        raise InputTruncated(
            f"{where}: expected to go on at offset {known.offset}, the log starts at {log.start}: "
            f"{log.start - known.offset} offsets were deleted unread (retention); replay them from "
            "a backup, or start over with a new REWAKE_APP"
        )
    return Position(known.offset, NEVER if known.running_max is None else known.running_max)
