"""A real HTTP endpoint that misbehaves as it is told to."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.webhook.signing import verify

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "a-secret-for-nobody-but-the-tests"


class Answer(NamedTuple):
    """What is answered: a status, or 0 to close the connection, after some seconds."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    after: float = 0.0


class Took(NamedTuple):
    """A change that was answered with 200."""

    id: str
    customer: str
    sequence: int
    body: bytes
    headers: dict[str, str]


class Receiver:
    """Listens, and keeps what it took.

    Parameters
    ----------
    behave
        Says what to answer to a change which comes for the n-th time.
    """

    def __init__(
        self,
        behave: Callable[[dict[str, Any], int], Answer] = lambda _, __: Answer(),
        port: int = 0,
    ) -> None:
        self.behave = behave
        self.took: list[Took] = []
        self.forged: list[bytes] = []
        self.came: dict[str, int] = {}
        self.at_once = self.most_at_once = 0
        self._customers: list[str] = []
        self.overtaking: list[str] = []
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                sent = {name.lower(): said for name, said in self.headers.items()}
                receiver.handle(self, body, sent)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """Let clients that went away go."""

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/changes?token=sesame"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def handle(self, handler: Any, body: bytes, sent: dict[str, str]) -> None:
        if not verify(sent, body, SECRET.encode(), int(time.time())):
            self.forged.append(body)
        change = json.loads(body)
        customer = change["customer_id"]
        with self._lock:
            self.came[change["id"]] = attempt = self.came.get(change["id"], 0) + 1
            if customer in self._customers:
                self.overtaking.append(customer)
            self._customers.append(customer)
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
        answer = self.behave(change, attempt)
        time.sleep(answer.after)
        with self._lock:
            self.at_once -= 1
            self._customers.remove(customer)
            if answer.status == 200:
                took = Took(sent["idempotency-key"], customer, change["sequence"], body, sent)
                self.took.append(took)
        if not answer.status:
            handler.close_connection = True
            return
        handler.send_response(answer.status)
        for name, said in answer.headers:
            handler.send_header(name, said)
        handler.send_header("content-length", "0")
        handler.end_headers()
