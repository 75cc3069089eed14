"""Inputs with offsets that hold no record: markers, aborted, compacted and deleted ones."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import orjson
import pytest
from kafka.admin import ConfigResource
from kafka.structs import TopicPartition

from tests.faults.figures import note
from tests.faults.shop import Shop
from tests.streams.workbench import INPUTS, Event, until

if TYPE_CHECKING:
    from pathlib import Path

NO_FACT = b"{oops"
SEGMENT_MS = 100
"""A record that comes so long after the first of a segment begins another one."""
Piles = dict[tuple[str, int], list[Event]]


class TransactionalShop(Shop):
    """A shop whose events are written in transactions, many of which are given up."""

    def __init__(self, kafka: str, folder: Path, **options: object) -> None:
        super().__init__(kafka, folder, **options)  # type: ignore[arg-type]
        self._transactional_id = "shop"
        self._chance = random.Random(13)
        self.aborted = 0

    async def write(self, piles: Piles) -> dict[tuple[str, int], int]:
        """Write ghosts in a transaction that is aborted, now and then; then what is true."""
        producer = await self.producer()
        if self._chance.random() < 0.4:
            await producer.begin_transaction()
            # A ghost that was believed would count: it has an id of its own.
            await super().write(
                {at: [ghost(event) for event in pile] for at, pile in piles.items()}
            )
            await producer.abort_transaction()
            self.aborted += 1
        await producer.begin_transaction()
        stamps = await super().write(piles)
        await producer.commit_transaction()
        return stamps


def ghost(event: Event) -> Event:
    return event._replace(value=event.value.replace(b'"e-', b'"ghost-'))


async def test_transactions_of_producers_and_aborted_ones_are_passed(kafka: str, tmp_path: Path):
    async with TransactionalShop(kafka, tmp_path, customers=400, rate=80) as shop:
        shop.keep(2)
        await shop.at_work()
        async with shop.selling():
            await asyncio.sleep(4)
            shop.working(0).kill()
            await asyncio.sleep(4)
            took = await shop.recovered()
        outcome = await shop.assert_exact()
        assert shop.aborted > 10
        note(
            "transactions of producers, some aborted", tried=shop.aborted, recovery_s=took,
            **outcome.figures,
        )  # fmt: skip


async def test_what_was_read_may_be_deleted_at_any_time(kafka: str, tmp_path: Path):
    async with Shop(kafka, tmp_path, customers=400, rate=80) as shop:
        shop.keep(1)
        await shop.at_work()
        async with shop.selling():
            for _ in range(2):
                await asyncio.sleep(2)
                await shop.changelog.read_on()
                await asyncio.to_thread(delete_what_was_read, shop)
                shop.working(0).kill()
            took = await shop.recovered()
        outcome = await shop.assert_exact()
        note("retention up to the position", tried=2, recovery_s=took, **outcome.figures)


def delete_what_was_read(shop: Shop) -> None:
    """Let the logs begin at the committed positions."""
    wanted = {
        TopicPartition(topic, number): at.offset
        for number, record in enumerate(shop.changelog.records)
        for topic, at in record.inputs.items()
    }
    with shop.admin() as admin:
        admin.delete_records(wanted)


@pytest.mark.timeout(300)
async def test_compacted_inputs_have_gaps_which_are_passed(kafka: str, tmp_path: Path):
    async with Shop(kafka, tmp_path, customers=400, rate=80) as shop:
        whole = len(shop.deeds)
        await asyncio.to_thread(compact, shop, on=True)
        await asyncio.sleep(2 * SEGMENT_MS / 1000)
        await shop.append(quiet_events(shop))  # the segment of the history is rolled by these

        async def compacted() -> bool:
            found = [value for name in INPUTS for _, _, value, _ in await shop.read(name)]
            ids = {orjson.loads(value)["event_id"] for value in found if value != NO_FACT}
            shop.deeds = [deed for deed in shop.deeds if deed.fact.event_id in ids]
            return len(shop.deeds) < whole * 0.9

        await until(compacted, 90, 1)
        await asyncio.to_thread(compact, shop, on=False)
        left = whole
        while left != len(shop.deeds):  # a round of the cleaner that had begun may still end
            left = len(shop.deeds)
            await asyncio.sleep(5)
            await compacted()
        shop.keep(2)
        await shop.at_work()
        async with shop.selling():
            await asyncio.sleep(3)
            shop.working(1).kill()
            took = await shop.recovered()
        outcome = await shop.assert_exact()
        note("inputs compacted", tried=whole - left, recovery_s=took, **outcome.figures)


def compact(shop: Shop, *, on: bool) -> None:
    """Have the inputs compacted as soon as anything can be, or as little as ever again."""
    wanted = {
        "cleanup.policy": "compact" if on else "delete",
        "segment.ms": str(SEGMENT_MS) if on else "604800000",
        "min.cleanable.dirty.ratio": "0.0",
        "max.compaction.lag.ms": str(SEGMENT_MS) if on else "604800000",
    }
    with shop.admin() as admin:
        admin.alter_configs([ConfigResource("TOPIC", name, wanted) for name in INPUTS])


def quiet_events(shop: Shop) -> list[Event]:
    """Make records of another key in each partition that are dead letters, no facts."""
    return [
        Event(topic, number, b"nobody", NO_FACT) for topic in INPUTS
        for number in range(shop.partitions)
    ]  # fmt: skip
