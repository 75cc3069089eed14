"""Define a segment change, the record Rewake exists for, and its form on the wire.

Responsible for the value's fields, the deterministic id and the CloudEvents headers. Must not
decide that something changed, and must not know producers or partitions.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from schemas.instants import format_instant
from schemas.vocabulary import Instant  # noqa: TC001 — msgspec reads the annotations

CE_TYPE: Final = "rewake.segment.changed.v1"
"""CloudEvents type of a change."""

Scalar: TypeAlias = int | float | str | bool | None
CauseWord: TypeAlias = Literal["event", "clock", "rules", "cuts", "correction", "erasure"]


class Words(Struct, frozen=True, gc=False):
    """One text in the two languages."""

    zh: str
    en: str


class Next(Struct, frozen=True, gc=False):
    """What follows in this system if nothing happens, and when."""

    segment: str
    at: Instant


class Holdout(Struct, frozen=True, gc=False):
    """The campaign a change belongs to and the arm its customer was drawn into."""

    campaign: str
    arm: str


class Change(Struct, frozen=True, gc=False, rename={"from_": "from"}):
    """A customer moved from one segment of a system to another.

    Attributes
    ----------
    id
        `change_id` of the six fields that make the change.
    sequence
        1, 2, 3 … per customer over all systems, without gaps.
    from_
        Segment before (``from`` on the wire); None for the first one.
    at, seen_at
        Epoch milliseconds: when it became so, and when it was found.
    event_id
        The event that made it, when one did.
    corrects
        Id of the change that this one makes untrue, when it does.
    features
        The numbers the rule looked at.
    segments
        Segments of other systems worth having in the same message.
    """

    id: str
    sequence: int
    customer_id: str
    system: str
    from_: str | None
    to: str
    at: Instant
    seen_at: Instant
    cause: CauseWord
    event_id: str | None
    corrects: str | None
    rules_version: str
    labels: Words
    play: Words | None = None
    features: dict[str, Scalar] = {}
    segments: dict[str, str | None] = {}
    next: Next | None = None
    holdout: Holdout | None = None


_EMPTY_ID: Final = blake2b(digest_size=16)
"""Copied for each id: to set a digest up costs more than to digest sixty bytes."""


def change_id(
    customer_id: str, system: str, sequence: int, from_: str | None, to: str, at: Instant
) -> str:
    """Digest what makes a change, so that the same change always has the same id.

    Returns
    -------
    str
        32 hexadecimal digits: blake2b-128 of system, sequence, from (empty when None), to, at and
        customer id, joined by line feeds. Only the customer id, which comes last, may hold a line
        feed itself, so no two changes share an encoding.

    Examples
    --------
    >>> change_id("c-1", "lifecycle", 2, "active", "silent", 1298967960000)
    'fd6cae1280d731dfe06445a6327d57ad'
    """
    text = f"{system}\n{sequence}\n{from_ or ''}\n{to}\n{at}\n{customer_id}"
    digest = _EMPTY_ID.copy()
    digest.update(text.encode())
    return digest.hexdigest()


def _plain(value: Any) -> Scalar:
    """Turn a scalar of an array, which the features may be, into a plain number."""
    plain: Scalar = value.item()
    return plain


encode: Final = msgspec.json.Encoder(enc_hook=_plain).encode
"""Encode a change as the JSON value of its Kafka record: UTF-8, every field, in their order."""

decode: Final = msgspec.json.Decoder(Change).decode
"""Decode the JSON value of a change; unknown fields pass."""

_SPECVERSION: Final = ("ce_specversion", b"1.0")
_TYPE: Final = ("ce_type", CE_TYPE.encode())
_CONTENT_TYPE: Final = ("content-type", b"application/json")


def cloudevent_headers(change: Change, source: str) -> list[tuple[str, bytes]]:
    """Build the Kafka headers that make a change a CloudEvents 1.0 message in binary mode.

    Parameters
    ----------
    change
        The change whose `encode` is the record's value.
    source
        URI reference of the app that tells it, e.g. ``/rewake``.
    """
    return [
        _SPECVERSION,
        _TYPE,
        ("ce_id", change.id.encode()),
        _source_header(source),
        ("ce_subject", change.customer_id.encode()),
        _time_header(change.at),
        _CONTENT_TYPE,
    ]


@lru_cache(maxsize=16)
def _source_header(source: str) -> tuple[str, bytes]:
    return "ce_source", source.encode()


# The changes of one fact, and those of a midnight, share their instant.
@lru_cache(maxsize=1024)
def _time_header(at: Instant) -> tuple[str, bytes]:
    return "ce_time", format_instant(at).encode()
