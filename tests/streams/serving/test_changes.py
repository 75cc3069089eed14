"""The stream of changes: live, resumed, filtered, and let go of."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from streams.serving.feed import Feed
from streams.serving.metrics import ServeMetrics
from streams.serving.ring import Entry, Filter, Ring
from streams.serving.streaming import ChangeStream, Start
from streams.settings import load_settings
from tests.streams.serving.conftest import THEN, Service, Topic, make_topics, now, until
from tests.streams.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.local import LocalServers


class Event(NamedTuple):
    """One server-sent event."""

    id: str
    name: str
    data: Any


@contextmanager
def streaming(service: Service, path: str, **headers: str) -> Iterator[Iterator[Event]]:
    """Open a stream and give its events."""
    with service.http.stream("GET", path, headers=headers, timeout=30) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _events(response.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if "data" in fields:
            yield Event(fields.get("id", ""), fields["event"], json.loads(fields["data"]))
        fields = {}


def test_a_change_is_streamed_as_it_was_told(service: Service, topic: Topic):
    with streaming(service, "/v1/changes") as events:
        told = topic.tell("live-1", "active", "silent", THEN)
        event = next(events)
    assert (event.name, event.data) == ("change", told)


def test_a_stream_is_about_what_was_asked_for(service: Service, topic: Topic):
    path = "/v1/changes?system=lifecycle&cause=clock&to=silent"
    with streaming(service, path) as events:
        topic.tell("filter-1", "active", "silent", THEN, cause="event")
        topic.tell("filter-1", "silent", "churned", now(), cause="clock")
        topic.tell("filter-1", "active", "silent", now(), cause="clock", system="rfm")
        wanted = topic.tell("filter-1", "active", "silent", now(), cause="clock")
        assert next(events).data == wanted


def test_a_backlog_comes_first_and_a_stream_is_resumed_where_it_ended(
    service: Service, topic: Topic
):
    told = [topic.tell(f"back-{number % 3}", "active", "silent", THEN) for number in range(7)]
    with streaming(service, "/v1/changes") as events:
        topic.tell("back-mark", "active", "silent", THEN)
        next(events)  # all seven are in by now
    with streaming(service, "/v1/changes?backlog=5") as events:
        seen = [next(events) for _ in range(5)]
    customers = {each["id"] for each in told[-4:]} | {"back-mark-1"}
    assert {each.data["id"] for each in seen} == customers
    with streaming(service, "/v1/changes", **{"last-event-id": seen[1].id}) as events:
        again = [next(events) for _ in range(3)]
        later = topic.tell("back-0", "silent", "active", THEN)
        assert next(events).data == later
    assert [each.data for each in again] == [each.data for each in seen[2:]]
    assert [each.id for each in again] == [each.id for each in seen[2:]]


@pytest.mark.parametrize("cursor", ["x", "1", "1:x", "-1:2", "0:99999999999999999999999"])
def test_what_is_no_cursor_is_refused(service: Service, cursor: str):
    found = service.get("/v1/changes", headers={"last-event-id": cursor})
    assert (found.status_code, "Last-Event-ID" in found.json()["detail"]) == (400, True)


class Reader:
    """The reader of a stream, at the end of a connection that takes so many messages."""

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.sent = b""
        self.leaves = asyncio.Event()

    async def send(self, message: Any) -> None:
        if not self.takes:
            await asyncio.Event().wait()
        self.takes -= 1
        self.sent += message.get("body", b"")

    async def receive(self) -> Any:
        await self.leaves.wait()
        return {"type": "http.disconnect"}


def entry(offset: int) -> Entry:
    return Entry(0, offset, THEN, b"{}", "lifecycle", "event", "silent")


class Held(NamedTuple):
    """A feed that nobody feeds but the test."""

    feed: Feed
    metrics: ServeMetrics

    async def stream(self, reader: Reader) -> None:
        start = Start(*self.feed.ring.tail(0, Filter()))
        stream = ChangeStream(self.feed, start, Filter(), self.metrics)
        await stream({}, reader.receive, reader.send)

    @property
    def counts(self) -> tuple[float, float]:
        """Open streams, and those dropped."""
        registry = self.metrics.registry
        names = ("rewake_serve_streams", "rewake_serve_streams_dropped_total")
        return tuple(registry.get_sample_value(name) for name in names)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    monkeypatch.setattr("streams.serving.streaming.PATIENCE_S", 0.2)
    metrics = ServeMetrics()
    ring = Ring(held=10)
    ring.begin({0: 0})
    feed = Feed(load_settings(None), ring, lambda *_: None, lambda _: None, metrics)
    return Held(feed, metrics)


async def test_a_reader_that_takes_nothing_is_let_go(held: Held):
    streams = [asyncio.create_task(held.stream(Reader(2))) for _ in range(3)]
    await eventually(lambda: held.counts == (3, 0))
    held.feed.ring.append(entry(0))
    held.feed.wake()
    await asyncio.wait_for(asyncio.gather(*streams), 20)
    assert held.counts == (0, 3)


async def test_a_reader_over_whom_the_ring_has_gone_is_let_go(held: Held):
    reader = Reader(1_000)
    stream = asyncio.create_task(held.stream(reader))
    await eventually(lambda: b"retry" in reader.sent)
    for offset in range(50):  # forty more than are held, before the stream gets a turn
        held.feed.ring.append(entry(offset))
    held.feed.wake()
    await asyncio.wait_for(stream, 20)
    assert (held.counts, b"data" in reader.sent) == ((0, 1), False)


async def test_a_reader_who_leaves_leaves_nothing_behind(held: Held):
    reader = Reader(1_000)
    stream = asyncio.create_task(held.stream(reader))
    await eventually(lambda: held.counts == (1, 0))
    reader.leaves.set()
    await asyncio.wait_for(stream, 20)
    assert held.counts == (0, 0)


async def test_who_resumes_too_late_is_told_of_the_gap(held: Held):
    ring = held.feed.ring
    for offset in range(30):
        ring.append(entry(offset))
    assert (ring.lost({0: 19}), ring.lost({0: 20})) == (True, False)
    reader = Reader(1_000)
    start = Start(ring.first, {0: 3}, lost=ring.lost({0: 3}))
    stream = ChangeStream(held.feed, start, Filter(), held.metrics)
    task = asyncio.create_task(stream({}, reader.receive, reader.send))
    await eventually(lambda: reader.sent.count(b"event: change") == 10)
    assert b"event: gap" in reader.sent
    held.feed.stop_streams()
    await asyncio.wait_for(task, 20)


def test_what_was_read_back_is_put_in_the_order_of_its_instants():
    back = {
        0: [entry(5)._replace(at=10), entry(6)._replace(at=30)],
        1: [entry(1)._replace(partition=1, at=20)],
    }
    ring = Ring(held=2)
    ring.fill(back, {0: 9, 1: 2, 2: 4})
    assert [each.at for each in ring.read(ring.first, 9)] == [20, 30]
    assert ring.positions == {0: 9, 1: 2, 2: 4}
    assert ring.floor == {0: 6, 1: 1, 2: 4}


def test_open_streams_end_when_the_service_is_told_to_stop(
    service_env: dict[str, str], tmp_path: Path
):
    service = Service(tmp_path, "stopping", **service_env)
    until(service.follows)
    with streaming(service, "/v1/changes") as events:
        service.process.terminate()
        begun = time.monotonic()
        assert list(events) == []  # it ends as it should: a stream cut off would raise
    assert service.process.wait(90) == 0
    assert time.monotonic() - begun < 60
    service.stop()


def test_without_kafka_lookups_go_on_and_changes_say_so(
    service_env: dict[str, str], tmp_path: Path
):
    service = Service(tmp_path, "alone", **service_env | {"REWAKE_KAFKA": "127.0.0.1:1"})
    try:
        assert service.get("/v1/customers/c").status_code == 404
        found = service.get("/v1/changes")
        assert (found.status_code, found.headers["retry-after"]) == (503, "1")
        assert "not followed" in found.json()["detail"]
        assert service.get("/v1/migrations").status_code == 503
        ready = service.get("/readyz").json()
        assert len(ready["warnings"]) >= 1
    finally:
        assert service.stop() == 0


def test_a_broker_that_was_away_is_found_again_and_an_open_stream_goes_on(
    service_env: dict[str, str], spare_servers: LocalServers, tmp_path: Path
):
    kafka = spare_servers.start("kafka")
    make_topics(kafka)
    service = Service(tmp_path, "bereft", **service_env | {"REWAKE_KAFKA": kafka})
    try:
        until(service.follows)
        with streaming(service, "/v1/changes") as events:
            before = tell_once(kafka, "away-1")
            assert next(events).data["id"] == before
            spare_servers.kill("kafka")
            until(lambda: not service.follows())
            assert service.get("/v1/customers/c").status_code == 404  # looked up, and not there
            assert service.get("/healthz").status_code == 200
            spare_servers.start("kafka")
            until(service.follows)
            after = tell_once(kafka, "away-2")
            assert next(events).data["id"] == after
    finally:
        spare_servers.start("kafka")
        assert service.stop() == 0


def tell_once(kafka: str, customer_id: str) -> str:
    """Write one change over a connection of its own; return its id."""
    topic = Topic(kafka)
    try:
        told: str = topic.tell(customer_id, "active", "silent", THEN)["id"]
        return told
    finally:
        topic.close()
