"""A real worker says whether it is alive, and whether it is ready: two answers."""

from __future__ import annotations

import asyncio
import http.client
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from schemas.errors import RewakeError
from streams import health
from streams.local.endpoints import HOST, free_port
from streams.setting_values import Address
from tests.streams.waiting import eventually
from tests.streams.workbench import PATIENCE_S, Event, Workbench, events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.streams.workbench import Worker

DEAF = (
    "import sys; from streams.ownership import Ownership; Ownership.accept = lambda *_: None; "
    "from streams.cli import main; sys.exit(main(['worker']))"
)
"""A worker that throws away whatever is fetched."""


@pytest.fixture
def bench(kafka: str, tmp_path: Path) -> Iterator[Workbench]:
    workbench = Workbench(kafka, tmp_path, partitions=1)
    workbench.reset()
    try:
        yield workbench
    finally:
        workbench.close()


def in_one_partition(count: int) -> Iterator[Event]:
    return (event._replace(partition=0) for event in events(count))


class Said(NamedTuple):
    """What a page answers."""

    status: int
    text: str


def ask(port: int, page: str) -> Said | None:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", page)
        response = connection.getresponse()
        return Said(response.status, response.read().decode())
    except (OSError, http.client.HTTPException):
        return None  # it does not listen yet, or no more
    finally:
        connection.close()


async def listening(bench: Workbench, worker: Worker, port: int) -> None:
    await eventually(lambda: worker.poll() is not None or ask(port, health.ALIVE), PATIENCE_S, 0.02)
    assert worker.poll() is None, bench.log()


async def test_a_worker_is_alive_from_the_start_and_ready_when_it_works_its_partitions(
    bench: Workbench,
) -> None:
    await bench.load(in_one_partition(2_000))
    ports = free_port(), free_port()
    for number, port in enumerate(ports):
        worker = bench.start_real(REWAKE_METRICS=f"{HOST}:{port}", REWAKE_INSTANCE=f"w{number}")
        await listening(bench, worker, port)
        first = ask(port, health.READY)
        assert first is not None
        assert (first.status, first.text) == (503, "not in the group yet")
        alive = []

        def ready(port: int = port, alive: list[Said | None] = alive) -> bool:
            alive.append(ask(port, health.ALIVE))
            said = ask(port, health.READY)
            return said is not None and said.status == 200

        await eventually(ready, PATIENCE_S, 0.1)
        assert set(alive) == {Said(200, "ok")}
    # One of the two has no partition: it is ready to take one.
    for port in ports:
        await eventually(lambda port=port: ask(port, health.READY) == Said(200, "ok"), PATIENCE_S)


async def test_a_worker_that_stands_still_is_dead_and_says_why(bench: Workbench) -> None:
    await bench.load(in_one_partition(200))
    port = free_port()
    worker = bench.run(
        [sys.executable, "-c", DEAF],
        REWAKE_METRICS=f"{HOST}:{port}",
        REWAKE_STALL_TIMEOUT="4s",
    )
    await listening(bench, worker, port)
    assert health.probe(Address(HOST, port)) == "ok"
    heard: set[Said] = set()
    deadline = time.monotonic() + PATIENCE_S
    while worker.poll() is None and time.monotonic() < deadline:
        said = await asyncio.to_thread(ask, port, health.ALIVE)
        heard |= {said} if said else set()
        await asyncio.sleep(0.01)
    assert worker.poll() == 1
    dead = [said for said in heard if said.status == 503]
    assert dead, bench.log()
    assert any("expected progress, got none" in said.text for said in dead), dead
    assert '"stalled"' in bench.log() or "code=stalled" in bench.log()


def test_a_probe_for_readiness_asks_the_other_page() -> None:
    from streams.metrics import Metrics

    server = health.serve(
        Address(HOST, 0), Metrics().registry, lambda: None, lambda: "taking partitions over"
    )
    address = Address(HOST, server.server_port)
    try:
        assert health.probe(address) == "ok"
        with pytest.raises(RewakeError, match=r"is ready .* taking partitions over"):
            health.probe(address, health.READY)
    finally:
        server.shutdown()
        server.server_close()
