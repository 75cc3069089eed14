"""Keep a broker's classes as they are once loaded, so that later brokers need not load them again.

Responsible for Java's ahead-of-time cache beside the jars. It is worth its making for who starts
many brokers, as a test run does; without it all works the same. Java itself refuses a cache of
other jars, or of another Java, and goes on without.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from streams.local.jars import ensure_jars
from streams.local.kafka_server import AOT_CACHE, KafkaServer
from streams.local.servers import LocalServers

if TYPE_CHECKING:
    from collections.abc import Callable

_WRITE_SECONDS: Final = 180.0


def make_aot_cache(say: Callable[[str], None]) -> Path:
    """Start and end a broker that writes down what it has loaded, unless that was done before.

    Parameters
    ----------
    say
        Told in words what takes long.

    Returns
    -------
    Path
        The cache, some 60 MB; it is where `KafkaServer` looks for it.

    Raises
    ------
    RewakeError
        When the broker does not start.
    OSError, psutil.TimeoutExpired
        When nothing was written, or not within three minutes.
    """
    cache = ensure_jars(say) / AOT_CACHE
    if cache.is_file():
        return cache
    say("keeping what a broker loads, for quicker starts …")
    draft = cache.with_suffix(f".{os.getpid()}")
    with tempfile.TemporaryDirectory() as folder:
        trained = KafkaServer(say, flags=(f"-XX:AOTCacheOutput={draft}",))
        servers = LocalServers(Path(folder), say, trained)
        try:
            servers.start("kafka")
            pid = next(server.pid for server in servers.status() if server.name == "kafka")
            broker = psutil.Process(pid)
            broker.terminate()  # it writes before it ends, which takes longer than others may
            broker.wait(_WRITE_SECONDS)
        finally:
            servers.down()
    draft.replace(cache)
    return cache
