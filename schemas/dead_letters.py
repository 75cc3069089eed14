"""Wrap a rejected event as a dead letter that can be submitted again.

Responsible for the header names, for keeping what came as it came, and for cutting what the topic
would refuse. Must not produce, and must not judge events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from schemas.errors import Reason, Rejected
from schemas.instants import format_instant, parse_instant
from schemas.vocabulary import Instant  # noqa: TC001 — msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Iterable

REASON: Final = "rewake-reason"
"""Why it was rejected, one of the reasons."""
DETAIL: Final = "rewake-detail"
"""What was expected and what came; names the field."""
ORIGIN_TOPIC: Final = "rewake-origin-topic"
"""The topic it was read from."""
ORIGIN_PARTITION: Final = "rewake-origin-partition"
"""The partition it was read from."""
ORIGIN_OFFSET: Final = "rewake-origin-offset"
"""The offset it was read at."""
REJECTED_AT: Final = "rewake-rejected-at"
"""When, RFC 3339."""
TRUNCATED: Final = "truncated"
"""Only on a dead letter that lost something: the length of the original value in bytes."""

HEADERS: Final = (
    REASON,
    DETAIL,
    ORIGIN_TOPIC,
    ORIGIN_PARTITION,
    ORIGIN_OFFSET,
    REJECTED_AT,
    TRUNCATED,
)
"""Every header a dead letter adds; a submission again takes exactly these off."""

_MAX_DETAIL: Final = 1000
# Lengths and varints around a header in a record; an upper bound is enough.
_HEADER_OVERHEAD: Final = 10


class Origin(Struct, frozen=True, gc=False):
    """Where a rejected event stood in its input."""

    topic: str
    partition: int
    offset: int


class DeadLetter(Struct, frozen=True):
    """Value and headers of a dead letter's record; its key is the original key."""

    value: bytes | None
    headers: list[tuple[str, bytes]]


class Verdict(Struct, frozen=True):
    """What the headers of a dead letter say.

    Attributes
    ----------
    original_bytes
        Length of the original value when it was cut, else None: only then can the event be
        submitted again as it came.
    """

    reason: Reason
    detail: str
    origin: Origin
    rejected_at: Instant
    original_bytes: int | None = None


def encode(
    value: bytes | None,
    headers: Iterable[tuple[str, bytes]],
    rejected: Rejected,
    origin: Origin,
    rejected_at: Instant,
    *,
    limit: int,
) -> DeadLetter:
    """Wrap a rejected event.

    Parameters
    ----------
    value, headers
        As they came. Headers an earlier rejection left are replaced, not piled up.
    rejected
        Why.
    origin
        Where the event stood.
    rejected_at
        Wall clock of the rejection, epoch ms.
    limit
        Bytes value and headers may take together: what the topic takes, less the key and the
        record's frame. Over it the original headers are dropped first if they alone are too long,
        then the value is cut, and header ``truncated`` says how long it was.

    Examples
    --------
    >>> why = Rejected(Reason.MALFORMED_JSON, "expected JSON")
    >>> letter = encode(b"oops", [], why, Origin("t", 0, 7), 1298967960000, limit=1000)
    >>> letter.value, dict(letter.headers)["rewake-reason"]
    (b'oops', b'malformed_json')
    """
    length = 0 if value is None else len(value)
    added = [
        (REASON, rejected.reason.encode()),
        (DETAIL, rejected.detail[:_MAX_DETAIL].encode("utf-8", "replace")),
        (ORIGIN_TOPIC, origin.topic.encode()),
        (ORIGIN_PARTITION, b"%d" % origin.partition),
        (ORIGIN_OFFSET, b"%d" % origin.offset),
        (REJECTED_AT, format_instant(rejected_at).encode()),
    ]
    kept = original_headers(headers) + added
    if _size(kept) + length <= limit:
        return DeadLetter(value, kept)
    added.append((TRUNCATED, b"%d" % length))
    kept.append(added[-1])
    if _size(kept) > limit:
        kept = added
    room = max(0, limit - _size(kept))
    return DeadLetter(None if value is None else value[:room], kept)


def original_headers(headers: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Return the headers an event came with, without those a rejection added."""
    return [(name, content) for name, content in headers if name not in HEADERS]


def read_verdict(headers: Iterable[tuple[str, bytes]]) -> Verdict:
    """Read back why an event was rejected and where it stood.

    Raises
    ------
    Rejected
        ``missing_field`` when a header of a dead letter is absent, ``invalid_value`` when one
        cannot be read: the record was not written by `encode`.
    """
    said = {name: content.decode("utf-8", "replace") for name, content in headers}
    cut = said.get(TRUNCATED)
    try:
        return Verdict(
            Reason(said[REASON]),
            said[DETAIL],
            Origin(said[ORIGIN_TOPIC], int(said[ORIGIN_PARTITION]), int(said[ORIGIN_OFFSET])),
            parse_instant(said[REJECTED_AT]),
            None if cut is None else int(cut),
        )
    except KeyError as error:
        detail = f"headers: expected a dead letter's header {error}, got none"
        raise Rejected(Reason.MISSING_FIELD, detail) from error
    except ValueError as error:
        raise Rejected(
            Reason.INVALID_VALUE, f"headers: expected a dead letter, got {error}"
        ) from error


def _size(headers: list[tuple[str, bytes]]) -> int:
    return sum(len(name.encode()) + len(content) + _HEADER_OVERHEAD for name, content in headers)
