"""Keep what a changelog held, spoil it, and put it back.

Responsible for the topic's records as anybody may read and write them. What a worker makes of them
is for the tests.
"""

from __future__ import annotations

import asyncio
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer

from schemas import topics
from streams.position import POSITION_KEY
from streams.settings import load_settings
from streams.topics_admin import create, plan
from tests.faults.followers import Changelog
from tests.streams.workbench import APP, until

if TYPE_CHECKING:
    from tests.streams.workbench import Workbench

CHANGELOG = topics.changelog(APP)

Row = tuple[int, bytes, bytes]
"""Partition, key, value."""


class Backup:
    """What the changelog held, in order; it can be put back."""

    def __init__(self, shop: Workbench, records: list[Any]) -> None:
        self._shop = shop
        self.records: list[Row] = [(number, key, value) for number, key, value, _ in records]
        versions: dict[bytes, list[Row]] = {}
        for record in self.records:
            if record[1] != POSITION_KEY:
                versions.setdefault(record[1], []).append(record)
        self.versions = max(versions.values(), key=len)
        """All versions of one row, the customer most was written of."""

    @property
    def row(self) -> Row:
        """One customer's row."""
        return self.versions[-1]

    @property
    def position(self) -> Row:
        """The position record beside it."""
        return [r for r in self.records if r[1] == POSITION_KEY and r[0] == self.row[0]][-1]

    async def put_back(self) -> None:
        """Restore the topic, as the error's text says."""
        settings = load_settings(
            None, kafka=self._shop.kafka, app=APP, partitions=self._shop.partitions
        )
        with self._shop.admin() as admin:
            admin.delete_topics([CHANGELOG])
            await until(lambda: _gone(admin), every=0.1)
            create(admin, [plan(settings)[-1]])
        await write(self._shop, self.records)
        self._shop.changelog = Changelog(self._shop.kafka, APP, self._shop.partitions)


async def by_partition(shop: Workbench, topic: str) -> list[Any]:
    """Read a topic: one partition after the other, each in order."""
    return sorted(await shop.read(topic), key=itemgetter(0))


async def _gone(admin: Any) -> bool:
    return CHANGELOG not in admin.list_topics()


async def write(shop: Workbench, records: list[tuple[int, bytes, bytes | None]]) -> None:
    """Write to the changelog as somebody who is no worker."""
    producer = AIOKafkaProducer(bootstrap_servers=shop.kafka)
    await producer.start()
    try:
        sent = [await producer.send(CHANGELOG, v, key=k, partition=p) for p, k, v in records]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
