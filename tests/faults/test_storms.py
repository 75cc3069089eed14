"""Workers that come and go, and some that sleep for too long and wake up as zombies."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.faults.figures import note
from tests.faults.shop import Shop

if TYPE_CHECKING:
    from pathlib import Path

ASLEEP_S = 8.0
"""Longer than the session of six seconds: the group has given the partitions to others."""


@pytest.mark.timeout(900)
async def test_workers_that_come_and_go_all_the_time(kafka: str, tmp_path: Path, full: bool):
    storm_s, pause = (180, (5, 10)) if full else (20, (3, 5))
    chance = random.Random(5)
    async with Shop(kafka, tmp_path, customers=900, span_s=storm_s + 30) as shop:
        shop.start_real()
        await shop.at_work()
        moves = 0
        async with shop.selling():
            end = time.monotonic() + storm_s
            while time.monotonic() < end:
                here = shop.alive
                if len(here) == 1 or (len(here) < 4 and chance.random() < 0.6):
                    shop.start_real()
                else:
                    chance.choice(here).terminate()
                moves += 1
                await asyncio.sleep(chance.uniform(*pause))
            took = await shop.recovered()
        outcome = await shop.assert_exact()
        # Told to stop before it was up, a worker ends by the signal itself.
        assert {worker.returncode for worker in shop.workers} <= {0, -signal.SIGTERM}
        note("join or leave", tried=moves, recovery_s=took, **outcome.figures)


@pytest.mark.timeout(1800)
async def test_workers_that_sleep_longer_than_their_session_at_any_step(
    kafka: str, tmp_path: Path, full: bool
):
    count = 22 if full else 4
    naps = tmp_path / "naps"
    naps.mkdir()
    for number in range(count):
        (naps / f"{number:03}.left").touch()
    env = {"DEATHS": str(naps), "SEED": "4"}
    span_s = 400 if full else 40
    async with Shop(kafka, tmp_path, customers=800, rate=60, span_s=span_s, env=env) as shop:
        shop.keep(1, "freeze somewhere")
        shop.keep(1, "freeze somewhere", named=False)
        woken: dict[int, float] = {}
        async with shop.selling():
            while len(list(naps.glob("*.died"))) < count or asleep(shop):
                wake(shop, woken)
                renew(shop, naps, woken)
                await asyncio.sleep(0.1)
            took = await shop.recovered()
        outcome = await shop.assert_exact()
        steps = sorted(path.stem[4:] for path in naps.glob("*.died"))
        codes = [code for _, code in shop.ended if code]
        note(
            "SIGSTOP beyond the session at any step", tried=count, recovery_s=took, steps=steps,
            stopped_loudly=len(codes), **outcome.figures,
        )  # fmt: skip


def asleep(shop: Shop) -> list[psutil.Process]:
    """List the workers that were sent to sleep."""
    found = []
    for number in range(len(shop.workers)):
        worker = shop.working(number)
        with suppress(psutil.NoSuchProcess):
            if worker is not None and worker.status() == psutil.STATUS_STOPPED:
                found.append(worker)
    return found


def renew(shop: Shop, naps: Path, woken: dict[int, float]) -> None:
    """Have workers replaced that have slept and live on, where nobody is left for the next nap.

    A worker takes one nap. One that was not fenced meanwhile goes on, as it should.
    """
    if list(naps.glob("*.claimed")) or not list(naps.glob("*.left")) or asleep(shop):
        return
    for number in range(len(shop.workers)):
        worker = shop.working(number)
        if worker is not None and woken.pop(worker.pid, 0):
            with suppress(psutil.NoSuchProcess):
                worker.terminate()


def wake(shop: Shop, since: dict[int, float]) -> None:
    """Wake those who have slept for long enough."""
    now = time.monotonic()
    for worker in asleep(shop):
        if now - since.setdefault(worker.pid, now) > ASLEEP_S:
            worker.send_signal(signal.SIGCONT)
