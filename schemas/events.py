"""Define the events Rewake reads, and decode them.

Responsible for the shape of purchases and engagements and for saying precisely what is wrong with a
bad one. Must not convert money or time, compare keys, or look at a clock: those need rules,
partitions and settings, and are done where the columns are built.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Annotated, Any, Final, NoReturn, TypeAlias

import msgspec
from msgspec import Meta, Struct

from schemas.errors import Reason, Rejected

MAX_EVENT_BYTES: Final = 262_144
"""Longest event value in bytes; longer ones are ``oversized``."""

Id: TypeAlias = Annotated[str, Meta(min_length=1)]
Timestamp: TypeAlias = int | str
"""Epoch milliseconds or RFC 3339 text; see `schemas.instants.parse_instant`."""

Written: TypeAlias = Annotated[
    Any, Meta(extra_json_schema={"type": ["number", "string"], "description": "exact decimal"})
]
"""A decimal as it was written: text from a JSON string or fraction, an int from a JSON integer.

The decoder hands over the digits of a fraction as text (``float_hook``), so nothing is ever rounded
to binary; `schemas.money.Currencies.to_minor` reads all forms and refuses what is no decimal.
"""


class Item(Struct, frozen=True, gc=False):
    """One line of an order. Amounts are JSON numbers or strings in the order's currency."""

    sku: str | None = None
    category: str | None = None
    brand: str | None = None
    qty: Written = 1
    unit_price: Written = None
    list_price: Written = None
    discount: Written = None
    unit_cost: Written = None
    tags: tuple[str, ...] | None = None


class Order(Struct, frozen=True, gc=False, tag_field="type", tag="order"):
    """A customer ordered; the amount is what was paid, in major units of the currency."""

    event_id: Id
    customer_id: Id
    ts: Timestamp
    order_id: Id
    amount: Written
    currency: str
    items: tuple[Item, ...] | None = None
    channel: str | None = None
    promo_id: str | None = None


class Refund(Struct, frozen=True, gc=False, tag_field="type", tag="refund"):
    """Money went back; linked to an order when ``order_id`` is given."""

    event_id: Id
    customer_id: Id
    ts: Timestamp
    amount: Written
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

# float_hook gives the text of a fraction to `Written` fields instead of a binary float.
decode_purchase: Final = msgspec.json.Decoder(Order | Refund | Cancel, float_hook=str).decode
"""Decode the value of a purchase event; what it raises is for `diagnose`."""

decode_engagement: Final = msgspec.json.Decoder(Engagement).decode
"""Decode the value of an engagement event; what it raises is for `diagnose`."""

_PURCHASES: Final[dict[str, type[Struct]]] = {"order": Order, "refund": Refund, "cancel": Cancel}
_SHOWN: Final = 60


def diagnose(value: bytes | None, family: str, error: Exception) -> Rejected:
    """Turn a failure to decode into its precise reason (slow path).

    The value is parsed again without a shape and its fields are looked at one by one, so the reason
    rests on what came, not on the wording of a decoder's message.

    Parameters
    ----------
    value
        The record's value; None for a record without one.
    family
        ``"purchase"`` or ``"engagement"``.
    error
        What was raised; a `Rejected` is returned as it is.

    Returns
    -------
    Rejected
        With the first of: ``oversized``, ``malformed_json``, ``unknown_type``, then per field in
        the order of the event ``missing_customer``, ``missing_field``, ``wrong_type``,
        ``invalid_value``.

    Examples
    --------
    >>> try:
    ...     decode_engagement(b'{"event_id": "e-1", "customer_id": ""}')
    ... except ValueError as error:
    ...     print(diagnose(b'{"event_id": "e-1", "customer_id": ""}', "engagement", error))
    missing_customer: customer_id: expected a customer id, got an empty one
    """
    if isinstance(error, Rejected):
        return error
    try:
        _check_fields(_reparse(value, too_deep=isinstance(error, RecursionError)), family)
    except Rejected as found:
        return found
    detail = f"expected a valid {family} event; the decoder says: {error}"
    return Rejected(Reason.INVALID_VALUE, detail)


def _reparse(value: bytes | None, *, too_deep: bool) -> dict[str, object]:
    """Parse a value without a shape, or raise why it is no JSON object."""
    if value is None:
        detail = "expected a JSON object, got a record without a value"
        raise Rejected(Reason.MALFORMED_JSON, detail)
    if len(value) > MAX_EVENT_BYTES:
        detail = f"expected at most {MAX_EVENT_BYTES} bytes, got {len(value)}; send smaller events"
        raise Rejected(Reason.OVERSIZED, detail)
    if too_deep:
        raise Rejected(Reason.MALFORMED_JSON, "expected a flat object, got one nested too deep")
    try:
        fields = json.loads(value.decode(), parse_int=_leading, parse_constant=_no_number)
        json.dumps(fields, ensure_ascii=False).encode()  # finds lone surrogates
    except (ValueError, RecursionError) as error:  # JSON's and Unicode's errors are ValueErrors
        detail = f"expected a JSON object in UTF-8; {error}"
        raise Rejected(Reason.MALFORMED_JSON, detail) from None
    if not isinstance(fields, dict):
        raise Rejected(Reason.WRONG_TYPE, f"expected a JSON object, got {_shown(fields)}")
    return fields


def _leading(digits: str) -> int:
    """Read as much of an integer as can be shown; thousands of digits would raise."""
    return int(digits[:_SHOWN])


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


_fields_of = cache(msgspec.structs.fields)
"""Fields of a shape; finding their types takes longer than all the rest."""


def _check_fields(fields: dict[str, object], family: str) -> None:
    """Raise for the first field that keeps an object from being an event of its family."""
    shape: type[Struct] = Engagement
    if family == "purchase":
        expected = "type: expected order, refund or cancel, got"
        if "type" not in fields:
            raise Rejected(Reason.MISSING_FIELD, f"{expected} none")
        kind = fields["type"]
        if not isinstance(kind, str):
            raise Rejected(Reason.WRONG_TYPE, f"{expected} {_shown(kind)}")
        if kind not in _PURCHASES:
            raise Rejected(Reason.UNKNOWN_TYPE, f"{expected} {_shown(kind)}")
        shape = _PURCHASES[kind]
    for field in _fields_of(shape):
        _check_field(field, fields)


def _check_field(field: msgspec.structs.FieldInfo, fields: dict[str, object]) -> None:
    """Raise when one field is absent but required, or is not what it has to be."""
    name = field.encode_name
    value = fields.get(name)
    if name == "customer_id" and (value is None or value == ""):
        came = "none" if value is None else "an empty one"
        raise Rejected(Reason.MISSING_CUSTOMER, f"{name}: expected a customer id, got {came}")
    if name not in fields:
        if field.required:
            raise Rejected(Reason.MISSING_FIELD, f"{name}: expected this field, got none; send it")
        return
    try:
        msgspec.convert(value, field.type)
    except msgspec.ValidationError as error:
        # The one thing that values of the right type can get wrong is an empty id.
        reason = Reason.INVALID_VALUE if value == "" else Reason.WRONG_TYPE
        raise Rejected(reason, f"{name}: {error}; the value is {_shown(value)}") from None


def _shown(value: object) -> str:
    """Show a parsed value as JSON, cut to a readable length."""
    return json.dumps(value, ensure_ascii=False)[:_SHOWN]
