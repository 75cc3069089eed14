"""Serve a worker's health and metrics, and ask for them.

Responsible for the pages ``/healthz`` (alive: restart it where it is not), ``/readyz`` (ready: it
works what it was given) and ``/metrics``, and for handing other paths on. Must not decide what
alive or ready means: those are questions it is given.
"""

from __future__ import annotations

import http.client
import threading
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from schemas.errors import RewakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client import CollectorRegistry

    from streams.setting_values import Address

ALIVE: Final = "/healthz"
READY: Final = "/readyz"
ANSWER_S: Final = 5.0


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log no requests: probes come every few seconds."""


def serve(
    address: Address,
    registry: CollectorRegistry,
    ailing: Callable[[], str | None],
    unready: Callable[[], str | None] | None = None,
    beside: Mapping[str, Callable[..., Iterable[bytes]]] | None = None,
) -> WSGIServer:
    """Serve in a thread of its own.

    Parameters
    ----------
    address
        Where to listen; port 0 takes a free one.
    registry
        The metrics.
    ailing
        Returns what is wrong, None when the worker is well.
    unready
        Returns why it does not work yet, None when it does; by default whoever is well is ready.
    beside
        WSGI applications by the beginning of the paths they answer.

    Raises
    ------
    RewakeError
        When the address cannot be listened on.
    """
    metrics = make_wsgi_app(registry)
    questions = {ALIVE: ailing, READY: unready or ailing}

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        for beginning, application in (beside or {}).items():
            if path.startswith(beginning):
                return application(environ, start_response)
        if path not in questions:
            return metrics(environ, start_response)  # type: ignore[no-any-return]
        wrong = questions[path]()
        status = "200 OK" if wrong is None else "503 Service Unavailable"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [(wrong or "ok").encode()]

    try:
        server = make_server(address.host, address.port, answer, handler_class=_Quiet)
    except OSError as error:
        raise RewakeError(
            f"REWAKE_METRICS: expected an address to listen on, got {address} ({error}); "
            "choose another port, or 0 for a free one"
        ) from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def probe(
    address: Address, page: str = ALIVE, who: str = "worker", setting: str = "REWAKE_METRICS"
) -> str:
    """Ask a worker, or whom ``setting`` says where to find, whether it is well, or ready.

    Raises
    ------
    RewakeError
        When it is not, or does not answer.
    """
    connection = http.client.HTTPConnection(address.host, address.port, timeout=ANSWER_S)
    try:
        connection.request("GET", page)
        response = connection.getresponse()
        said = response.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise RewakeError(
            f"expected a {who} at {address} ({setting}), got {error!r}; is it running?"
        ) from error
    finally:
        connection.close()
    if response.status != 200:
        what = "well" if page == ALIVE else "ready"
        raise RewakeError(f"expected a {who} that is {what} at {address}, it says: {said}")
    return said
