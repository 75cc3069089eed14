"""How far the group is behind, asked of a real broker while a group comes, stands and goes back."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from schemas import topics
from schemas.errors import UsageError
from streams.lag import LagWatch, Mark, Status, judge
from streams.settings import load_settings
from tests.streams.waiting import eventually
from tests.streams.workbench import APP, INPUTS, PARTITIONS, Workbench, events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.lag import Lag
    from streams.settings import Settings


@pytest.mark.parametrize(
    ("before", "now", "seconds", "attended", "status"),
    [
        (None, Mark(None, 0, 0), 0.0, False, "OK"),
        (None, Mark(5, 0, 9), 99.0, True, "OK"),  # one look says nothing yet
        (None, Mark(5, 0, 9), 0.1, False, "STOP"),
        (None, Mark(None, 5, 9), 0.1, False, "STOP"),
        (Mark(5, 0, 9), Mark(5, 0, 9), 29.0, True, "OK"),
        (Mark(5, 0, 9), Mark(5, 0, 9), 30.0, True, "STALL"),
        (Mark(5, 0, 9), Mark(5, 0, 99), 30.0, False, "STOP"),
        (Mark(5, 0, 9), Mark(6, 0, 11), 4.9, True, "OK"),
        (Mark(5, 0, 9), Mark(6, 0, 11), 5.0, True, "WARN"),
        (Mark(5, 0, 9), Mark(6, 0, 9), 500.0, True, "OK"),  # it catches up
        (Mark(5, 0, 9), Mark(4, 0, 4), 0.0, True, "REWIND"),
        (Mark(5, 0, 9), Mark(5, 0, 11), None, True, "OK"),
    ],
)
def test_a_status_is_the_worst_that_holds(
    before: Mark | None, now: Mark, seconds: float | None, attended: bool, status: str
) -> None:
    assert judge(before, now, seconds, attended).value == status


@pytest.fixture
def bench(kafka: str, tmp_path: Path) -> Iterator[Workbench]:
    workbench = Workbench(kafka, tmp_path)
    workbench.reset()
    try:
        yield workbench
    finally:
        workbench.close()


@pytest.fixture
def settings(kafka: str) -> Settings:
    return load_settings(None, kafka=kafka, app=APP)


def statuses(lag: Lag) -> set[Status]:
    return {each.status for each in lag.partitions}


def commit(bench: Workbench, offset: int) -> None:
    at = {TopicPartition(topics.PURCHASES, 0): OffsetAndMetadata(offset, "", -1)}
    with bench.admin() as admin:
        admin.alter_group_offsets(APP, at)


async def test_a_group_is_seen_to_be_absent_to_read_to_stand_and_to_go_back(
    bench: Workbench, settings: Settings
) -> None:
    watch = LagWatch(settings, stall_s=0.5)
    nothing = await asyncio.to_thread(watch.look)
    assert (nothing.lag, nothing.seconds, nothing.rate, nothing.status) == (0, 0, None, Status.OK)
    assert [(each.topic, each.partition) for each in nothing.partitions] == [
        (name, partition) for name in INPUTS for partition in range(PARTITIONS)
    ]

    begun = time.time()
    await bench.load(events(400))
    absent = await asyncio.to_thread(watch.look)
    assert absent.lag == 400
    assert statuses(absent) == {Status.STOP}
    assert absent.members == ()
    assert absent.seconds is not None
    assert 0 <= absent.seconds <= time.time() - begun + 1

    first = absent.partitions[0]
    await asyncio.to_thread(commit, bench, first.end)
    read = (await asyncio.to_thread(watch.look)).partitions[0]
    assert (read.lag, read.seconds, read.status) == (0, 0.0, Status.OK)
    assert read.rate is not None
    assert read.rate > 0

    await asyncio.to_thread(commit, bench, 3)
    back = await asyncio.to_thread(watch.look)
    assert (back.partitions[0].status, back.status) == (Status.REWIND, Status.REWIND)
    assert back.partitions[0].lag == first.end - 3

    # A member that reads and commits nothing.
    member = KafkaConsumer(
        bootstrap_servers=bench.kafka, group_id=APP, enable_auto_commit=False, client_id="sleeper",
        metadata_max_age_ms=1_000,
    )  # fmt: skip
    try:
        # A leader of a group that does not know the topics yet gives everybody nothing, and leaves
        # it at that until it hears of them.
        await eventually(lambda: all(map(member.partitions_for_topic, INPUTS)), 60)
        member.subscribe(INPUTS)
        await eventually(lambda: member.poll(100) is not None and member.assignment(), 60)
        await asyncio.sleep(0.6)
        stands = await asyncio.to_thread(watch.look)
    finally:
        member.close()
    assert statuses(stands) == {Status.STALL}
    (seen,) = stands.members
    assert (seen.client, seen.partitions) == ("sleeper", tuple(range(PARTITIONS)))


async def test_topics_that_are_missing_are_named(settings: Settings) -> None:
    elsewhere = load_settings(None, kafka=settings.kafka, topic_prefix="nowhere.")
    with pytest.raises(UsageError, match=r"nowhere\.commerce\.purchases\.v1.*rewake topics create"):
        await asyncio.to_thread(LagWatch(elsewhere).look)
