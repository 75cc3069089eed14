"""Run the lookups service as a process.

Responsible for its parts' beginning and end, for the address it may listen on, and for stopping
when told to: open streams end, requests under way are answered. Must not know endpoints.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
import uvicorn

from schemas.errors import RewakeError, UsageError
from segmenters.rules import load
from streams import logs
from streams.masking import secrets_in
from streams.partitioner import partitions_of
from streams.serving import app, pages
from streams.serving.asking import Asking
from streams.serving.cache import Cache
from streams.serving.feed import Feed
from streams.serving.gate import Gate
from streams.serving.hot_path import HotPath
from streams.serving.labels import Labels
from streams.serving.lags import Lags
from streams.serving.limits import RateLimit
from streams.serving.metrics import ServeMetrics
from streams.serving.moves import Moves
from streams.serving.ring import Ring
from streams.serving.tokens import Tokens
from streams.setting_values import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.changes import Change
    from streams.setting_values import Address
    from streams.settings import Settings

_log: Final = structlog.get_logger(__name__)

GRACE_S: Final = 10
"""Seconds that requests under way are given to end."""
KEEP_S: Final = 75
"""Seconds a connection without requests is kept: longer than what usually stands in front does."""
BACKLOG: Final = 1_024


def run(settings: Settings) -> None:
    """Serve until told to stop (SIGTERM, Ctrl-C).

    Raises
    ------
    UsageError
        When it may not listen there, or the settings name no cache.
    RewakeError
        When the address cannot be listened on.
    """
    check(settings)
    logs.set_up(settings.log_level, settings.log_format, secrets_in(settings))
    listener = _listen(settings.web)
    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(_serve(settings, listener))


def check(settings: Settings) -> None:
    """Refuse settings that cannot be served with.

    Raises
    ------
    UsageError
        When there is no cache, or anybody could ask from outside.
    """
    if not settings.redis:
        raise UsageError("expected a cache to look into, REWAKE_REDIS is empty; set it to its URL")
    if not is_loopback(settings.web.host) and not settings.web_tokens.get_secret_value():
        raise UsageError(
            f"REWAKE_WEB: {settings.web} can be reached from outside this machine, and anybody "
            "could look customers up; set REWAKE_WEB_TOKENS (token:read+explain, or a file named "
            "by REWAKE_WEB_TOKENS_FILE), or listen on 127.0.0.1"
        )


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(tuple(address))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise RewakeError(
            f"REWAKE_WEB: expected an address to listen on, got {address} ({error}); choose "
            "another port, or 0 for a free one"
        ) from error
    return listener


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415 - only a service needs it

    return uvloop.new_event_loop()


async def _serve(settings: Settings, listener: socket.socket) -> None:
    metrics = ServeMetrics()
    rules = load(settings.rules)
    partitions_of([b""], 1)  # compiled, or loaded, before the first lookup
    cache = Cache(settings, metrics)
    moves, lags = Moves(), Lags(settings)

    def take(change: Change, partition: int) -> None:
        moves.take(change, partition)
        lags.take(change)

    feed = Feed(settings, Ring(), take, moves.begin, metrics)
    asking = Asking(settings)
    parts = app.Parts(Labels(rules), cache, feed, moves, lags, asking, metrics, pages.load())
    application = app.build(parts)
    application.state.description = msgspec.json.encode(application.openapi_schema.to_schema())
    tokens = Tokens(settings.web_tokens.get_secret_value())
    answering = HotPath(application, cache, parts.labels)
    gate = Gate(answering, tokens, RateLimit(settings.web_rate), metrics)
    config = uvicorn.Config(
        gate,
        http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
        proxy_headers=False, server_header=False, backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=KEEP_S,
    )  # fmt: skip
    server = _Server(config, feed)
    host, port = listener.getsockname()[:2]
    feed.start()
    _log.info("service starting", web=f"http://{host}:{port}/", app=settings.app,
              rules=rules.version, tokens=bool(tokens))  # fmt: skip
    try:
        await server.serve([listener])
    finally:
        await feed.stop()
        await cache.close()
    _log.info("service stopped")


class _Server(uvicorn.Server):
    """A server whose streams end when it is told to stop."""

    def __init__(self, config: uvicorn.Config, feed: Feed) -> None:
        super().__init__(config)
        self._feed = feed

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal, and end with code 0: uvicorn's own raises it again afterwards."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told)
        yield

    def _told(self) -> None:
        self.should_exit = True
        self._feed.stop_streams()
