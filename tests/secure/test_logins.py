"""Everything works with logins, TLS and the least rights of docs/security.md."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
import urllib.request
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas import topics
from streams.local.endpoints import HOST, free_port
from streams.partitioner import partitions_of
from streams.settings import load_settings
from tests.secure.conftest import REWAKE, environment
from tests.secure.servers import PASSWORD, grants
from tests.streams.webhook.receiver import SECRET, Answer, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.secure.servers import SecureKafka, SecureRedis

    Run = Callable[..., subprocess.CompletedProcess[str]]

PARTITIONS = 2
PATIENCE_S = 240.0
"""A kernel may have to be compiled first."""

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]


def settings_of(variables: dict[str, str]):
    named = {name.removeprefix("REWAKE_").lower(): value for name, value in variables.items()}
    return load_settings(None, **named)


def connection(variables: dict[str, str]) -> dict[str, object]:
    settings = settings_of(variables)
    return {"bootstrap_servers": settings.kafka, **settings.kafka_security()}


async def buy(variables: dict[str, str], customer: str) -> None:
    """Send one order, as a producer of one's own does."""
    order = {
        "event_id": f"e-{customer}", "customer_id": customer, "ts": time.time_ns() // 1_000_000,
        "type": "order", "order_id": f"o-{customer}", "amount": "12.50", "currency": "GBP",
    }  # fmt: skip
    home = int(partitions_of([customer.encode()], PARTITIONS)[0])
    async with AIOKafkaProducer(**connection(variables)) as producer:
        value = json.dumps(order).encode()
        await producer.send_and_wait(topics.PURCHASES, value, customer.encode(), partition=home)


async def told(variables: dict[str, str], customer: str) -> dict[str, object]:
    """Wait for a customer's first change of the lifecycle, as a consumer of one's own does."""
    consumer = AIOKafkaConsumer(
        topics.CHANGES, group_id="campaigns", isolation_level="read_committed",
        enable_auto_commit=False, auto_offset_reset="earliest", **connection(variables),
    )  # fmt: skip
    async with consumer, asyncio.timeout(PATIENCE_S):
        async for record in consumer:
            change = json.loads(record.value)
            if change["customer_id"] == customer and change["system"] == "lifecycle":
                return change
    raise AssertionError("the consumer has ended")


@contextmanager
def running(
    folder: Path, settings: dict[str, str], command: str, *words: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of the product, its log in a file of its name, and stop it as one should."""
    with (folder / f"{command}.log").open("wb") as log:
        process = subprocess.Popen(
            [REWAKE, command, *words], env=environment(folder, settings), stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()


@contextmanager
def worker(folder: Path, variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker, at the level at which most is logged, and stop it."""
    port = free_port()
    settings = {"REWAKE_METRICS": f"{HOST}:{port}", "REWAKE_LOG_LEVEL": "debug", **variables}
    with running(folder, settings, "worker") as process:
        yield process
        with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=30) as answer:
            assert PASSWORD not in answer.read().decode()
        assert PASSWORD not in " ".join(psutil.Process(process.pid).cmdline())


@contextmanager
def webhook(folder: Path, variables: dict[str, str]) -> Iterator[Path]:
    """Run a webhook from the beginning of the changes, give its log, and stop it."""
    settings = {
        "REWAKE_METRICS": f"{HOST}:{free_port()}", "REWAKE_WEBHOOK_SECRET": SECRET, **variables,
    }  # fmt: skip
    with running(folder, settings, "webhook", "--from-beginning", "--system", "lifecycle"):
        yield folder / "webhook.log"


@contextmanager
def serve(folder: Path, variables: dict[str, str]) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Run the service, give a function that asks it, and stop it."""
    port = free_port()
    settings = {"REWAKE_WEB": f"{HOST}:{port}", "REWAKE_LOG_LEVEL": "debug", **variables}
    with running(folder, settings, "serve") as process:

        def ask(path: str) -> dict[str, Any]:
            deadline = time.monotonic() + PATIENCE_S
            url = f"http://{HOST}:{port}{path}"
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    with urllib.request.urlopen(url, timeout=30) as answer:
                        return json.loads(answer.read())
                except OSError:  # not yet there, or not yet ready
                    time.sleep(0.3)
            raise AssertionError(f"no answer to {path}: {(folder / 'serve.log').read_text()}")

        yield ask


@pytest.fixture(scope="module")
def shop(secure_kafka: SecureKafka, tmp_path_factory: pytest.TempPathFactory) -> SecureKafka:
    """Give the broker with the topics, made by the user who may make them."""
    variables = secure_kafka.login("admin", REWAKE_PARTITIONS=str(PARTITIONS))
    folder = tmp_path_factory.mktemp("shop")
    done = subprocess.run(
        [REWAKE, "topics", "create"], env=environment(folder, variables), capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return secure_kafka


@pytest.mark.parametrize("way", ["SCRAM-SHA-512", "PLAIN"])
def test_the_catalogue_is_compared_by_whoever_may_describe_topics(
    shop: SecureKafka, run: Run, way: str
) -> None:
    variables = shop.login("admin", REWAKE_PARTITIONS=str(PARTITIONS))
    done = run(variables | {"REWAKE_KAFKA_SASL_MECHANISM": way}, "topics", "diff")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


async def test_the_whole_path_works_with_passwords_tls_and_the_least_rights(
    shop: SecureKafka, secure_redis: SecureRedis, run: Run, tmp_path: Path
) -> None:
    with worker(tmp_path, shop.login("worker", REWAKE_REDIS=secure_redis.url("worker"))):
        await buy(shop.login("producer"), "c-scram")
        change = await told(shop.login("consumer"), "c-scram")
        assert (change["from"], change["cause"]) == (None, "event")
        reading = shop.login("reader", REWAKE_REDIS=secure_redis.url("reader"))
        deadline = time.monotonic() + 60
        while (found := run(reading, "lookup", "c-scram", "--json")).returncode:
            assert time.monotonic() < deadline, found.stdout + found.stderr
            await asyncio.sleep(0.5)
        segments = json.loads(found.stdout)["segments"]
        assert segments["lifecycle"]["segment"] == change["to"]
        # A customer who is told of is in the state; the audit reads that from the log.
        audited = run(reading, "audit", "--json", "--customer", "c-scram")
        assert audited.returncode == 0, audited.stdout + audited.stderr
        report = json.loads(audited.stdout)
        assert (report["equal"], report["cache"]["problem"]) == (1, "")
        looked = run(reading, "lag", "--json")
        assert (looked.returncode, looked.stderr) == (0, "")
        named = run(reading, "audience", f"lifecycle={change['to']}", "--json")
        assert named.returncode == 0, named.stderr
        serving = shop.login("serve", REWAKE_REDIS=secure_redis.url("serve"))
        with serve(tmp_path, serving) as ask:
            assert ask("/v1/customers/c-scram")["segments"]["lifecycle"]["segment"] == change["to"]
            assert ask("/v1/segments")["systems"]["lifecycle"]
            members = ask(f"/v1/segments/lifecycle/{change['to']}/customers")["customers"]
            assert [each["customer_id"] for each in members] == ["c-scram"]
            assert ask("/v1/lag")["partitions"]
        assert PASSWORD not in (tmp_path / "serve.log").read_text()
    log = (tmp_path / "worker.log").read_text()
    assert "partition taken" in log
    assert PASSWORD not in log


async def test_a_webhook_delivers_and_gives_up_with_its_own_rights(
    shop: SecureKafka, secure_redis: SecureRedis, tmp_path: Path
) -> None:
    def refuse_one(change: dict[str, Any], _: int) -> Answer:
        return Answer(400 if change["customer_id"] == "c-refused" else 200)

    with (
        worker(tmp_path, shop.login("worker", REWAKE_REDIS=secure_redis.url("worker"))),
        closing(Receiver(refuse_one)) as receiver,
        webhook(tmp_path, shop.login("webhook", REWAKE_WEBHOOK_URL=receiver.url)) as log,
    ):
        for customer in ("c-refused", "c-posted"):
            await buy(shop.login("producer"), customer)
        deadline = time.monotonic() + PATIENCE_S
        while "c-posted" not in {took.customer for took in receiver.took}:
            assert time.monotonic() < deadline, log.read_text()
            await asyncio.sleep(0.3)
        while "a change is a dead letter" not in (said := log.read_text()):
            assert time.monotonic() < deadline, said
            await asyncio.sleep(0.3)
    assert receiver.forged == []
    said = log.read_text()
    assert "http_400" in said
    assert PASSWORD not in said
    assert SECRET not in said


async def test_a_worker_may_show_a_certificate_instead_and_redis_may_refuse_it(
    shop: SecureKafka, secure_redis: SecureRedis, tmp_path: Path
) -> None:
    certificate = shop.authority.issue("certified", password="canary-of-the-key")
    shop.allow("certified", *(grant for grant in grants() if grant.who == "worker"))
    variables = shop.certified(certificate, "canary-of-the-key")
    wrong = secure_redis.url("worker", "canary-wrong-password")
    with worker(tmp_path, variables | {"REWAKE_REDIS": wrong}):
        await buy(shop.login("producer"), "c-certified")
        change = await told(shop.login("consumer"), "c-certified")
        assert change["cause"] == "event"
    log = (tmp_path / "worker.log").read_text()
    assert "user or password in REWAKE_REDIS are refused" in log
    assert "canary" not in log
