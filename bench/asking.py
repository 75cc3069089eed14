"""Ask for customers from many connections: as fast as answers come, or by a schedule.

Responsible for the load of `bench.lookup`. By schedule, question k is due at ``start + k / rate``
whatever happened to those before it, and its latency counts from then: a stall shows in every
question it delayed. Every answer is checked: known, and not stale.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from redis.asyncio import Redis

from schemas.profiles import CLOCK_KEY, EPOCH_KEY, STALE_AFTER_MS, customer_key
from streams.partitioner import partitions_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Opening = Callable[[], Awaitable["Asker"]]


class Asker(Protocol):
    """One connection."""

    async def ask(self) -> None:
        """Ask once, and check the answer."""

    async def close(self) -> None:
        """Close it."""


class Paced(NamedTuple):
    """Latencies by schedule, in milliseconds."""

    rate: float
    count: int
    p50: float
    p99: float
    most: float


def id_of(number: int) -> str:
    """Name a customer."""
    return f"customer-{number:08}"


def ids(customers: int, seed: int) -> Iterator[str]:
    """Draw customers, all alike often: a cache of the machine has little use."""
    draw = random.Random(seed)
    while True:
        yield id_of(draw.randrange(customers))


class Crowd:
    """Connections that ask side by side."""

    def __init__(self, opening: Opening, connections: int) -> None:
        self._opening = opening
        self._connections = connections
        self._askers: list[Asker] = []

    async def __aenter__(self) -> Crowd:
        self._askers = [await self._opening() for _ in range(self._connections)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in self._askers:
            await each.close()

    async def closed(self, seconds: float) -> float:
        """Ask again as soon as an answer is there; return questions a second."""
        end = time.perf_counter() + seconds
        begun, count = time.perf_counter(), 0

        async def go_on(asker: Asker) -> None:
            nonlocal count
            while time.perf_counter() < end:
                await asker.ask()
                count += 1

        await asyncio.gather(*map(go_on, self._askers))
        return count / (time.perf_counter() - begun)

    async def paced(self, rate: int, seconds: float) -> Paced:
        """Ask by the schedule; who finds no connection free waits, and that counts."""
        free: asyncio.Queue[Asker] = asyncio.Queue()
        for each in self._askers:
            free.put_nowait(each)
        late: list[float] = []

        async def one(due: float) -> None:
            asker = await free.get()
            await asker.ask()
            late.append((time.perf_counter() - due) * 1000)
            free.put_nowait(asker)

        gc.collect()
        gc.disable()
        start = time.perf_counter() + 0.1
        tasks = []
        for number in range(int(rate * seconds)):
            due = start + number / rate
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            tasks.append(asyncio.create_task(one(due)))
        await asyncio.gather(*tasks)
        gc.enable()
        p50, p99 = np.percentile(late, (50, 99)).tolist()
        return Paced(rate, len(late), p50, p99, max(late))


# ---- Redis


class _Direct:
    """A page view's own reader: two segments and the reader's rule, in one round trip."""

    def __init__(self, redis: Redis, partitions: int, customers: Iterator[str]) -> None:
        self._redis = redis
        self._partitions = partitions
        self._customers = customers

    async def ask(self) -> None:
        customer = next(self._customers)
        partition = int(partitions_of([customer.encode()], self._partitions)[0])
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.get(EPOCH_KEY)
            pipeline.hget(CLOCK_KEY, str(partition))
            key = customer_key(customer)
            pipeline.hmget(key, ["epoch", "valid_until", "lifecycle", "value_tier"])
            epoch, clock, (token, until, lifecycle, _) = await pipeline.execute()
        now = time.time() * 1000
        assert lifecycle
        assert epoch.endswith(token)
        assert now - int(clock) <= STALE_AFTER_MS
        assert now <= int(until) + STALE_AFTER_MS

    async def close(self) -> None:
        await self._redis.aclose()


def direct(url: str, partitions: int, customers: Iterator[str]) -> Opening:
    """Ask Redis itself."""

    async def opening() -> Asker:
        redis = Redis.from_url(url, decode_responses=True, max_connections=1)
        await redis.ping()
        return _Direct(redis, partitions, customers)

    return opening


# ---- HTTP


class _Http:
    """One kept connection; just enough of HTTP/1.1 to measure a server, not a client."""

    def __init__(self, reader: Any, writer: Any, requests: Iterator[bytes], known: int) -> None:
        self._reader = reader
        self._writer = writer
        self._requests = requests
        self._known = known

    async def ask(self) -> None:
        self._writer.write(next(self._requests))
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r", 1)[0])
        body = await self._reader.readexactly(length)
        assert head.startswith(b"HTTP/1.1 200"), head + body
        assert body.count(b'"stale":false') == self._known, body[:300]

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


def _http(web: str, requests: Iterator[bytes], known: int) -> Opening:
    async def opening() -> Asker:
        host, port = web.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        return _Http(reader, writer, requests, known)

    return opening


def http_single(web: str, customers: Iterator[str]) -> Opening:
    """Ask for one customer at a time over HTTP."""
    requests = (
        f"GET /v1/customers/{each} HTTP/1.1\r\nHost: {web}\r\n\r\n".encode() for each in customers
    )
    return _http(web, requests, 1)


def http_batch(web: str, customers: Iterator[str], size: int) -> Opening:
    """Ask for so many customers at a time over HTTP."""

    def requests() -> Iterator[bytes]:
        while True:
            body = json.dumps({"customer_ids": [next(customers) for _ in range(size)]})
            yield (
                f"POST /v1/customers:batchGet HTTP/1.1\r\nHost: {web}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            ).encode()

    return _http(web, requests(), size)
