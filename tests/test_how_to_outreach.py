"""The programs on the pages for marketing automation do what the pages say."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from schemas.changes import Change, change_id, encode
from streams.local.endpoints import free_port
from streams.webhook.endpoint import Endpoint, Parcel, Refused
from streams.webhook.metrics import Metrics
from streams.webhook.signing import headers_of
from tests.streams.waiting import eventually
from tests.streams.webhook.posting import Posting, control, make_change

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = Path(__file__).parents[1] / "docs" / "how-to"
KEY = b"a-secret-for-the-receiver-of-the-page"


def page(name: str) -> str:
    return (PAGES / name).read_text(encoding="utf-8")


def program(name: str, folder: Path) -> Path:
    """Write a page's program in Python to a file."""
    found = re.findall(r"^```python\n(.*?)^```$", page(name), re.DOTALL | re.MULTILINE)
    path = folder / "program.py"
    path.write_text(found[0], encoding="utf-8")
    return path


async def test_the_consumer_acts_once_ignores_what_comes_twice_and_alarms_on_a_gap(
    kafka: str, tmp_path: Path
) -> None:
    posting = Posting(kafka, tmp_path, f"page-{uuid.uuid4().hex[:8]}")
    low = make_change("low", 2, segments={"value_tier": "low"})
    told = [
        make_change("ann", 1),
        make_change("ann", 2),
        make_change("ann", 2),  # twice
        make_change("bob", 7, cause="event", to="silent"),  # the first one seen may be any
        make_change("ann", 5),  # 3 and 4 are missing
        make_change("ann", 4),  # and do not count when they come late
        low,
        control(make_change("held", 2)),
        make_change("ann", 6, cause="rules", play=None),
    ]
    await posting.tell(told)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=posting.name)
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(posting.changes, key=b"ann", value=encode(make_change("ann", 8)))
    await producer.abort_transaction()
    await producer.stop()
    program("consume-changes.md", tmp_path)
    said: list[str] = []
    for _ in range(2):  # the second time nothing is left
        call = f"program.consume({kafka!r}, {posting.changes!r}, {posting.name!r}, 10_000)"
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", f"import program; {call}"],
            cwd=tmp_path, capture_output=True, text=True, timeout=150, check=True,
        )  # fmt: skip
        said += done.stdout.splitlines()
    alarms = [line for line in said if line.startswith("ALARM")]
    assert alarms == ["ALARM: changes 3 to 4 of a customer are missing"]
    assert said.count("ignored") == 2
    assert said.count("started") == 2
    assert said.count("not wanted") == len(told) - 4
    assert len(said) == len(told) + 1


def test_the_page_says_what_every_field_of_a_change_means() -> None:
    table = page("consume-changes.md").partition("| field | says |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|[^|]*\|", table, re.MULTILINE))))
    assert named == {field.encode_name for field in msgspec.structs.fields(Change)}


def test_the_page_of_the_webhook_names_its_metrics() -> None:
    table = page("webhook.md")
    for metric in Metrics().registry.collect():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        assert f"`{name}" in table or name.startswith("process_"), name
    assert "`process_…`" in table


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    env = {**os.environ, "REWAKE_WEBHOOK_SECRET": KEY.decode(), "PORT": str(port)}
    with (tmp_path / "said").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, program("webhook.md", tmp_path)], env=env, stdout=out, stderr=out
        )
    yield f"http://127.0.0.1:{port}/"
    process.kill()
    process.wait(10)


async def test_the_receiver_takes_what_is_signed_now_and_once(
    receiver: str, tmp_path: Path
) -> None:
    change = make_change("ann", 2)
    parcel = Parcel(change.id, encode(change), [])
    genuine = Endpoint(receiver, [b"an-older-secret-of-the-sender", KEY], 1, 30)
    forged = Endpoint(receiver, [b"some-other-secret-of-somebody"], 1, 30)

    def listens() -> bool:
        try:
            return httpx.get(receiver, timeout=30).status_code == 501
        except httpx.TransportError:
            return False

    try:
        await eventually(listens, 60)
        await genuine.post(parcel)
        await genuine.post(parcel)
        with pytest.raises(Refused, match="http_401"):
            await forged.post(parcel)
        old = headers_of(change.id, parcel.body, [KEY], int(time.time()) - 301)
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.post(receiver, content=parcel.body, headers=old)
            assert answer.status_code == 401
        other = headers_of(change_id("x", "y", 1, None, "z", 1), parcel.body, [KEY], 1)
        other["webhook-timestamp"] = str(int(time.time()))
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.post(receiver, content=parcel.body, headers=other)
            assert answer.status_code == 401
        said = (tmp_path / "said").read_text()
        assert said.count("lifecycle active → silent") == 1
    finally:
        await genuine.close()
        await forged.close()
