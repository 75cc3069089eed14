"""A real Prometheus scrapes real processes at work: every query has data."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

import httpx
import pytest
import yaml
from kafka import KafkaProducer
from redis import Redis

from streams.local.endpoints import HOST, free_port
from tests.ops.queries import ALERTS, SCRAPED, alerts, queries, selectors
from tests.streams.webhook.receiver import SECRET, Answer, Receiver
from tests.streams.workbench import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REWAKE: Final = Path(sys.executable).with_name("rewake")
PATIENCE_S: Final = 300.0
"""Each process may have to compile its kernel first, beside all other tests."""
PREFIX: Final = "ops."
JOBS: Final = {"rewake-worker": ["worker"], "rewake-serve": ["serve"],
               "rewake-audit": ["audit", "--watch", "5s", "--sample", "20"],
               "rewake-webhook": ["webhook", "--attempts", "2"]}  # fmt: skip
"""Job of Prometheus → the words behind `rewake` that start what it scrapes."""


CLIENT: Final = httpx.Client(timeout=10, trust_env=False)
"""One for all: to make one costs a hundred times what asking costs."""


def get(url: str) -> httpx.Response:
    return CLIENT.get(url)


class Site(NamedTuple):
    """Where everything is."""

    ports: dict[str, int]
    prometheus: str

    def ask(self, path: str) -> Any:
        return get(f"{self.prometheus}/api/v1/{path}").json()["data"]

    def query(self, query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(f"query?query={quote(query)}")["result"]
        return found


def eventually(holds: Callable[[], Any], what: str) -> Any:
    deadline, last = time.monotonic() + PATIENCE_S, None
    while time.monotonic() < deadline:
        try:
            if found := holds():
                return found
        except httpx.HTTPError as error:
            last = error
        time.sleep(0.2)
    pytest.fail(f"{what}: it did not happen in time ({last})")


@contextmanager
def running(words: list[str], log: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            words, stdout=out, stderr=subprocess.STDOUT, env=os.environ | env, cwd=log.parent
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(40)
        finally:
            process.kill()
            process.wait()


def now_and_then_no(change: dict[str, Any], attempt: int) -> Answer:
    """Refuse one change in four for good, and fail another one at first."""
    which = change["sequence"] % 4
    return Answer(400 if which == 0 else 503 if which == 1 and attempt == 1 else 200)


@contextmanager
def busy(kafka: str, serve: int) -> Iterator[None]:
    """Send events, a bad one now and then, and look customers up, all the while."""
    done = threading.Event()
    stream = events(1_000_000)

    def send() -> None:
        producer = KafkaProducer(bootstrap_servers=kafka)
        while not done.wait(0.1):
            for event in (next(stream) for _ in range(20)):
                producer.send(
                    PREFIX + event.topic, event.value, event.key, partition=event.partition
                )
            producer.send(PREFIX + event.topic, b"{", event.key, partition=event.partition)
            producer.flush()
        producer.close()

    def look() -> None:
        while not done.wait(0.2):
            for customer in ("c-1", "nobody"):
                # A 404 for nobody, and no answer at all before the service is there.
                with suppress(httpx.HTTPError):
                    get(f"http://{HOST}:{serve}/v1/customers/{customer}")

    threads = [threading.Thread(target=work, daemon=True) for work in (send, look)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join(20)


def configuration(ports: dict[str, int], folder: Path) -> Path:
    """Write the configuration that is shipped, with targets on this machine, in a hurry."""
    read = yaml.safe_load(SCRAPED.read_text(encoding="utf-8"))
    read["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    read["rule_files"] = [str(ALERTS)]
    for job in read["scrape_configs"]:
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": [f"{HOST}:{ports[job['job_name']]}"]}]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(read))
    return path


@pytest.fixture(scope="module")
def site(
    kafka: str, redis_url: str, prometheus_program: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    store = redis_url.replace("/0", "/2")
    env = {
        "REWAKE_KAFKA": kafka, "REWAKE_REDIS": store, "REWAKE_APP": "ops",
        "REWAKE_TOPIC_PREFIX": PREFIX, "REWAKE_WEBHOOK_SECRET": SECRET,
    }  # fmt: skip
    subprocess.run([REWAKE, "topics", "create"], env=os.environ | env, check=True, timeout=60)
    ports = {job: free_port() for job in (*JOBS, "prometheus")}
    with ExitStack() as stack:
        stack.callback(CLIENT.close)
        receiver = stack.enter_context(closing(Receiver(now_and_then_no)))
        env["REWAKE_WEBHOOK_URL"] = receiver.url
        client = stack.enter_context(Redis.from_url(store))
        client.flushdb()
        for job, words in JOBS.items():
            at = f"{HOST}:{ports[job]}"
            own = {"REWAKE_METRICS": at, "REWAKE_WEB": at}
            stack.enter_context(
                running([str(REWAKE), *words], folder / f"{words[0]}.log", **env, **own)
            )
        address = f"{HOST}:{ports['prometheus']}"
        stack.enter_context(
            running(
                [prometheus_program, f"--config.file={configuration(ports, folder)}",
                 f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address={address}"],
                folder / "prometheus.log",
            )
        )  # fmt: skip
        stack.enter_context(busy(kafka, ports["rewake-serve"]))
        made = Site(ports, f"http://{address}")
        eventually(lambda: get(f"{made.prometheus}/-/ready").is_success, "ready")
        yield made


@pytest.mark.timeout(700)
def test_all_of_them_are_scraped(site: Site) -> None:
    eventually(
        lambda: (
            {each["metric"]["job"]: each["value"][1] for each in site.query("up")}
            == dict.fromkeys(JOBS, "1")
        ),
        "all targets up",
    )


@pytest.mark.timeout(700)
def test_every_panel_shows_something(site: Site) -> None:
    for title, query in queries():
        eventually(lambda query=query: site.query(query), f"{title}: {query}")


@pytest.mark.timeout(700)
def test_every_series_that_an_alert_asks_for_is_there(site: Site) -> None:
    for alert in alerts():
        for selector in selectors(alert["expr"]):
            # What has not happened has no series yet, but others of its metric and job have.
            wanted = str(selector).replace(', status=~"5.."', "")
            eventually(lambda wanted=wanted: site.query(wanted), f"{alert['alert']}: {wanted}")


@pytest.mark.timeout(700)
def test_the_alerts_are_evaluated_and_none_of_them_burns_for_a_site_at_work(site: Site) -> None:
    def evaluated() -> list[dict[str, Any]]:
        (group,) = site.ask("rules")["groups"]
        rules: list[dict[str, Any]] = group["rules"]
        return rules if all(rule["health"] == "ok" for rule in rules) else []

    rules = eventually(evaluated, "rules evaluated")
    assert {rule["name"] for rule in rules} == {alert["alert"] for alert in alerts()}
    assert [rule["name"] for rule in rules if rule["state"] == "firing"] == []


@pytest.mark.timeout(700)
def test_no_metric_names_a_customer(site: Site) -> None:
    for job in JOBS:
        text = get(f"http://{HOST}:{site.ports[job]}/metrics").text
        assert '"c-1"' not in text
        assert "nobody" not in text
