"""Write `docs/reference/http.md`: what `rewake serve` answers, from its OpenAPI description."""

from __future__ import annotations

import warnings
from typing import Any, Final, cast

from reference.pages import marked, table, wrapped
from streams.serving.app import Parts, build

_HEAD: Final = """\
# The HTTP service

Generated from the code by `scripts/reference`; the service describes itself at `/openapi.json`
(OpenAPI 3.1). `rewake serve` listens at REWAKE_WEB. Where REWAKE_WEB_TOKENS is set, a request has
the header `Authorization: Bearer TOKEN`. Errors are `application/problem+json` (RFC 9457). Instants
are epoch milliseconds. A worker answers at REWAKE_METRICS: `/healthz`, `/metrics`, and
`/v1/customers/{id}/explanation` for the partitions it owns.
"""
BESIDE: Final = {
    "/openapi.json": "The description this page is made from.",
    "/": "The live page.",
    "/static/{name}": "Its parts.",
}
"""Answered besides, outside the description."""


def application() -> Any:
    """Return the service's application, which answers nothing as it has no parts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the service's to heed
        return build(cast("Parts", None))


def described() -> dict[str, Any]:
    """Return the service's OpenAPI description."""
    described: dict[str, Any] = application().openapi_schema.to_schema()
    return described


def write() -> str:
    """Return the text of the page."""
    document = described()
    calls = [
        (method.upper(), path, call)
        for path, calls in document["paths"].items()
        for method, call in calls.items()
    ]
    parts = [_HEAD]
    rows = [(f"`{method} {path}`", _answers(call)) for method, path, call in calls]
    rows += [(f"`GET {path}`", what) for path, what in BESIDE.items()]
    parts += table(("call", "answers"), rows)
    for method, path, call in calls:
        parts += ["", f"## {method} {path}", "", *_call(call, document)]
    return "\n".join(parts) + "\n"


def _answers(call: dict[str, Any]) -> str:
    return marked(str(call.get("description") or call.get("summary") or "").partition("\n\n")[0])


def _call(call: dict[str, Any], document: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for paragraph in (call.get("description") or call.get("summary") or "").split("\n\n"):
        lines += [*wrapped(paragraph), ""]
    found = call.get("parameters", [])
    if found:
        rows = (
            (f"`{each['name']}`", each["in"], _kind(each["schema"], document),
             "required" if each.get("required") else "–", marked(each.get("description", "")))
            for each in found
        )  # fmt: skip
        lines += [*table(("parameter", "in", "type", "needed", "meaning"), rows), ""]
    body = call.get("requestBody")
    if body:
        lines += [f"Body: {_shape(body, document)}.", ""]
    rows = (
        (status, _shape(answer, document), marked(answer.get("description", "")))
        for status, answer in sorted(call["responses"].items())
    )
    return [*lines, *table(("status", "body", "when"), rows)]


def _shape(answer: dict[str, Any], document: dict[str, Any]) -> str:
    content = answer.get("content", {})
    return (
        ", ".join(
            f"{_kind(body.get('schema', {}), document)} (`{kind}`)"
            for kind, body in content.items()
        )
        or "–"
    )


def _kind(schema: dict[str, Any], document: dict[str, Any]) -> str:
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    several = schema.get("oneOf") or schema.get("anyOf")
    if several:
        return " or ".join(_kind(each, document) for each in several)
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'], document)}"
    return str(schema.get("type", "any"))
