"""Define the events Rewake reads, and decode them.

Responsible for the shape of purchases and engagements and for saying precisely what is wrong with a
bad one. Must not convert money or time, compare keys, or look at a clock: those need rules,
partitions and settings, and are done where the columns are built.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct

from schemas.errors import Reason, Rejected

MAX_EVENT_BYTES: Final = 262_144
"""Longest event value in bytes; longer ones are ``oversized``."""

Id: TypeAlias = Annotated[str, Meta(min_length=1)]
Timestamp: TypeAlias = int | str
"""Epoch milliseconds or RFC 3339 text; see `schemas.instants.parse_instant`."""


class Item(Struct, frozen=True, gc=False):
    """One line of an order. Amounts are JSON numbers or strings in the order's currency."""

    sku: str | None = None
    category: str | None = None
    brand: str | None = None
    qty: Raw = Raw(b"1")
    unit_price: Raw = Raw(b"null")
    list_price: Raw = Raw(b"null")
    discount: Raw = Raw(b"null")
    unit_cost: Raw = Raw(b"null")
    tags: tuple[str, ...] | None = None


class Order(Struct, frozen=True, gc=False, tag_field="type", tag="order"):
    """A customer ordered; the amount is what was paid, in major units of the currency."""

    event_id: Id
    customer_id: Id
    ts: Timestamp
    order_id: Id
    amount: Raw
    currency: str
    items: tuple[Item, ...] | None = None
    channel: str | None = None
    promo_id: str | None = None


class Refund(Struct, frozen=True, gc=False, tag_field="type", tag="refund"):
    """Money went back; linked to an order when ``order_id`` is given."""

    event_id: Id
    customer_id: Id
    ts: Timestamp
    amount: Raw
    currency: str
    order_id: str | None = None
    items: tuple[Item, ...] | None = None
    channel: str | None = None
    promo_id: str | None = None


class Cancel(Struct, frozen=True, gc=False, tag_field="type", tag="cancel"):
    """An order was called off: what is left of it goes back."""

    event_id: Id
    customer_id: Id
    ts: Timestamp
    order_id: Id
    channel: str | None = None
    promo_id: str | None = None


class Engagement(Struct, frozen=True, gc=False):
    """A customer did something other than buying: a visit, an open, a click."""

    event_id: Id
    customer_id: Id
    ts: Timestamp
    kind: Id
    channel: str | None = None
    object: str | None = None
    campaign_id: str | None = None


Purchase: TypeAlias = Order | Refund | Cancel

decode_purchase = msgspec.json.Decoder(Order | Refund | Cancel).decode
"""Decode the value of a purchase event; raises msgspec or Unicode errors, see `diagnose`."""

decode_engagement = msgspec.json.Decoder(Engagement).decode
"""Decode the value of an engagement event; raises msgspec or Unicode errors, see `diagnose`."""


def diagnose(value: bytes | None, family: str, error: Exception) -> Rejected:
    """Turn a failure to decode into its precise reason (slow path).

    Parameters
    ----------
    value
        The record's value; None for a record without one.
    family
        ``"purchase"`` or ``"engagement"``.
    error
        What the decoder raised; a `Rejected` is returned as it is.
    """
    if isinstance(error, Rejected):
        return error
    return Rejected(Reason.MALFORMED_JSON, f"{family}: {error}")
