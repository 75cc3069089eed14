"""Answer for single customers and for batches of them.

Responsible for `GET /v1/customers/{id}` and `POST /v1/customers:batchGet`: what an answer of the
cache becomes on the wire, and its ETag. Must not read the cache itself.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from schemas.lookups import (
    Batch,
    BatchEntry,
    Coming,
    Customer,
    Place,
    UnknownCustomer,
)
from streams.serving.problems import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.reader import Answer
    from streams.serving.labels import Labels

_NOBODY: Final = "the cache knows no order or engagement of such a customer; check the id"


def customer_id_of(sent: str) -> str:
    """Read the id in a path, which is percent-encoded UTF-8.

    Raises
    ------
    Refusal
        When it is no UTF-8.

    Examples
    --------
    >>> customer_id_of("a%2Fb%20c")
    'a/b c'
    """
    try:
        return unquote_to_bytes(sent).decode()
    except UnicodeDecodeError as error:
        detail = "expected a customer id in UTF-8, percent-encoded"
        raise Refusal(HTTPStatus.BAD_REQUEST, detail) from error


def _fields(answer: Answer, labels: Labels) -> dict[str, Any]:
    profile = answer.profile
    assert profile is not None
    return {
        "customer_id": answer.customer_id,
        "as_of": answer.as_of,
        "stale": answer.stale,
        "sequence": profile.sequence,
        "version": profile.version,
        "valid_until": profile.valid_until,
        "segments": {
            system: Place(standing.segment, standing.since, labels.of(system, standing.segment))
            for system, standing in profile.systems.items()
        },
        "next": {
            system: Coming(segment, labels.of(system, segment))
            for system, segment in profile.next.items()
        },
    }


class Reply(NamedTuple):
    """What is answered about one customer."""

    status: int
    headers: dict[str, str]
    body: bytes


def reply(answer: Answer, labels: Labels, if_none_match: str | None) -> Reply:
    """Answer about one customer, or say that the asker has this very answer already.

    Raises
    ------
    Refusal
        When the cache knows no such customer.
    """
    customer = one(answer, labels)
    tag = tag_of(customer)
    headers = {"cache-control": "no-cache"} | ({} if tag is None else {"etag": tag})
    if matches(tag, if_none_match):
        return Reply(HTTPStatus.NOT_MODIFIED, headers, b"")
    return Reply(HTTPStatus.OK, headers, encode(customer))


def one(answer: Answer, labels: Labels) -> Customer:
    """Turn an answer into what a lookup returns.

    Raises
    ------
    Refusal
        When the cache knows no such customer.
    """
    if answer.profile is None:
        raise Refusal.with_body(unknown(answer), HTTPStatus.NOT_FOUND)
    return Customer(**_fields(answer, labels))


def unknown(answer: Answer) -> UnknownCustomer:
    """Say that a customer is unknown, and as of when."""
    detail = _NOBODY
    if answer.as_of is None:
        detail = "the cache is not filled yet, or was flushed; does a worker run against it?"
    status = HTTPStatus.NOT_FOUND
    return UnknownCustomer(
        status.phrase, status.value, detail, answer.customer_id, answer.as_of, answer.stale
    )


def many(answers: Iterable[Answer], labels: Labels) -> Batch:
    """Turn answers into what a batch returns."""
    return Batch(
        tuple(
            BatchEntry(each.customer_id, False, each.as_of, each.stale)
            if each.profile is None
            else BatchEntry(found=True, **_fields(each, labels))
            for each in answers
        )
    )


def tag_of(customer: Customer) -> str | None:
    """Return the ETag of an answer; None for one that nobody should keep.

    It names the sequence and the version: ``valid_until`` and ``next`` move with facts that change
    no segment. It is weak, as ``as_of`` moves all the time. An answer that is stale has none:
    whoever kept it would be told later that nothing has changed.
    """
    return None if customer.stale else f'W/"{customer.sequence}.{customer.version}"'


def matches(tag: str | None, if_none_match: str | None) -> bool:
    """Say whether the asker has this very answer already.

    Examples
    --------
    >>> matches('W/"3.7"', '"1", W/"3.7"'), matches('W/"3.7"', 'W/"3.6"'), matches(None, "*")
    (True, False, False)
    """
    if tag is None or if_none_match is None:
        return False
    wanted = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return "*" in wanted or tag.removeprefix("W/") in wanted


encode: Final = msgspec.json.Encoder().encode
