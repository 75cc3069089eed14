"""Write and read the position record of a partition.

Responsible for the one changelog record that says how far the inputs are contained in the rows,
and for its seal: the record vouches for itself and for all rows beside it. Must not decide what to
do about a position (see `streams.start`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from schemas.errors import ChangelogCorrupt
from schemas.vocabulary import Instant  # noqa: TC001 - msgspec reads the annotations
from streams.digests import digests_of_bytes

if TYPE_CHECKING:
    from streams.inventory import Inventory

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
    customers
        How many rows the changelog holds; None in a record that was not sealed.
    seal
        Digest of this record and of all these rows.
    moved_to
        The app this state was moved to, which works on it since; empty: it was not.
    moved_from
        The app it was moved from: what was told there stands in other topics; empty: none.

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
    customers: int | None = None
    seal: int | None = None
    moved_to: str = ""
    moved_from: str = ""


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


def seal(record: PositionRecord, inventory: Inventory) -> PositionRecord:
    """Let a record vouch for the rows beside it in the changelog, and for itself.

    Parameters
    ----------
    record
        The record.
    inventory
        What the changelog holds once the record is written.
    """
    open_ = replace(record, customers=inventory.customers, seal=None)
    whole = write(open_) + inventory.digest.to_bytes(8, "little")
    return replace(open_, seal=int(digests_of_bytes([whole])[0]))


def verify(record: PositionRecord, inventory: Inventory, where: str) -> None:
    """Compare a record with the rows that were read back beside it.

    Parameters
    ----------
    record
        The last position record read; one without a seal is believed.
    inventory
        What was read back.
    where
        Names the changelog partition.

    Raises
    ------
    ChangelogCorrupt
        When they are not what was written together.
    """
    if record.seal is None or record == seal(record, inventory):
        return
    expected, found = record.customers or 0, inventory.customers
    what = f"{found} rows, of which some are not as they were written"
    if found != expected:
        what = f"{found} rows"
    raise ChangelogCorrupt(
        f"{where}: expected the {expected} rows its last position record vouches for, got {what}; "
        "records were deleted from this topic or somebody else wrote to it (its cleanup.policy "
        "must be `compact` alone): restore the topic from a backup, or start over with a new "
        "REWAKE_APP, replaying the inputs"
    )
