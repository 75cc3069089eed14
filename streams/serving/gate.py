"""Pass every request: who asks, how often, how much; and every answer: headers, log, metrics.

Responsible for what has nothing to do with what is asked. The path goes on as it was sent, percent
encoded, so that ids with slashes are one part of it. A log line has the route's template, never the
path. Must not know endpoints.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog

from streams.serving import problems

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from streams.serving.limits import RateLimit
    from streams.serving.metrics import ServeMetrics
    from streams.serving.tokens import Caller, Scope, Tokens

    AsgiScope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[Any], Awaitable[None]]
    App = Callable[[Any, Any, Any], Awaitable[None]]

_log: Final = structlog.get_logger(__name__)

BODY_MOST: Final = 1_000_000
PATH_MOST: Final = 16_384
CALLER: Final = "rewake_caller"
"""Key of the scope under which guards find who asks; None: an unknown token."""
STREAMED: Final = "/v1/changes"
UNMATCHED: Final = "unmatched"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_POLICY: Final = (
    b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    b"form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_NOT_KEPT: Final = (b"cache-control", b"no-store")


def admit(asked: AsgiScope, scope: Scope) -> None:
    """Let whoever asks have what needs a scope.

    Raises
    ------
    Refusal
        When the token is unknown, or lacks the scope.
    """
    caller: Caller | None = asked.get(CALLER)
    if caller is None:
        bearer = {"www-authenticate": 'Bearer realm="rewake"'}
        raise problems.Refusal(HTTPStatus.UNAUTHORIZED, problems.WORDS[401], bearer)
    if scope not in caller.scopes:
        words = f"{problems.WORDS[403]}: {scope.value}"
        raise problems.Refusal(HTTPStatus.FORBIDDEN, words)


class Gate:
    """An ASGI application before another.

    Parameters
    ----------
    app
        What answers.
    tokens, limit
        Who may ask, and how often.
    metrics
        Told of every request.
    """

    def __init__(self, app: App, tokens: Tokens, limit: RateLimit, metrics: ServeMetrics) -> None:
        self._app = app
        self._tokens = tokens
        self._limit = limit
        self._metrics = metrics

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passage = _Passage(scope, send)
        try:
            status = self._refusal(scope)
            if status is None:
                await self._app(scope, receive, passage.send)
            else:
                await passage.refuse(status)
        except Exception as error:  # noqa: BLE001 - whoever asked is told, and so is the log
            # The connection may be half answered: the server ends it.
            _log.error("cannot answer", route=passage.route, exc_info=error)
            if not passage.status:
                await passage.refuse(HTTPStatus.INTERNAL_SERVER_ERROR)
        finally:
            self._tell(scope, passage)

    def _refusal(self, scope: AsgiScope) -> int | None:
        headers = dict(scope["headers"])
        client = scope.get("client")
        address = client[0] if client else "local"
        caller = self._tokens.caller(headers.get(b"authorization"), address)
        scope[CALLER] = caller
        if not self._limit.take(caller.name if caller else address):
            return HTTPStatus.TOO_MANY_REQUESTS
        path = scope["raw_path"].decode("latin-1")
        if len(path) > PATH_MOST:
            return HTTPStatus.REQUEST_URI_TOO_LONG
        if "//" in path:
            return HTTPStatus.NOT_FOUND  # an empty part, which routing would pass over
        scope["path"] = path
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > BODY_MOST:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return None

    def _tell(self, scope: AsgiScope, passage: _Passage) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        seconds = passage.seconds()
        self._metrics.answered(passage.route, method, passage.status, seconds)
        # A line costs a third of what a lookup does: what went well is counted, and told at debug.
        tell = _log.debug if passage.status < HTTPStatus.BAD_REQUEST else _log.info
        tell(
            "request",
            method=method,
            route=passage.route,
            status=passage.status,
            ms=round(seconds * 1000, 1),
        )


class _Passage:
    """One request on its way through."""

    def __init__(self, scope: AsgiScope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._began = time.perf_counter()
        self._started = 0.0
        self.status = 0

    @property
    def route(self) -> str:
        """The template of the route; never the path, which may hold an id."""
        return str(self._scope.get("path_template") or UNMATCHED)

    def seconds(self) -> float:
        """Return how long it took."""
        end = self._started if self.route == STREAMED and self._started else time.perf_counter()
        return end - self._began

    async def send(self, message: Any) -> None:
        """Send on, with the headers every answer has."""
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            self._started = time.perf_counter()
            headers = list(message["headers"])
            names = {name.lower() for name, _ in headers}
            headers += [pair for pair in _HEADERS if pair[0] not in names]
            if b"cache-control" not in names:
                headers.append(_NOT_KEPT)
            message = {**message, "headers": headers}
        await self._send(message)

    async def refuse(self, status: int) -> None:
        """Answer with a problem."""
        body = problems.of(status)
        headers = [
            (b"content-type", problems.PROBLEM_JSON.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            headers.append((b"retry-after", b"1"))
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            headers.append((b"connection", b"close"))
        await self.send({"type": "http.response.start", "status": int(status), "headers": headers})
        await self.send({"type": "http.response.body", "body": body})
