"""Time lookups: straight from Redis, and over HTTP from `rewake serve`, among a million customers.

Responsible for filling a real Redis with profiles as the worker writes them, for a clock that moves
as if it ran, and for the two kinds of load: as fast as it goes, and by a schedule that waits for
nobody (`bench.asking`).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil
import uvloop
from redis import Redis

from bench import asking
from bench.asking import Paced, direct, http_batch, http_single
from schemas.profiles import (
    CLOCK_KEY,
    EPOCH_FIELD,
    EPOCH_KEY,
    Profile,
    Standing,
    customer_key,
    to_hash,
)
from segmenters.rules import defaults
from streams.cli.progress import bars
from streams.local import LocalServers

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMISED_P99_MS = 10.0
"""Of a lookup over HTTP at the rate asked for."""
PARTITIONS = 4
BATCH = 100
_AT_ONCE = 2_000
_TOKEN = "5f0a"


class Plan(NamedTuple):
    """What is measured."""

    customers: int = 1_000_000
    rate: int = 1_000
    seconds: int = 20
    connections: int = 32
    seed: int = 1


class Figures(NamedTuple):
    """What one run showed.

    Attributes
    ----------
    most
        Kind of lookup → requests a second, as fast as it goes.
    paced
        Kind of lookup → latencies by schedule.
    cpu_ms
        CPU of the service for one lookup over HTTP, by schedule, in milliseconds.
    bytes_each
        Memory of Redis for each customer.
    load
        Load average of the last minute: much above 2 says that others were at work, too.
    """

    most: dict[str, float]
    paced: dict[str, Paced]
    cpu_ms: float
    bytes_each: float
    load: float


def run(plan: Plan) -> Figures:
    """Fill, serve, ask."""
    with tempfile.TemporaryDirectory(prefix="rewake-bench-") as made:
        servers = LocalServers(Path(made))
        try:
            url = servers.start("redis")
            size = _fill(url, plan)
            with _ticking(url), _serving(url, Path(made)) as (web, service):
                return uvloop.run(_ask(plan, url, web, service, size))
        finally:
            servers.down()


async def _ask(plan: Plan, url: str, web: str, service: psutil.Process, size: float) -> Figures:
    ids = asking.ids(plan.customers, plan.seed)
    kinds = {
        "Redis, HMGET": (direct(url, PARTITIONS, ids), plan.rate),
        "HTTP, one": (http_single(web, ids), plan.rate),
        f"HTTP, batch of {BATCH}": (http_batch(web, ids, BATCH), max(1, plan.rate // BATCH)),
    }
    most, paced, cpu = {}, {}, 0.0
    for name, (opening, rate) in kinds.items():
        async with asking.Crowd(opening, plan.connections) as crowd:
            await crowd.closed(min(3.0, plan.seconds))  # warm
            most[name] = await crowd.closed(plan.seconds / 2)
            await asyncio.sleep(1)
            before = sum(service.cpu_times()[:2])
            paced[name] = await crowd.paced(rate, plan.seconds)
            if name == "HTTP, one":
                cpu = 1000 * (sum(service.cpu_times()[:2]) - before) / paced[name].count
    return Figures(most, paced, cpu, size, os.getloadavg()[0])


# ---- the stage


def _fill(url: str, plan: Plan) -> float:
    """Write the customers; return the bytes of each."""
    systems = {each.key: each.segments for each in defaults().systems}
    now = time.time_ns() // 1_000_000
    with Redis.from_url(url) as redis, bars() as bar:
        before = redis.info("memory")["used_memory"]
        update = bar("writing customers", "customers")
        redis.set(EPOCH_KEY, f"rewake Vd9c {PARTITIONS} {_TOKEN}")
        for first in range(0, plan.customers, _AT_ONCE):
            pipeline = redis.pipeline(transaction=False)
            for number in range(first, min(first + _AT_ONCE, plan.customers)):
                profile = _profile(number, systems, now)
                fields: dict[Any, Any] = {EPOCH_FIELD: _TOKEN} | to_hash(profile)
                pipeline.hset(customer_key(profile.customer_id), mapping=fields)
            pipeline.execute()
            update(first + _AT_ONCE, plan.customers)
        return float((redis.info("memory")["used_memory"] - before) / plan.customers)


def _profile(number: int, systems: dict[str, tuple[str, ...]], now: int) -> Profile:
    return Profile(
        asking.id_of(number),
        {
            key: Standing(segments[number % len(segments)], now - 1_000 * (number % 9_000_000))
            for key, segments in systems.items()
        },
        number % 40, number, now + 86_400_000 + number, {"lifecycle": "silent"},
    )  # fmt: skip


@contextmanager
def _ticking(url: str) -> Iterator[None]:
    """Publish the clocks as workers do, twice a second."""
    over = threading.Event()

    def tick() -> None:
        with Redis.from_url(url) as redis:
            while not over.wait(0.5):
                clock = str(time.time_ns() // 1_000_000 - 2_000)
                redis.hset(CLOCK_KEY, mapping={str(n): clock for n in range(PARTITIONS)})

    ticker = threading.Thread(target=tick)
    ticker.start()
    try:
        yield
    finally:
        over.set()
        ticker.join()


@contextmanager
def _serving(url: str, base: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Run the service for the length of a block; Kafka is away, which lookups do not notice."""
    env = os.environ | {
        "REWAKE_REDIS": url, "REWAKE_KAFKA": "127.0.0.1:1", "REWAKE_WEB": "127.0.0.1:0",
        "REWAKE_WEB_RATE": "0", "REWAKE_LOG_FORMAT": "json",
    }  # fmt: skip
    log = base / "serve.log"
    with log.open("wb") as out:
        child = subprocess.Popen(
            [Path(sys.executable).with_name("rewake"), "serve"], env=env, stdout=out, stderr=out
        )
        try:
            yield _address(log, child), psutil.Process(child.pid)
        finally:
            child.terminate()
            child.wait(30)


def _address(log: Path, child: subprocess.Popen[bytes], within: float = 120) -> str:
    deadline = time.monotonic() + within
    while not (found := re.search(r'"web": ?"http://([^/"]*)/"', log.read_text())):
        if child.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the service did not start:\n{log.read_text()[-3000:]}")
        time.sleep(0.2)
    return found[1]


def lines(got: Figures) -> list[str]:
    """Write the figures for a person."""
    head = f"{'lookups':20} {'most/s':>8} {'asked/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}"
    told = [f"{head}   promised p99"]
    for name, paced in got.paced.items():
        promise = f"{PROMISED_P99_MS:8.0f}" if name == "HTTP, one" else ""
        told.append(
            f"{name:20} {got.most[name]:8.0f} {paced.rate:8.0f} {paced.p50:8.2f} {paced.p99:8.2f} "
            f"{paced.most:8.2f}   {promise}"
        )
    return [
        *told,
        f"{'service, CPU':20} {got.cpu_ms:8.2f} ms for a lookup over HTTP",
        f"{'Redis':20} {got.bytes_each:8.0f} bytes a customer, without the sets of members",
        f"{'load average':20} {got.load:8.2f}",
    ]


def as_json(plan: Plan, got: Figures) -> str:
    """Write the figures as one JSON object."""
    paced = {name: each._asdict() for name, each in got.paced.items()}
    return json.dumps(got._asdict() | {"plan": plan._asdict(), "paced": paced})
