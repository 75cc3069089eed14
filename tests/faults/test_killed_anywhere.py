"""Workers that die at any step of their effects and of their start lose and repeat nothing."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import redis

from schemas.profiles import customer_key
from segmenters.rules import defaults
from tests.faults.figures import note
from tests.faults.shop import Shop
from tests.streams.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def cached(url: str, customers: Iterable[str]) -> dict[str, dict[str, str]]:
    """Read what the cache says of customers."""
    systems = [system.key for system in defaults().systems]
    with redis.Redis.from_url(url, decode_responses=True) as store:
        return {
            name: dict(zip(systems, store.hmget(customer_key(name), systems), strict=True))
            for name in customers
        }


@pytest.mark.timeout(1800)
async def test_deaths_at_any_step_lose_nothing_and_repeat_nothing(
    kafka: str, redis_url: str, tmp_path: Path, full: bool
):
    with redis.Redis.from_url(redis_url) as store:
        store.flushdb()
    count = 200 if full else 20
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    for number in range(count):
        (deaths / f"{number:03}.left").touch()
    env = {"REWAKE_REDIS": redis_url, "DEATHS": str(deaths), "SEED": "1"}
    span_s = 600 if full else 40
    async with Shop(kafka, tmp_path, customers=800, rate=60, span_s=span_s, env=env) as shop:
        began = time.monotonic()
        shop.keep(2, "die somewhere")
        async with shop.selling():
            await eventually(lambda: len(list(deaths.glob("*.died"))) == count, 1500, 0.2)
            took = time.monotonic() - began
            recovery_s = await shop.recovered()
        outcome = await shop.assert_exact()
        # Told to stop before it was up, a worker ends by the signal itself.
        assert {code for code, _ in shop.ended} <= {-signal.SIGKILL, -signal.SIGTERM, 0}
        steps = Counter(path.stem[4:] for path in deaths.glob("*.died"))
        assert await asyncio.to_thread(cached, redis_url, outcome.segments) == outcome.segments
        note(
            "kill -9 at any step of effects, restore and takeover", tried=count,
            recovery_s=recovery_s, took_s=round(took), steps=dict(steps), **outcome.figures,
        )  # fmt: skip
