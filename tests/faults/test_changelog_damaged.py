"""A changelog that is not as it was written: a named stop, nothing guessed, nothing written."""

from __future__ import annotations

import asyncio
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import pytest
from aiokafka import AIOKafkaProducer

from schemas import topics
from segmenters.rules import loads
from tests.faults.backups import CHANGELOG, Backup, by_partition, write
from tests.faults.exactness import undisturbed
from tests.faults.figures import note
from tests.faults.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from segmenters.engine import Engine


class Damage(NamedTuple):
    """One way in which a changelog may be spoilt.

    Attributes
    ----------
    what
        In words.
    code
        The error's.
    records
        What is written behind the rest.
    """

    what: str
    code: str
    records: Callable[[Shop, Backup], list[tuple[int, bytes, bytes | None]]]


def _flipped(value: bytes, at: int) -> bytes:
    return value[:at] + bytes([value[at] ^ 0x10]) + value[at + 1 :]


def _of_another_app(shop: Shop, backup: Backup) -> bytes:
    """Make a row that is right in itself: the customer's, with fewer of the facts."""
    number, key, _ = backup.row
    deeds = [deed for deed in shop.deeds if deed.event.key == key][:-1]
    engine: Engine = undisturbed(deeds, loads(shop.rules), shop.partitions, [0] * shop.partitions)[
        number
    ]
    ((_, value),) = engine.dump_rows(engine.ledger.rows_of([key]))
    return value


OFTEN = [
    Damage(
        "a flipped bit",
        "changelog_corrupt",
        lambda _, b: [(b.row[0], b.row[1], _flipped(b.row[2], len(b.row[2]) // 2))],
    ),
    Damage("a tombstone", "changelog_corrupt", lambda _, b: [(*b.row[:2], None)]),
    Damage(
        "a row of another app",
        "changelog_corrupt",
        lambda shop, b: [(*b.row[:2], _of_another_app(shop, b))],
    ),
    Damage(
        "a position that was changed",
        "changelog_corrupt",
        lambda _, b: [(*b.position[:2], b.position[2].replace(b'"offset":', b'"offset":1'))],
    ),
]
RARELY = [
    Damage("a row cut off", "changelog_corrupt", lambda _, b: [(*b.row[:2], b.row[2][:-16])]),
    Damage("a stub of a row", "changelog_corrupt", lambda _, b: [(*b.row[:2], b.row[2][:5])]),
    Damage("garbage", "changelog_corrupt", lambda _, b: [(b.row[0], b"\xff\xfe", b"{oops")]),
    Damage(
        "a layout unknown", "changelog_corrupt", lambda _, b: [(*b.row[:2], _flipped(b.row[2], 0))]
    ),
    Damage("a customer too many", "changelog_corrupt", lambda _, b: [(b.row[0], b"who", b.row[2])]),
    Damage("an old row come back", "changelog_corrupt", lambda _, b: [b.versions[0]]),
    Damage("no position any more", "changelog_corrupt", lambda _, b: [(*b.position[:2], None)]),
]


@pytest.mark.timeout(600)
async def test_a_record_no_worker_has_written_stops_the_worker_and_a_backup_heals_it(
    kafka: str, tmp_path: Path, full: bool
):
    damages = [*OFTEN, *RARELY] if full else OFTEN
    async with Shop(kafka, tmp_path, customers=120, rate=60, span_s=60 if full else 30) as shop:
        shop.start_real()
        await shop.at_work()
        async with shop.selling():
            await asyncio.sleep(2)
        await shop.stop()
        backup = Backup(shop, await shop.read(CHANGELOG))
        told = await by_partition(shop, topics.CHANGES)
        for damage in damages:
            spoilt = damage.records(shop, backup)
            await write(shop, spoilt)
            assert await shop.ends(shop.start_real()) == 1, damage.what
            log = shop.log()
            assert f"code={damage.code}" in log, (damage.what, log)
            assert f"{CHANGELOG}, partition {backup.row[0]}" in log, damage.what
            assert await by_partition(shop, topics.CHANGES) == told, damage.what
            left = await by_partition(shop, CHANGELOG)
            whole = sorted([*backup.records, *spoilt], key=itemgetter(0))
            assert [record[:3] for record in left] == whole, damage.what
            await backup.put_back()
        shop.start_real()
        recovery_s = await shop.recovered()
        async with shop.selling():
            await asyncio.sleep(1)
        outcome = await shop.assert_exact()
    note(
        "changelog records damaged", tried=len(damages), recovery_s=recovery_s,
        changes=outcome.changes, refused=len(damages),
    )  # fmt: skip


@pytest.mark.timeout(600)
async def test_a_foreign_transaction_that_hides_the_end_of_the_changelog_is_waited_out_loudly(
    kafka: str, tmp_path: Path
):
    async with Shop(kafka, tmp_path, customers=120, rate=60, span_s=30) as shop:
        shop.start_real()
        await shop.at_work()
        foreign = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id="somebody-else")
        await foreign.start()
        await foreign.begin_transaction()
        for number in range(shop.partitions):
            await foreign.send_and_wait(CHANGELOG, b"?", key=b"?", partition=number)
        async with shop.selling():
            await asyncio.sleep(3)  # what is committed now lies behind it
        await shop.stop()
        assert await shop.ends(shop.start_real()) == 1
        assert "code=continuity_broken" in shop.log()
        assert "an open transaction of somebody else" in shop.log()
        await foreign.abort_transaction()
        await foreign.stop()
        shop.start_real()
        recovery_s = await shop.recovered()
        await shop.assert_exact()
    note("a foreign transaction left open in the changelog", tried=1, recovery_s=recovery_s)
