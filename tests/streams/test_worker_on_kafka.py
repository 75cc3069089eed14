"""Real workers on a real Kafka whose delivery is disturbed, or must not go on: loud and exact."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from schemas import topics
from streams.partitioner import partitions_of
from tests.streams.workbench import (
    FIRST_TS,
    PARTITIONS,
    Event,
    Workbench,
    events,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bench(kafka: str, tmp_path: Path) -> Iterator[Workbench]:
    workbench = Workbench(kafka, tmp_path)
    workbench.reset()
    try:
        yield workbench
    finally:
        workbench.close()


async def _logged(bench: Workbench, number: int, text: str) -> bool:
    return text in bench.log(number)


@pytest.mark.parametrize(
    ("fault", "trace"),
    [
        ("throw chunks away", "continuity"),
        ("deliver chunks twice", ""),
        ("old position after a seek", ""),
        ("slow takeover", ""),
        ("rejoin all the time", "partitions released"),
    ],
)
@pytest.mark.timeout(600)
async def test_a_fault_in_the_delivery_is_noticed_and_healed(
    bench: Workbench, fault: str, trace: str
):
    await bench.load(events(60_000))
    bench.start(fault)
    await bench.load(events(20_000, seed=2), per_second=5_000)
    await until(bench.caught_up, 90)
    await bench.assert_exact()
    assert trace in bench.log()


async def test_a_restart_reads_a_changelog_that_ends_in_markers_and_goes_on(bench: Workbench):
    for seed in range(3):
        await bench.load(events(5_000, seed=seed))
        worker = bench.start()
        await until(bench.caught_up)
        worker.terminate()
        assert await bench.ends(worker, 30) == 0
    restored = [int(n) for n in re.findall(r"restored=(\d+)", bench.log())]
    assert sum(restored) > 1_000
    await bench.assert_exact()


def _order(**changes: Any) -> bytes:
    event = {
        "event_id": "bad", "customer_id": "c-0", "ts": FIRST_TS, "type": "order", "order_id": "o",
        "amount": "12.50", "currency": "GBP",
    } | changes  # fmt: skip
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


POISON: list[tuple[str, bytes, bytes | None]] = [
    ("malformed_json", b"c-0", b"{oops"),
    ("malformed_json", b"c-0", None),
    ("malformed_json", b"c-0", _order().replace(b'"12.50"', b"NaN")),
    ("invalid_value", b"c-0", _order(amount="NaN")),
    ("invalid_value", b"c-0", _order(amount="-1.00")),
    ("missing_field", b"c-0", _order(amount=None)),
    ("wrong_type", b"c-0", _order(order_id=7)),
    ("wrong_type", b"c-0", b"[1]"),
    ("unknown_type", b"c-0", _order(type="gift")),
    ("unknown_currency", b"c-0", _order(currency="XXX")),
    ("oversized", b"c-0", _order(channel="x" * 1_000_000)),
    ("implausible_timestamp", b"c-0", _order(ts=FIRST_TS // 1000)),
    ("future_timestamp", b"c-0", _order(ts=4_102_444_800_000)),
    ("missing_customer", b"c-0", _order(customer_id="")),
    ("misrouted", b"", _order()),
    ("misrouted", b"c-0", _order(customer_id="c-1")),
]


async def test_bad_events_become_dead_letters_with_their_origin_and_the_rest_goes_on(
    bench: Workbench,
):
    home = int(partitions_of([b"c-0"], PARTITIONS)[0])
    stream, poison = [], list(POISON)
    for index, event in enumerate(events(2_000)):
        stream.append(event)
        if index % 100 == 7 and poison:
            _, key, value = poison.pop()
            stream.append(Event(topics.PURCHASES, home, key, value))  # type: ignore[arg-type]
    await bench.load(stream)
    for _, key, _ in POISON:
        bench.loaded[key.decode()] -= 1
    bench.loaded = {customer: count for customer, count in bench.loaded.items() if count}
    bench.start()
    await until(bench.caught_up)
    seen = await bench.assert_exact()
    reasons = [letter["rewake-reason"] for letter in seen.letters]
    assert sorted(reasons) == sorted(reason for reason, _, _ in POISON)
    origins = {
        (letter["rewake-origin-topic"], letter["rewake-origin-partition"],
         letter["rewake-origin-offset"])
        for letter in seen.letters
    }  # fmt: skip
    assert len(origins) == len(POISON)
    assert {origin[:2] for origin in origins} == {(topics.PURCHASES, str(home))}


async def test_a_worker_that_is_told_to_stop_leaves_within_thirty_seconds(bench: Workbench):
    loading = asyncio.create_task(bench.load(events(40_000), per_second=4_000))
    worker = bench.start()
    await until(lambda: _logged(bench, 0, "partition taken"))
    await asyncio.sleep(2)
    asked = time.monotonic()
    worker.terminate()
    assert await bench.ends(worker, 30) == 0
    assert time.monotonic() - asked < 10
    await loading
    bench.start()
    await until(bench.caught_up)
    await bench.assert_exact()
