"""Say what is answered where.

Responsible for the routes, for who may ask, and for their description (OpenAPI 3.1). Each handler
asks one module and returns what it says. Must not read Redis or Kafka itself.
"""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from litestar import Litestar, Request, Response, get, post
from litestar.connection import ASGIConnection  # noqa: TC002 - litestar reads annotations
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler  # noqa: TC002
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import Parameter
from litestar.types import ASGIApp  # noqa: TC002
from prometheus_client import generate_latest

from schemas import lookups
from schemas.explanations import Explanation  # noqa: TC001 - litestar reads annotations
from schemas.lookups import (
    Batch,
    BatchRequest,
    Customer,
    Lag,
    Members,
    Migrations,
    Problem,
    Sizes,
    Systems,
)
from streams.serving import customers, health, pages, problems, segments, streaming
from streams.serving.customers import customer_id_of
from streams.serving.gate import BODY_MOST, admit
from streams.serving.migrations import LATEST, Asked, migrations
from streams.serving.problems import PROBLEM_JSON, Refusal, away
from streams.serving.ring import Filter, read_cursor
from streams.serving.tokens import Scope

if TYPE_CHECKING:
    from streams.serving.asking import Asking
    from streams.serving.cache import Cache
    from streams.serving.feed import Feed
    from streams.serving.labels import Labels
    from streams.serving.lags import Lags
    from streams.serving.metrics import ServeMetrics
    from streams.serving.moves import Moves

_Request = Request[Any, Any, Any]


class Parts(NamedTuple):
    """What the handlers ask."""

    labels: Labels
    cache: Cache
    feed: Feed
    moves: Moves
    lags: Lags
    asking: Asking
    metrics: ServeMetrics
    pages: dict[str, pages.Page]


def _parts(request: _Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


# ---- who may ask


def _needs(scope: Scope) -> Any:
    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        admit(connection.scope, scope)  # type: ignore[arg-type]

    return guard


_READ: Final = [_needs(Scope.READ)]
_SECURED: Final[list[dict[str, list[str]]]] = [{"token": []}]


def _said(model: type, words: str) -> ResponseSpec:
    return ResponseSpec(model, description=words, media_type=PROBLEM_JSON, generate_examples=False)


_ERRORS: Final = {
    status: _said(Problem, words)
    for status, words in {
        400: "The request is not as described.",
        401: "A token is needed.",
        403: "The token lacks the scope.",
        429: "Too many requests a second.",
        503: "Redis or Kafka does not answer at present.",
    }.items()
}
_Id = Annotated[
    str,
    Parameter(description="The customer's id, percent-encoded: a slash as %2F.", min_length=1),
]


# ---- customers


@get(
    "/v1/customers/{customer_id:str}",
    guards=_READ, security=_SECURED, tags=["lookups"],
    responses=_ERRORS | {404: _said(lookups.UnknownCustomer, "The cache knows no such customer.")},
)  # fmt: skip
async def get_customer(request: _Request, customer_id: _Id) -> Response[Customer]:
    """Return one customer's current segments."""
    parts = _parts(request)
    [answer] = await parts.cache.look_up([customer_id_of(customer_id)])
    told = customers.reply(answer, parts.labels, request.headers.get("if-none-match"))
    # In the words of the description it is a Customer; it comes encoded.
    return Response(told.body, status_code=told.status, headers=told.headers)  # type: ignore[arg-type]


@get(
    "/v1/customers/{customer_id:str}/explanation",
    guards=[_needs(Scope.EXPLAIN)], security=_SECURED, tags=["lookups"],
    responses=_ERRORS | {404: _said(lookups.UnknownCustomer, "The cache knows no such customer.")},
)  # fmt: skip
async def get_explanation(request: _Request, customer_id: _Id) -> Response[Explanation]:
    """Return why a customer is where they are, and what would move them; the owner is asked."""
    parts = _parts(request)
    [answer] = await parts.cache.look_up([customer_id_of(customer_id)])
    if answer.profile is None or answer.partition is None:
        raise Refusal.with_body(customers.unknown(answer), HTTPStatus.NOT_FOUND)
    return Response(await parts.asking.explain(answer.customer_id, answer.partition))


@post(
    "/v1/customers:batchGet", status_code=200,
    guards=_READ, security=_SECURED, tags=["lookups"],
    responses=_ERRORS | {413: _said(Problem, "The request is too large.")},
)  # fmt: skip
async def get_customers(request: _Request, data: BatchRequest) -> Batch:
    """Return many customers at once, in the order asked."""
    parts = _parts(request)
    if not data.customer_ids:
        return Batch(())
    answers = await parts.cache.look_up(data.customer_ids)
    return customers.many(answers, parts.labels)


# ---- systems and segments


@get("/v1/systems", guards=_READ, security=_SECURED, tags=["segments"], responses=_ERRORS)
async def get_systems(request: _Request) -> Systems:
    """Return the systems of the rules in force, with their segments."""
    return _parts(request).labels.systems


@get("/v1/segments", guards=_READ, security=_SECURED, tags=["segments"], responses=_ERRORS)
async def get_segments(request: _Request) -> Sizes:
    """Return how many customers each segment has, and what they have spent."""
    parts = _parts(request)
    return await segments.sizes(parts.cache, parts.labels)


@get(
    "/v1/segments/{system:str}/{segment:str}/customers",
    guards=_READ, security=_SECURED, tags=["segments"],
    responses=_ERRORS | {404: _said(Problem, "The rules have no such segment.")},
)  # fmt: skip
async def get_members(
    request: _Request,
    system: str,
    segment: str,
    cursor: Annotated[str | None, Parameter(description="next_cursor of the page before.")] = None,
    limit: Annotated[int, Parameter(ge=1, le=1_000)] = 100,
) -> Members:
    """Return a page of a segment's customers, by since."""
    parts = _parts(request)
    return await segments.members(parts.cache, parts.labels, system, segment, limit, cursor)


_When = Annotated[int | None, Parameter(ge=0, le=LATEST)]


@get(
    "/v1/migrations", guards=_READ, security=_SECURED, tags=["changes"],
    responses=_ERRORS | {404: _said(Problem, "The rules have no such system.")},
)  # fmt: skip
async def get_migrations(
    request: _Request, system: str | None = None, since: _When = None, until: _When = None
) -> Migrations:
    """Return how many customers moved from which segment to which between two instants."""
    parts = _parts(request)
    asked = Asked(system, since, until)
    return await migrations(asked, parts.cache, parts.feed, parts.moves, parts.labels)


@get("/v1/lag", guards=_READ, security=_SECURED, tags=["service"], responses=_ERRORS)
async def get_lag(request: _Request) -> Lag:
    """Return how far inputs, clocks and deadlines are behind."""
    parts = _parts(request)
    return await parts.lags.lag(parts.cache)


# ---- changes


@get(
    "/v1/changes", guards=_READ, security=_SECURED, tags=["changes"], responses=_ERRORS,
    media_type="text/event-stream",
)  # fmt: skip
async def get_changes(
    request: _Request,
    system: str | None = None,
    cause: str | None = None,
    to: str | None = None,
    backlog: Annotated[int, Parameter(ge=0, le=1_000)] = 0,
    last_event_id: Annotated[str | None, Parameter(header="Last-Event-ID")] = None,
) -> ASGIApp:
    """Stream changes as they happen, as server-sent events."""
    parts = _parts(request)
    if not (parts.feed.up and parts.feed.caught_up):
        raise away(f"changes are not followed at present: {parts.feed.why}")
    if parts.feed.streams >= streaming.STREAMS:
        raise away(f"expected at most {streaming.STREAMS} open streams; ask another instance")
    start = _start(parts, Filter(system, cause, to), backlog, last_event_id)
    return streaming.ChangeStream(parts.feed, start, Filter(system, cause, to), parts.metrics)


def _start(parts: Parts, fits: Filter, backlog: int, cursor: str | None) -> streaming.Start:
    ring = parts.feed.ring
    if not cursor:
        return streaming.Start(*ring.tail(backlog, fits))
    try:
        positions = read_cursor(cursor)
    except ValueError as error:
        detail = "Last-Event-ID: expected the id of an event of this stream"
        raise Refusal(HTTPStatus.BAD_REQUEST, detail) from error
    return streaming.Start(ring.first, positions, lost=ring.lost(positions))


# ---- health, metrics, description


@get("/healthz", tags=["service"])
async def get_health() -> dict[str, str]:
    """Say that the service runs."""
    return {"status": "alive"}


@get("/readyz", tags=["service"], responses={
    503: ResponseSpec(
        health.Readiness, description="Lookups cannot be answered.", generate_examples=False
    ),
})  # fmt: skip
async def get_readiness(request: _Request) -> Response[health.Readiness]:
    """Say whether lookups are answered, and why not."""
    parts = _parts(request)
    found = await health.readiness(parts.cache, parts.feed)
    return Response(found, status_code=200 if found.ready else 503)


@get("/metrics", tags=["service"], media_type="text/plain; version=0.0.4")
async def get_metrics(request: _Request) -> Response[bytes]:
    """Return the service's metrics in Prometheus' format."""
    return Response(generate_latest(_parts(request).metrics.registry))


@get("/openapi.json", include_in_schema=False)
async def get_description(request: _Request) -> Response[bytes]:
    """Return this description."""
    return Response(request.app.state.description, media_type="application/json")


# ---- the live page


@get("/", include_in_schema=False)
async def get_page(request: _Request) -> Response[bytes]:
    """Return the live page."""
    return _file(request, pages.INDEX)


@get("/static/{name:path}", include_in_schema=False)
async def get_file(request: _Request, name: str) -> Response[bytes]:
    """Return a file of the live page."""
    return _file(request, name.lstrip("/"))


def _file(request: _Request, name: str) -> Response[bytes]:
    page = _parts(request).pages.get(name)
    if page is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "expected a file of the live page")
    packed = page.packed and "gzip" in request.headers.get("accept-encoding", "")
    tag = f'{page.tag[:-1]}-gzip"' if packed else page.tag
    headers = {"etag": tag, "cache-control": page.keep, "vary": "accept-encoding"}
    if customers.matches(tag, request.headers.get("if-none-match")):
        return Response(b"", status_code=304, headers=headers)
    if packed:
        headers["content-encoding"] = "gzip"
    return Response(page.packed if packed else page.body, media_type=page.kind, headers=headers)


def build(parts: Parts) -> Litestar:
    """Build the application."""
    app = Litestar(
        [
            get_customer, get_customers, get_explanation, get_systems, get_segments, get_members,
            get_changes, get_migrations, get_lag,
            get_health, get_readiness, get_metrics, get_description, get_page, get_file,
        ],
        exception_handlers={
            Refusal: problems.answer_refusal,
            HTTPException: problems.answer_http,
            UnicodeDecodeError: problems.answer_body,
            RecursionError: problems.answer_body,
            Exception: problems.answer_failure,
        },
        logging_config=None,
        request_max_body_size=BODY_MOST,
        openapi_config=OpenAPIConfig(
            title="Rewake lookups",
            version=version("rewake"),
            description="Which segments a customer has now, who is in a segment, what changes.",
            components=Components(
                security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}
            ),
            use_handler_docstrings=True,
            enabled_endpoints=set(),
        ),
    )  # fmt: skip
    app.state.parts = parts
    return app
