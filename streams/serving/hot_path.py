"""Answer the one question of every page view without the framework's detours.

Responsible for `GET /v1/customers/{id}` alone: it asks the same modules as the route of `app`,
which describes it, and hands everything else on. A framework's round costs a lookup more CPU than
all the rest of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.serving import customers, problems
from streams.serving.gate import admit
from streams.serving.problems import PROBLEM_JSON, Refusal
from streams.serving.tokens import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.serving.cache import Cache
    from streams.serving.customers import Reply
    from streams.serving.gate import App, AsgiScope, Receive, Send
    from streams.serving.labels import Labels

BEFORE: Final = "/v1/customers/"
ROUTE: Final = BEFORE + "{customer_id}"


class HotPath:
    """An ASGI application before the one that knows all routes.

    Parameters
    ----------
    app
        Answers everything else.
    cache, labels
        Where answers come from, and their words.
    """

    def __init__(self, app: App, cache: Cache, labels: Labels) -> None:
        self._app = app
        self._cache = cache
        self._labels = labels

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        sent = scope["path"][len(BEFORE) :]
        here = scope["method"] == "GET" and scope["path"].startswith(BEFORE)
        if not here or not sent or "/" in sent:
            await self._app(scope, receive, send)
            return
        scope["path_template"] = ROUTE
        kind = b"application/json"
        try:
            admit(scope, Scope.READ)
            [answer] = await self._cache.look_up([customers.customer_id_of(sent)])
            told = customers.reply(answer, self._labels, _header(scope, b"if-none-match"))
        except Refusal as refusal:
            kind = PROBLEM_JSON.encode()
            told = customers.Reply(
                refusal.status, refusal.headers, problems.encode(refusal.problem)
            )
        await _send(told, kind, send)


def _header(scope: AsgiScope, name: bytes) -> str | None:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return next((value.decode("latin-1") for key, value in headers if key == name), None)


async def _send(told: Reply, kind: bytes, send: Send) -> None:
    more: Mapping[str, str] = told.headers
    headers = [(name.encode(), value.encode()) for name, value in more.items()]
    headers += [(b"content-type", kind), (b"content-length", b"%d" % len(told.body))]
    await send({"type": "http.response.start", "status": int(told.status), "headers": headers})
    await send({"type": "http.response.body", "body": told.body})
