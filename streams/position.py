"""Write and read the position record of a partition.

Responsible for the one changelog record that says how far the inputs are contained in the rows.
Must not decide what to do about a position (see `streams.start`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.errors import ChangelogCorrupt
from schemas.vocabulary import Instant  # noqa: TC001 - msgspec reads the annotations

POSITION_KEY: Final = b"\xffposition"
"""Never valid UTF-8, so never a customer id."""
FORMAT: Final = 1


class InputPosition(msgspec.Struct, frozen=True):
    """How far one input topic has been applied.

    Attributes
    ----------
    offset
        Next offset to read.
    running_max
        Largest ts before it; None before the first.
    topic_id
        The broker's id of the topic, to notice another one of the same name; empty when unknown.
    """

    offset: int
    running_max: Instant | None = None
    topic_id: str = ""


class PositionRecord(msgspec.Struct, frozen=True):
    """What one partition's rows contain.

    Attributes
    ----------
    format
        Version of this record's format.
    inputs
        Input topic → position.
    clock
        The partition's clock when this was written.
    rules, layout
        Digests of the rules and of the row layout the rows were written under.

    Examples
    --------
    >>> record = PositionRecord(FORMAT, {"t": InputPosition(7)}, 0, "r", "l")
    >>> read(write(record)) == record
    True
    """

    format: int
    inputs: dict[str, InputPosition]
    clock: Instant
    rules: str
    layout: str


write = msgspec.json.Encoder().encode
"""Encode a position record."""

_decode = msgspec.json.Decoder(PositionRecord).decode


def read(value: bytes) -> PositionRecord:
    """Decode a position record.

    Raises
    ------
    ChangelogCorrupt
        When it cannot be read, or is of a later format.
    """
    try:
        record = _decode(value)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ChangelogCorrupt(
            f"expected a position record in the changelog, got {value[:80]!r} ({error}); "
            "restore the changelog topic from a backup or replay"
        ) from error
    if record.format > FORMAT:
        raise ChangelogCorrupt(
            f"expected a position record of format {FORMAT} or older, got {record.format}; "
            "run the version of rewake that wrote it, or a later one"
        )
    return record
