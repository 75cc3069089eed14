"""Set the stage of a benchmark: real servers, the topics, and ``rewake worker`` as a process.

Responsible for starting and ending them, and for asking the worker what it says of itself.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from streams import local
from streams.local.endpoints import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.context import SpawnProcess

STOP_S = 40
ANSWER_S = 5.0


class Worker(NamedTuple):
    """A running worker.

    Attributes
    ----------
    process
        To read CPU and memory from.
    log
        What it has logged, as JSON lines.
    port
        Where it serves its metrics.
    """

    process: psutil.Process
    log: Path
    port: int

    def check(self) -> None:
        """Raise with the end of its log when it does not run any more."""
        if not self.process.is_running() or self.process.status() == psutil.STATUS_ZOMBIE:
            raise RuntimeError(f"the worker stopped:\n{self.log.read_text()[-3000:]}")

    def cpu_s(self) -> float:
        """Return the seconds of CPU it has taken."""
        return sum(self.process.cpu_times()[:2])

    def metric(self, name: str) -> float | None:
        """Return the sum of a metric over its labels; None while it does not answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        try:
            connection.request("GET", "/metrics")
            page = connection.getresponse().read().decode()
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()
        lines = [line for line in page.splitlines() if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines) if lines else None

    def wait(self, name: str, value: float, within: float) -> None:
        """Wait until a metric has a value."""
        deadline = time.monotonic() + within
        while (found := self.metric(name)) != value:
            self.check()
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name}: expected {value} within {within:.0f} s, got {found}")
            time.sleep(0.2)


class Stage(NamedTuple):
    """Servers with empty topics.

    Attributes
    ----------
    kafka, redis
        Where they listen.
    env
        Environment of the worker.
    base
        Folder of everything they write.
    """

    kafka: str
    redis: str
    env: dict[str, str]
    base: Path

    @contextmanager
    def worker(self, name: str = "worker", **env: str) -> Iterator[Worker]:
        """Run a worker for the length of a block."""
        port, log = free_port(), self.base / f"{name}.log"
        settings = self.env | {"REWAKE_METRICS": f"127.0.0.1:{port}"} | env
        with log.open("wb") as out:
            child = subprocess.Popen([_rewake(), "worker"], env=settings, stdout=out, stderr=out)
            try:
                yield Worker(psutil.Process(child.pid), log, port)
            finally:
                child.terminate()
                try:
                    child.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()


@contextmanager
def stage(partitions: int, **env: str) -> Iterator[Stage]:
    """Start servers in a folder of their own, make the topics, and leave nothing behind."""
    with tempfile.TemporaryDirectory(prefix="rewake-bench-") as made:
        base = Path(made)
        servers = local.up(base)
        try:
            settings = os.environ | {
                "REWAKE_KAFKA": servers.kafka,
                "REWAKE_REDIS": servers.redis,
                "REWAKE_LOG_FORMAT": "json",
                "REWAKE_PARTITIONS": str(partitions),
                **env,
            }
            subprocess.run(
                [_rewake(), "topics", "create"],
                env=settings,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            yield Stage(servers.kafka, servers.redis, settings, base)
        finally:
            local.down(base)


@contextmanager
def process(target: Callable[..., None], *arguments: object) -> Iterator[SpawnProcess]:
    """Run a process beside the block and wait for it to end well."""
    child = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    child.start()
    try:
        yield child
        child.join(120)
        if child.exitcode != 0:
            raise RuntimeError(f"{target}: expected to end with 0, got {child.exitcode}")
    finally:
        child.kill()
        child.join()


def _rewake() -> str:
    return str(Path(sys.executable).with_name("rewake"))
