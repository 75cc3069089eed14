"""Give the tests of the live page a real shop that is alive, and a real browser to look at it.

One worker and one service serve all tests of a module, and end with it. Where the system has
packages, `scripts/browser` installs the browser and its absence is a failure; elsewhere the tests
skip, and the end of the run says so.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
from playwright.sync_api import sync_playwright
from redis import Redis

from schemas import topics
from schemas.profiles import CLOCK_KEY, members_key
from schemas.vocabulary import MS_PER_DAY
from streams.local.endpoints import HOST, free_port
from streams.partitioner import partitions_of
from tests.streams.workbench import PARTITIONS, Event, Workbench

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from playwright.sync_api import Browser, Page

    from tests.streams.workbench import Worker

CHROMIUM = Path("/usr/bin/chromium")
WORKER_S = 400.0
"""A worker's kernels compile for up to a minute in a fresh clone, longer on a busy machine."""
SERVICE_S = 120.0
SEEN_MS = 60_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip where there is neither a browser nor a way to install one."""
    if CHROMIUM.exists() or shutil.which("apt-get"):
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(
                pytest.mark.skip(reason=f"the live page: no {CHROMIUM}, no apt-get here")
            )


class Shop(NamedTuple):
    """A shop whose worker and service run.

    Attributes
    ----------
    bench
        Its topics and processes.
    address
        Where its page is.
    redis
        Its cache.
    """

    bench: Workbench
    address: str
    redis: str

    def order(self, customer: str, days_ago: float = 0, amount: str = "25.00") -> None:
        """Have a customer order something."""
        self.load([ordered(customer, days_ago, amount)])

    def load(self, events: list[Event]) -> None:
        """Send events."""
        in_a_thread(self.bench.load(events))

    def size(self, system: str, segment: str) -> int:
        """Count a segment's members as the cache has them."""
        with Redis.from_url(self.redis) as store:
            count = store.zcard(members_key(system, segment))
        assert isinstance(count, int)
        return count

    def serve(self, **env: str) -> tuple[str, Worker]:
        """Start one more service; give its address and its process."""
        web = env.pop("REWAKE_WEB", f"{HOST}:{free_port()}")
        command = "import sys; from streams.cli import main; sys.exit(main(['serve']))"
        service = self.bench.run([*_PYTHON, command], REWAKE_WEB=web, **env)
        address = f"http://{web}/"

        def answers() -> bool:
            assert service.poll() is None, self.bench.log()
            try:
                return httpx.get(f"{address}healthz", trust_env=False).is_success
            except httpx.HTTPError:
                return False

        until(answers, SERVICE_S)
        return address, service


_PYTHON = (sys.executable, "-c")


def in_a_thread(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end beside the browser's own event loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


def until(condition: Callable[[], bool], within: float) -> None:
    """Wait for a condition."""
    bound = time.monotonic() + within
    while not condition():
        assert time.monotonic() < bound, f"not so within {within:.0f} s"
        time.sleep(0.1)


def ordered(customer: str, days_ago: float, amount: str = "25.00") -> Event:
    """Make an order of some days ago."""
    ts = time.time_ns() // 1_000_000 - round(days_ago * MS_PER_DAY)
    name = f"{customer}-{ts}"
    value = {
        "event_id": name, "customer_id": customer, "ts": ts, "type": "order", "order_id": name,
        "amount": amount, "currency": "GBP",
    }  # fmt: skip
    key = customer.encode()
    home = int(partitions_of([key], PARTITIONS)[0])
    return Event(topics.PURCHASES, home, key, json.dumps(value).encode())


def trade() -> list[Event]:
    """Make the orders of sixty customers: some long gone, some new, some faithful."""
    found = []
    for number in range(60):
        name = f"c-{number}"
        found += [(300 - number, name, f"{20 + 7 * number}.00")]
        if number % 3:
            found += [(120 - number, name, "60.50"), (100 - number, name, "48.00")]
        if number % 5 == 0:
            found += [(2 + number / 60, name, "310.00")]
    return [ordered(name, days, amount) for days, name, amount in sorted(found, reverse=True)]


@pytest.fixture(scope="module")
def shop(kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Run a worker and a service on sixty customers."""
    assert CHROMIUM.exists(), f"expected {CHROMIUM}; scripts/browser installs it"
    with Redis.from_url(redis_url) as store:
        store.flushdb()
    bench = Workbench(kafka, tmp_path_factory.mktemp("page"))
    bench.env = {"REWAKE_REDIS": redis_url, "REWAKE_METRICS": f"{HOST}:{free_port()}"}
    bench.reset()
    try:
        in_a_thread(bench.load(trade()))
        worker = bench.start_real()
        address, _ = Shop(bench, "", redis_url).serve(REWAKE_METRICS=f"{HOST}:0")

        def told() -> bool:
            assert worker.poll() is None, bench.log(0)
            with Redis.from_url(redis_url) as store:
                clocks: dict[bytes, bytes] = store.hgetall(CLOCK_KEY)  # type: ignore[assignment]
            recent = time.time() * 1000 - 20_000
            return len(clocks) == PARTITIONS and all(int(each) > recent for each in clocks.values())

        until(told, WORKER_S)
        yield Shop(bench, address, redis_url)
    finally:
        bench.close()
        with Redis.from_url(redis_url) as store:
            store.flushdb()


@pytest.fixture(scope="module")
def browser(shop: Shop) -> Iterator[Browser]:  # noqa: ARG001 - it looks at the shop
    """Run a browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--disable-gpu"])
        yield browser
        browser.close()


class Visit:
    """One visit to the page by somebody who has never been there.

    Attributes
    ----------
    page
        What is seen.
    wrong
        What the browser complained of, and requests to anybody else.
    """

    def __init__(self, browser: Browser, address: str, **context: Any) -> None:
        self._context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **context}
        )
        self._context.set_default_timeout(SEEN_MS)
        self.address = address
        self._closed = False
        self.wrong: list[str] = []
        self.page: Page = self._context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(f"page: {error}"))
        self.page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type in {"error", "warning"} or "WARN" in message.text:
            self.wrong.append(f"console: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:")):
            self.wrong.append(f"request: {request.url}")

    def open(self) -> Page:
        """Open the page and wait until it shows everything."""
        self.page.goto(self.address)
        self.page.wait_for_selector("#treemap .slice path")
        self.page.wait_for_selector("#segments-table tbody tr")
        return self.page

    def close(self, but: str | None = None) -> None:
        """End the visit; before what it visited ends, which the browser would complain of.

        ``but`` is a pattern: what the browser was to complain of.
        """
        if not self._closed:
            self._closed = True
            self._context.close()
        if but is not None:
            self.wrong[:] = [each for each in self.wrong if not re.search(but, each)]


@pytest.fixture
def visiting(shop: Shop, browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Give a function that begins a visit; at the end none may have gone wrong."""
    visits: list[Visit] = []

    def begin(**context: Any) -> Visit:
        visits.append(Visit(browser, context.pop("address", shop.address), **context))
        return visits[-1]

    yield begin
    for visit in visits:
        visit.close()
    assert [wrong for visit in visits for wrong in visit.wrong] == []


@pytest.fixture(scope="module")
def _visitor(shop: Shop, browser: Browser) -> Iterator[Visit]:
    """Hold one window for most tests: its browser need not compile the charts anew each time."""
    visit = Visit(browser, shop.address, reduced_motion="reduce")  # drawing takes most of a run
    visit.page.goto(shop.address)  # a page without an icon of its own would have one asked for
    yield visit
    visit.close()


@pytest.fixture
def page(_visitor: Visit) -> Iterator[Page]:
    """Give the page, open, to somebody who remembers nothing; it may not have gone wrong."""
    _visitor.page.evaluate("localStorage.clear(); sessionStorage.clear()")
    _visitor.wrong.clear()
    yield _visitor.open()
    assert _visitor.wrong == []
