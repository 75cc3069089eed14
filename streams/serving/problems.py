"""Turn what goes wrong into answers of the form RFC 9457 has (application/problem+json).

Responsible for the errors of the service and for what each becomes. An answer says what was
expected, what came and what to do. Must not log a request's content.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException  # noqa: TC002 - litestar reads annotations

from schemas.lookups import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_log: Final = structlog.get_logger(__name__)

PROBLEM_JSON: Final = "application/problem+json"
encode: Final = msgspec.json.Encoder().encode

WORDS: Final[Mapping[int, str]] = {
    400: "expected a request as /openapi.json describes it",
    401: "expected a token: send `Authorization: Bearer …` with one of REWAKE_WEB_TOKENS",
    403: "expected a token with the scope this needs",
    404: "expected a path that /openapi.json describes",
    405: "expected another method; the header Allow names them",
    413: "expected a smaller request",
    414: "expected a shorter path",
    415: "expected a body of type application/json",
    429: "expected fewer requests a second (REWAKE_WEB_RATE); ask again in a second",
    500: "the service failed; its log says why",
}


class Refusal(Exception):  # noqa: N818 - says what happens, not that something is wrong
    """An answer that is a problem.

    Parameters
    ----------
    status
        Of the answer.
    detail
        What was expected, what came, what to do.
    headers
        Of the answer, besides the usual.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.problem: msgspec.Struct = Problem(HTTPStatus(status).phrase, status, detail)
        self.status = status
        self.headers = dict(headers or {})

    @classmethod
    def with_body(cls, problem: msgspec.Struct, status: int) -> Refusal:
        """Refuse with a problem that says more."""
        refusal = cls(status, "")
        refusal.problem = problem
        return refusal


def away(detail: str) -> Refusal:
    """Say that something this needs does not answer at present."""
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"retry-after": "1"})


def of(status: int, detail: str | None = None) -> bytes:
    """Write the problem of a status."""
    phrase = HTTPStatus(status).phrase
    return encode(Problem(phrase, status, detail or WORDS.get(status, phrase)))


def answer_refusal(_: Request[Any, Any, Any], refusal: Refusal) -> Response[bytes]:
    """Answer with a refusal."""
    return Response(
        encode(refusal.problem),
        media_type=PROBLEM_JSON,
        status_code=refusal.status,
        headers=refusal.headers,
    )


def answer_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer with what the framework finds wrong about a request."""
    detail = None
    if error.status_code == HTTPStatus.BAD_REQUEST:
        detail = f"{WORDS[400]}, got: {_faults(error)}"
    return Response(
        of(error.status_code, detail),
        media_type=PROBLEM_JSON,
        status_code=error.status_code,
        headers=dict(error.headers or {}),
    )


def answer_body(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer to a body that cannot be read: no UTF-8, or nested without end."""
    deep = isinstance(error, RecursionError)
    body = of(400, f"{WORDS[400]}, {'less deeply nested' if deep else 'in UTF-8'}")
    return Response(body, media_type=PROBLEM_JSON, status_code=400)


def answer_failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer to a mistake of ours, and log it."""
    route = request.scope.get("path_template", "")
    _log.error("cannot answer", route=route, exc_info=error)
    return Response(of(500), media_type=PROBLEM_JSON, status_code=500)


def _faults(error: HTTPException) -> str:
    extra = error.extra if isinstance(error.extra, list) else []
    found = [f"{each.get('key', '')}: {each.get('message', '')}" for each in extra]
    return "; ".join(found) or error.detail
