"""Write events as JSON, as a shop's producers would.

Responsible for the form of an event on the wire: simulated shops and the load of the benchmark are
both written here. Must not draw anything. Ids, kinds and codes are given as bytes that need no
escaping in JSON: ASCII without quotes, backslashes and control characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.vocabulary import Instant


def order(
    event: bytes,
    customer: bytes,
    ts: Instant,
    number: bytes,
    amount: bytes,
    currency: bytes,
    rest: bytes = b"",
) -> bytes:
    r"""Write an order.

    Parameters
    ----------
    event, customer, number
        Ids of the event, the customer and the order.
    ts
        Epoch milliseconds.
    amount, currency
        What was paid, in major units of a currency.
    rest
        Further fields as JSON, each with a comma before it.

    Examples
    --------
    >>> print(order(b"e-1", b"c-1", 5, b"o-1", b"9.50", b"GBP", b',"channel":"web"').decode())
    {"event_id":"e-1","customer_id":"c-1","ts":5,"type":"order","order_id":"o-1","amount":"9.50","currency":"GBP","channel":"web"}
    """
    return (
        b'{"event_id":"%s","customer_id":"%s","ts":%d,"type":"order","order_id":"%s",'
        b'"amount":"%s","currency":"%s"%s}' % (event, customer, ts, number, amount, currency, rest)
    )


def refund(
    event: bytes,
    customer: bytes,
    ts: Instant,
    number: bytes | None,
    amount: bytes,
    currency: bytes,
    rest: bytes = b"",
) -> bytes:
    """Write a refund, linked to an order or, without its number, to none.

    Examples
    --------
    >>> print(refund(b"e-2", b"c-1", 6, None, b"9.50", b"GBP").decode())
    {"event_id":"e-2","customer_id":"c-1","ts":6,"type":"refund","amount":"9.50","currency":"GBP"}
    """
    link = b"" if number is None else b',"order_id":"%s"' % number
    return (
        b'{"event_id":"%s","customer_id":"%s","ts":%d,"type":"refund"%s,'
        b'"amount":"%s","currency":"%s"%s}' % (event, customer, ts, link, amount, currency, rest)
    )


def cancel(event: bytes, customer: bytes, ts: Instant, number: bytes, rest: bytes = b"") -> bytes:
    """Write that an order was called off.

    Examples
    --------
    >>> print(cancel(b"e-3", b"c-1", 7, b"o-1").decode())
    {"event_id":"e-3","customer_id":"c-1","ts":7,"type":"cancel","order_id":"o-1"}
    """
    return b'{"event_id":"%s","customer_id":"%s","ts":%d,"type":"cancel","order_id":"%s"%s}' % (
        event,
        customer,
        ts,
        number,
        rest,
    )


def engagement(event: bytes, customer: bytes, ts: Instant, kind: bytes, rest: bytes = b"") -> bytes:
    """Write that a customer did something other than buying.

    Examples
    --------
    >>> print(engagement(b"e-4", b"c-1", 8, b"search").decode())
    {"event_id":"e-4","customer_id":"c-1","ts":8,"kind":"search"}
    """
    return b'{"event_id":"%s","customer_id":"%s","ts":%d,"kind":"%s"%s}' % (
        event,
        customer,
        ts,
        kind,
        rest,
    )


def in_major(minor: int, places: int) -> bytes:
    """Write minor units as a decimal in major units.

    Parameters
    ----------
    minor
        The amount.
    places
        How many decimals the currency has, as `schemas.money.exponent` says.

    Examples
    --------
    >>> in_major(1299, 2), in_major(-5, 2), in_major(1299, 0), in_major(12990, 3)
    (b'12.99', b'-0.05', b'1299', b'12.990')
    """
    if not places:
        return b"%d" % minor
    whole, rest = divmod(abs(minor), 10**places)
    return b"%s%d.%0*d" % (b"-" if minor < 0 else b"", whole, places, rest)
