"""Four partitions become eight under live state, by the how-to as it is written."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas import topics
from streams.partitioner import partitions_of
from streams.settings import load_settings
from streams.topics_admin import plan
from tests.faults.figures import note
from tests.faults.followers import Changelog, ChangesConsumer
from tests.faults.shop import Shop
from tests.streams.workbench import APP, INPUTS, PARTITIONS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

HOW_TO = ROOT / "docs" / "how-to" / "change-the-partition-count.md"
NEW_APP, PREFIX, COUNT = "rewake-8", "eight.", 8
"""As the how-to has them."""

KILLED_BEFORE_THE_COMMIT = """
import asyncio, os, signal, sys
from streams.repartition import repartition
from streams.settings import load_settings

def progress(done, whole):
    if done == whole:
        os.kill(os.getpid(), signal.SIGKILL)

target = load_settings(app=sys.argv[1], topic_prefix=sys.argv[2], partitions=int(sys.argv[3]))
asyncio.run(repartition(load_settings(), target, progress))
"""


class MovingShop(Shop):
    """A shop whose topics may come to be others."""

    prefix = ""

    def spread(self, partitions: int) -> None:
        """Let producers deal customers out to another number of partitions."""
        self.partitions = partitions
        names = self.trade.names
        homes = partitions_of([name.encode() for name in names], partitions).tolist()
        self.trade._homes = dict(zip(names, homes, strict=True))

    def go_over(self) -> None:
        """Go on with the new topics, as step 4 says."""
        self.prefix = PREFIX
        self.spread(COUNT)
        self.deeds = [deed._replace(event=self.trade.tell(deed.fact)) for deed in self.deeds]
        self.changelog = Changelog(self.kafka, NEW_APP, COUNT)

    async def follow_the_new_changes(self) -> None:
        """Read the new changes behind the old ones, which were read to their end."""
        for number, old in enumerate(self.consumers):
            await old.read_to_the_end()
            await old.stop()
            new = ChangesConsumer(self.kafka, COUNT, committed=old.committed)
            new._tps = [tp._replace(topic=PREFIX + tp.topic) for tp in new._tps]
            new.told = old.told
            await new.start()
            self.consumers[number] = new

    async def _append(self, topic: str, partition: int, pile: Any) -> int:
        return await super()._append(self.prefix + topic, partition, pile)

    async def _input_ends(self) -> dict[TopicPartition, int]:
        names = [self.prefix + name for name in INPUTS]
        tps = [TopicPartition(name, p) for name in names for p in range(self.partitions)]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka, isolation_level="read_committed"
        )  # fmt: skip
        await consumer.start()
        try:
            consumer.assign(tps)
            return dict(await consumer.end_offsets(tps))
        finally:
            await consumer.stop()

    def remove(self) -> None:
        """Delete the topics of both worlds."""
        super().remove()
        new = load_settings(None, kafka=self.kafka, app=NEW_APP, topic_prefix=PREFIX)
        with self.admin() as admin:
            there = set(admin.list_topics()) & {each.topic.name for each in plan(new)}
            if there:
                admin.delete_topics(list(there))
            while there & set(admin.list_topics()):
                time.sleep(0.1)
            if any(group["group_id"] == NEW_APP for group in admin.list_groups()):
                admin.delete_groups([NEW_APP])


def commands() -> list[str]:
    """Return the how-to's blocks of commands."""
    return re.findall(r"```sh\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)


async def shell(shop: Shop, script: str) -> subprocess.CompletedProcess[str]:
    """Run what an operator of the shop would, who has `rewake` on the path."""
    folder = shop.folder / "bin"
    folder.mkdir(exist_ok=True)
    rewake = folder / "rewake"
    rewake.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c "
        "'import sys; from streams.cli import main; sys.exit(main())' \"$@\"\n"
    )
    rewake.chmod(rewake.stat().st_mode | stat.S_IXUSR)
    env = {
        **os.environ, **shop.env, "REWAKE_KAFKA": shop.kafka, "REWAKE_REDIS": "",
        "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    env.setdefault("REWAKE_APP", APP)
    return await asyncio.to_thread(
        subprocess.run, ["bash", "-c", script], env=env, cwd=shop.folder, capture_output=True,
        text=True, timeout=90, check=False,
    )  # fmt: skip


@pytest.mark.timeout(600)
async def test_the_how_to_leads_from_four_partitions_to_eight_without_losing_or_repeating_anything(
    kafka: str, tmp_path: Path, full: bool
):
    customers, live_s = (2_000, 20) if full else (240, 3)
    async with MovingShop(kafka, tmp_path, customers=customers, rate=60, span_s=30) as shop:
        shop.start_real()
        await shop.at_work()
        async with shop.selling():
            await asyncio.sleep(live_s)
            early = await shell(shop, commands()[0])
            assert early.returncode == 1, early
            assert f"expected no worker of {APP} to run" in early.stderr
            await shop.stop()
            await asyncio.sleep(1)  # nobody reads this
        # An operator has added partitions in place, and producers have gone on with them.
        with shop.admin() as admin:
            admin.create_partitions(dict.fromkeys(INPUTS, COUNT))
        await shop._close_producer()
        shop.spread(COUNT)
        async with shop.selling():
            await asyncio.sleep(1)
        refused = shop.start_real()
        assert await shop.ends(refused) == 1
        assert "partitions_changed: expected the same partition count" in shop.log()
        assert str(HOW_TO.relative_to(ROOT)) in shop.log()

        began = time.monotonic()
        moved = await shell(shop, commands()[0].strip() + " --json")
        assert moved.returncode == 0, moved
        told = json.loads(moved.stdout)
        assert told["unread"] > 20
        assert (told["before"], told["after"]) == (PARTITIONS, COUNT)
        exports = await shell(shop, commands()[1] + "env")
        shop.env |= dict(
            line.split("=", 1) for line in exports.stdout.splitlines() if line.startswith("REWAKE_")
        )
        assert shop.env["REWAKE_APP"] == NEW_APP

        shop.go_over()
        await shop.follow_the_new_changes()
        shop.start_real()
        recovery_s = time.monotonic() - began + await shop.recovered()
        async with shop.selling():
            await asyncio.sleep(live_s)
        await shop.fired(max(shop.trade.dues.values()) + 1)
        outcome = await shop.assert_exact()
    note(
        "partitions changed under live state", tried=1, recovery_s=recovery_s,
        changes=outcome.changes, customers=told["customers"], unread=told["unread"],
    )  # fmt: skip


@pytest.mark.timeout(600)
async def test_a_move_that_is_killed_moves_nothing_and_once_it_was_done_the_old_app_is_over(
    kafka: str, tmp_path: Path
):
    async with MovingShop(kafka, tmp_path, customers=120, rate=40, span_s=10) as shop:
        shop.start_real()
        await shop.at_work()
        await shop.stop()
        words = [NEW_APP, PREFIX, str(COUNT)]
        script = f"{sys.executable} - {' '.join(words)}"
        killed = await shell(shop, f"{script} <<'END'\n{KILLED_BEFORE_THE_COMMIT}END")
        assert killed.returncode == 128 + signal.SIGKILL, killed
        shop.spread(COUNT)
        assert await shop.read(topics.changelog(NEW_APP)) == []
        moved = await shell(shop, commands()[0])
        assert moved.returncode == 0, moved
        assert "moved 105 customers from 4 to 8 partitions" in moved.stdout
        again = await shell(shop, commands()[0])
        assert again.returncode == 2, again
        assert f"expected {topics.changelog(NEW_APP)} to be empty" in again.stderr
        assert await shop.ends(shop.start_real()) == 1
        assert "state_missing" in shop.log()
        assert f"moved to the app {NEW_APP}" in shop.log()
