"""Answer `GET /v1/customers/{id}/explanation` for the customers whose partitions this worker owns.

Responsible for copying one row on the event loop, between two calls of the engine, and for having
it explained in the thread that was asked. Nothing of the engine's is touched but for the copy, and
the event loop does not wait for the explanation. Must not know rules or words.
"""

from __future__ import annotations

from concurrent.futures import Future
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import structlog

from schemas import explanations
from schemas.lookups import Problem
from segmenters.explain import Explainer
from streams.partitioner import partitions_of
from streams.serving.tokens import Scope, Tokens

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Mapping

    from schemas.vocabulary import Instant
    from segmenters.rules import Rules
    from streams.partition import OwnedPartition

_log: Final = structlog.get_logger(__name__)

BEFORE: Final = "/v1/customers/"
BEHIND: Final = "/explanation"
_NO_TOKENS: Final = (
    "an explanation is about a person, and this worker can be reached from outside its machine: "
    "set REWAKE_WEB_TOKENS for it and for whoever asks, one of them with the scope explain, or let "
    "REWAKE_METRICS be on 127.0.0.1"
)
_NO_TOKEN: Final = "expected `Authorization: Bearer …` with one of this worker's REWAKE_WEB_TOKENS"
_NO_SCOPE: Final = "expected a token with the scope explain"
LOOP_S: Final = 2.0
"""Seconds the event loop may take to come to a copy: health is served by the same thread."""


class Copy(NamedTuple):
    """A customer's row as it was at a partition's clock."""

    row: bytes
    clock: Instant


class Explaining:
    """Answers questions; a WSGI application for the paths below `BEFORE`.

    Parameters
    ----------
    rules
        The rules in force.
    partitions
        Partition count of the inputs.
    owned
        The partitions owned at present, by number.
    loop
        The event loop that calls their engines.
    tokens
        Who may ask. Without any, whoever reaches this worker may.
    reached
        Others than this machine reach this worker: without tokens nobody is answered then.
    """

    def __init__(
        self,
        rules: Rules,
        partitions: int,
        owned: Callable[[], Mapping[int, OwnedPartition]],
        loop: asyncio.AbstractEventLoop,
        tokens: Tokens | None = None,
        *,
        reached: bool = False,
    ) -> None:
        self._rules = rules
        self._count = partitions
        self._owned = owned
        self._loop = loop
        self._tokens = tokens or Tokens("")
        self._reached = reached
        self._explainer: Explainer | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        answer = self._refuse(environ.get("HTTP_AUTHORIZATION")) or self._respond(
            environ["REQUEST_METHOD"], environ["PATH_INFO"]
        )
        if isinstance(answer, Problem):
            status, kind, body = answer.status, "problem+json", msgspec.json.encode(answer)
        else:
            status, kind, body = HTTPStatus.OK, "json", answer
        headers = [("Content-Type", f"application/{kind}")]
        if status == HTTPStatus.UNAUTHORIZED:
            headers.append(("WWW-Authenticate", 'Bearer realm="rewake"'))
        start_response(f"{status:d} {HTTPStatus(status).phrase}", headers)
        return [body]

    def _refuse(self, authorization: str | None) -> Problem | None:
        """Say why whoever asks is not answered; None if they are."""
        if not self._tokens:
            return _problem(HTTPStatus.FORBIDDEN, _NO_TOKENS) if self._reached else None
        sent = None if authorization is None else authorization.encode("latin-1")
        caller = self._tokens.caller(sent, "")
        if caller is None:
            return _problem(HTTPStatus.UNAUTHORIZED, _NO_TOKEN)
        if Scope.EXPLAIN not in caller.scopes:
            return _problem(HTTPStatus.FORBIDDEN, _NO_SCOPE)
        return None

    def _respond(self, method: str, path: str) -> bytes | Problem:
        if not (path.startswith(BEFORE) and path.endswith(BEHIND)):
            return _problem(HTTPStatus.NOT_FOUND, f"expected {BEFORE}ID{BEHIND}, got {path}")
        if method != "GET":
            return _problem(HTTPStatus.METHOD_NOT_ALLOWED, f"expected GET, got {method}")
        # WSGI hands the bytes of a path over as if each were a character.
        customer = path[len(BEFORE) : -len(BEHIND)].encode("latin-1")
        try:
            name = customer.decode()
        except UnicodeDecodeError:
            return _problem(HTTPStatus.BAD_REQUEST, "expected a customer id in UTF-8")
        try:
            copy = self._ask_loop(customer)
        except TimeoutError:
            detail = f"expected the event loop to run within {LOOP_S:.0f} s; ask again"
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)
        return copy if isinstance(copy, Problem) else self._explain(name, copy)

    def _explain(self, name: str, copy: Copy) -> bytes | Problem:
        try:
            if self._explainer is None:
                self._explainer = Explainer(self._rules)
            explanation = self._explainer.explain(name, copy.row, copy.clock)
        except Exception as error:  # noqa: BLE001 - whoever asked is told, and so is the log
            _log.exception("cannot explain")
            return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"{error!r}; see the worker's log")
        return _nobody() if explanation is None else explanations.encode(explanation)

    # ---- on the event loop

    def _ask_loop(self, customer: bytes) -> Copy | Problem:
        answer: Future[Copy | Problem] = Future()

        def take() -> None:
            if not answer.set_running_or_notify_cancel():
                return  # nobody waits any more
            try:
                answer.set_result(self._copy(customer))
            except Exception as error:  # noqa: BLE001 - whoever asked gets it, the loop goes on
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(take)
        try:
            return answer.result(LOOP_S)
        finally:
            answer.cancel()

    def _copy(self, customer: bytes) -> Copy | Problem:
        number = int(partitions_of([customer], self._count)[0])
        partition = self._owned().get(number)
        if partition is None:
            return _problem(
                HTTPStatus.NOT_FOUND,
                f"expected to own partition {number}, another worker does; ask that one",
            )
        if partition.waiting:
            return _problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"partition {number} is being brought under other rules; ask again in a moment",
            )
        rows = partition.engine.find_rows([customer])
        if rows[0] < 0:
            return _nobody()
        ((_, value),) = partition.engine.dump_rows(rows)
        return Copy(value, partition.reading.instant)


def _nobody() -> Problem:
    return _problem(
        HTTPStatus.NOT_FOUND, "no order or engagement of such a customer is known; check the id"
    )


def _problem(status: HTTPStatus, detail: str) -> Problem:
    return Problem(status.phrase, status.value, detail)
