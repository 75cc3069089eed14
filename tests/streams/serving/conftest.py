"""Run the lookups service as its users do: a process, a real Redis, a real Kafka."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from kafka import KafkaProducer
from redis import Redis

from schemas import changes, topics
from schemas.changes import Change, Words
from schemas.profiles import (
    CLOCK_KEY,
    EPOCH_FIELD,
    EPOCH_KEY,
    SUMS_KEY,
    Profile,
    Standing,
    customer_key,
    members_key,
    to_hash,
)
from streams.local import LocalServers
from streams.partitioner import partitions_of
from streams.settings import load_settings
from streams.topics_admin import connect, create, plan
from tests.forked import Forked

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
PARTITIONS = 2
TOKEN = "5f0a"
THEN = 1_600_000_000_000
PATIENCE_S = 150.0
PREFIX = "serving."
READER = "reader-0123456789"
EXPLAINER = "explainer-0123456789"


def now() -> int:
    """Return the wall clock."""
    return time.time_ns() // 1_000_000


def until(holds: Any, within: float = PATIENCE_S) -> Any:
    """Wait until a question is answered with something true, and return it."""
    deadline = time.monotonic() + within
    while not (answer := holds()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return answer


class Cache:
    """A cache filled as a worker fills it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.redis = Redis.from_url(url)

    def begin(self) -> None:
        """Empty it and begin a filling whose clocks are those of now."""
        self.redis.flushdb()
        self.redis.set(EPOCH_KEY, f"rewake Vd9c {PARTITIONS} {TOKEN}")
        self.tick(now() + 3_600_000)

    def tick(self, clock: int) -> None:
        """Publish one clock for all partitions."""
        self.redis.hset(CLOCK_KEY, mapping={str(n): str(clock) for n in range(PARTITIONS)})

    def put(self, customer_id: str, segment: str = "active", **more: Any) -> Profile:
        """Write a customer."""
        since = more.pop("since", THEN)
        given = {"sequence": 3, "version": 7, "valid_until": None, "next": {}} | more
        profile = Profile(customer_id, {"lifecycle": Standing(segment, since)}, **given)
        self.redis.hset(customer_key(customer_id), mapping={EPOCH_FIELD: TOKEN} | to_hash(profile))
        self.redis.zadd(members_key("lifecycle", segment), {customer_id: since})
        return profile

    def sums(self, **revenue: int) -> None:
        """Say what the customers of each segment of the lifecycle have spent in each partition."""
        systems = {"lifecycle": {name: [1, minor] for name, minor in revenue.items()}}
        said = json.dumps({"clock": THEN, "systems": systems})
        self.redis.hset(SUMS_KEY, mapping={str(n): said for n in range(PARTITIONS)})


def make_topics(kafka: str) -> None:
    """Make the topics of a service."""
    settings = load_settings(None, kafka=kafka, topic_prefix=PREFIX, partitions=PARTITIONS)
    with connect(settings) as admin:
        create(admin, plan(settings))


class Service:
    """A running `rewake serve`."""

    def __init__(self, folder: Path, name: str, **env: str) -> None:
        self.log_path = folder / f"{name}.log"
        settings = {"REWAKE_WEB": "127.0.0.1:0", "REWAKE_LOG_FORMAT": "json", **env}
        self.process = Forked(["rewake", "serve"], ROOT, os.environ | settings, self.log_path)
        found = until(lambda: self._ended() or re.search(r'"web": ?"(http[^"]*)/"', self.log))
        assert found is not True, self.log
        self.url = found[1]
        self.http = httpx.Client(base_url=self.url, timeout=20)
        until(self._answers)

    def _answers(self) -> bool:
        try:
            return self.http.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def _ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def log(self) -> str:
        """What it has logged."""
        return self.log_path.read_text(errors="surrogateescape")

    def get(self, path: str, **more: Any) -> httpx.Response:
        """Ask for a path, as it is written."""
        return self.http.get(path, **more)

    def follows(self) -> bool:
        """Say whether it follows the changes."""
        return not self.get("/readyz").json()["warnings"]

    def stop(self, within: float = 90) -> int:
        """Tell it to stop; return its exit code."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait(10)


class Topic:
    """The changes topic, written as a worker writes it."""

    def __init__(self, kafka: str) -> None:
        self._producer = KafkaProducer(bootstrap_servers=kafka)
        self._sequences: dict[str, int] = {}

    def tell(
        self, customer_id: str, from_: str | None, to: str, at: int, **more: Any
    ) -> dict[str, Any]:
        """Write one change; return its JSON."""
        sequence = self._sequences[customer_id] = self._sequences.get(customer_id, 0) + 1
        given = {"system": "lifecycle", "seen_at": now(), "cause": "event"} | more
        change = Change(
            id=f"{customer_id}-{sequence}", sequence=sequence, customer_id=customer_id,
            from_=from_, to=to, at=at, event_id=None, corrects=None, rules_version="r",
            labels=Words(to, to), **given,
        )  # fmt: skip
        value = changes.encode(change)
        key = customer_id.encode()
        partition = int(partitions_of([key], PARTITIONS)[0])
        self._producer.send(PREFIX + topics.CHANGES, value, key, partition=partition)
        self._producer.flush()
        found: dict[str, Any] = json.loads(value)
        return found

    def close(self) -> None:
        """Close the producer."""
        self._producer.close()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServers]:
    """Give a Redis that a test may freeze, and has to let go on again."""
    servers = LocalServers(tmp_path_factory.mktemp("lookups"), print)
    try:
        yield servers
    finally:
        servers.down()


@pytest.fixture(scope="session")
def redis_at(redis_server: LocalServers) -> str:
    """Give the URL of that Redis."""
    return redis_server.start("redis")


@pytest.fixture
def cache(redis_at: str) -> Iterator[Cache]:
    """Give an empty cache whose clocks are those of now."""
    cache = Cache(redis_at)
    cache.begin()
    yield cache
    cache.redis.close()


@pytest.fixture(scope="session")
def service_env(redis_at: str, kafka: str) -> dict[str, str]:
    """Give the settings of a service; its topics are there."""
    make_topics(kafka)
    return {
        "REWAKE_KAFKA": kafka,
        "REWAKE_REDIS": redis_at,
        "REWAKE_TOPIC_PREFIX": PREFIX,
    }


@pytest.fixture(scope="session")
def _service(
    tmp_path_factory: pytest.TempPathFactory, service_env: dict[str, str]
) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("serve"), "open", **service_env)
    yield service
    assert service.stop() == 0, service.log


@pytest.fixture
def service(_service: Service, cache: Cache) -> Service:
    """Give a service that anybody on this machine may ask, and an empty cache behind it."""
    del cache
    until(_service.follows)
    return _service


@pytest.fixture(scope="session")
def guarded(
    tmp_path_factory: pytest.TempPathFactory, service_env: dict[str, str]
) -> Iterator[Service]:
    """Give a service with tokens and narrow limits."""
    env = {
        "REWAKE_WEB_TOKENS": f"{READER}:read, {EXPLAINER}:read+explain",
        "REWAKE_WEB_RATE": "20",
    }
    service = Service(tmp_path_factory.mktemp("serve"), "guarded", **service_env, **env)
    yield service
    assert service.stop() == 0, service.log


@pytest.fixture
def topic(kafka: str) -> Iterator[Topic]:
    """Give the changes topic."""
    topic = Topic(kafka)
    yield topic
    topic.close()
