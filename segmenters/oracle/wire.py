"""Read an event off the wire a second time, into a fact.

Responsible for what an event says: instants, money, kinds. It knows nothing of the product's own
decoder, and it does not say why something is no event: whoever refused it has said so.

>>> head = b'{"event_id":"e","customer_id":"ada","ts":"2011-03-01T08:26:00Z",'
>>> value = head + b'"type":"refund","amount":1.1,"currency":"EUR"}'
>>> fact = read_purchase(value, Terms("GBP", 2, {"EUR": "0.86"}))
>>> fact.customer, fact.kind, fact.amount
('ada', 1, 95)
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException, localcontext
from typing import TYPE_CHECKING, Any, NoReturn

from segmenters.oracle.book import CANCEL, ENGAGEMENT, EPOCH, ORDER, REFUND, Fact

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = {"order": ORDER, "refund": REFUND, "cancel": CANCEL}
QUALIFYING = frozenset({
    "login", "app_open", "product_view", "cart", "search", "email_click", "sms_click",
    "wechat_reply", "wechat_read", "call_answered", "review", "support_contact",
})  # fmt: skip
EXACT = Context(prec=120)
BELIEVED = tuple(
    (datetime(year, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1) for year in (1990, 2200)
)


class Unreadable(ValueError):  # noqa: N818 - says what it is
    """Say that a value is no event."""


@dataclass(frozen=True)
class Terms:
    """Say what money and engagements count as.

    Parameters
    ----------
    currency, exponent
        The base currency, and how many decimals its minor unit has.
    rates
        What one unit of another currency is worth in the base.
    qualifying
        Kinds of engagement that count.
    margin, margins
        What is earned where a cost is not known, in all and by category; None: nobody asks.
    """

    currency: str = "GBP"
    exponent: int = 2
    rates: Mapping[str, str] = field(default_factory=dict)
    qualifying: frozenset[str] = QUALIFYING
    margin: Decimal | None = None
    margins: Mapping[str, Decimal] | None = None

    def minor(self, amount: Any, currency: Any) -> int:
        """Convert an amount as it stands in JSON to minor units of the base, half to even."""
        if not isinstance(amount, (str, int, Decimal)) or isinstance(amount, bool):
            raise Unreadable(f"amount {amount!r}")
        rate = "1" if currency == self.currency else self.rates.get(currency)
        if rate is None:
            raise Unreadable(f"currency {currency!r}")
        try:
            major = EXACT.multiply(EXACT.create_decimal(amount), EXACT.create_decimal(rate))
            minor = int(major.scaleb(self.exponent, EXACT).to_integral_value(ROUND_HALF_EVEN))
        except (DecimalException, ValueError, OverflowError):
            raise Unreadable(f"amount {amount!r}") from None
        if minor < 0:
            raise Unreadable(f"amount {amount!r}")
        return minor


def read_purchase(value: bytes | None, terms: Terms) -> Fact:
    """Read an order, a refund or a cancellation.

    Raises
    ------
    Unreadable
        When it is none.
    """
    event = parse(value)
    kind = KINDS.get(text(event, "type"))
    if kind is None:
        raise Unreadable(f"type {event['type']!r}")
    order_id = event.get("order_id") if kind == REFUND else text(event, "order_id")
    amount = 0 if kind == CANCEL else terms.minor(event.get("amount"), event.get("currency"))
    return Fact(
        text(event, "customer_id"), read_ts(event.get("ts")), kind, amount, order_id or None,
        text(event, "event_id"), profit=read_profit(event, terms) if kind == ORDER else None,
    )  # fmt: skip


def read_profit(event: Mapping[str, Any], terms: Terms) -> int | None:
    """Add what the items of an order earn, in minor units of the base, rounded once.

    >>> order = {"currency": "GBP", "items": [{"qty": 3, "unit_price": 5, "unit_cost": "3.5"}]}
    >>> read_profit(order, Terms(margin=Decimal("0.3")))
    450
    """
    if terms.margin is None:
        return None
    items = event.get("items") or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Unreadable(f"items {items!r}")
    rate = "1" if event["currency"] == terms.currency else terms.rates[event["currency"]]
    with localcontext(EXACT):
        if items:
            major = sum((read_item(item, terms) for item in items), Decimal(0))
        else:
            major = number(event["amount"]) * terms.margin
        minor = (major * number(rate)).scaleb(terms.exponent)
        return int(minor.to_integral_value(ROUND_HALF_EVEN))


def read_item(item: Mapping[str, Any], terms: Terms) -> Decimal:
    """Give what one item earns, in major units of the order's currency."""
    qty = item.get("qty")
    discount, cost = item.get("discount"), item.get("unit_cost")
    pieces = Decimal(1) if qty is None else number(qty)
    paid = number(item.get("unit_price")) - (Decimal(0) if discount is None else number(discount))
    if cost is not None:
        return pieces * (paid - number(cost))
    margin = (terms.margins or {}).get(item.get("category") or "", terms.margin)
    return pieces * paid * (margin or Decimal(0))


def number(written: Any) -> Decimal:
    """Read a number as it stands in JSON, or as a text."""
    if not isinstance(written, (str, int, Decimal)) or isinstance(written, bool):
        raise Unreadable(f"number {written!r}")
    try:
        read = EXACT.create_decimal(written)
    except DecimalException:
        raise Unreadable(f"number {written!r}") from None
    if not read.is_finite():
        raise Unreadable(f"number {written!r}")
    return read


def read_engagement(value: bytes | None, terms: Terms) -> Fact:
    """Read an engagement.

    Raises
    ------
    Unreadable
        When it is none.
    """
    event = parse(value)
    return Fact(
        text(event, "customer_id"), read_ts(event.get("ts")), ENGAGEMENT,
        event_id=text(event, "event_id"), qualifies=text(event, "kind") in terms.qualifying,
    )  # fmt: skip


def parse(value: bytes | None) -> dict[str, Any]:
    """Parse JSON; fractions stay exact."""
    try:
        event = json.loads(
            (value or b"").decode(), parse_float=EXACT.create_decimal, parse_constant=refuse
        )
    except (ValueError, DecimalException, RecursionError) as error:
        raise Unreadable(str(error)) from None
    if not isinstance(event, dict):
        raise Unreadable("no object")
    return event


def refuse(constant: str) -> NoReturn:
    """Refuse what JSON does not have: NaN and the infinities."""
    raise Unreadable(constant)


def text(event: Mapping[str, Any], name: str) -> str:
    """Read a text that must be there."""
    found = event.get(name)
    if not isinstance(found, str) or not found:
        raise Unreadable(f"{name} {found!r}")
    return found


def read_ts(written: Any) -> int:
    """Read epoch ms or RFC 3339 with an offset, 1990 … 2199; finer than a ms is cut off."""
    ts = written
    if isinstance(written, str):
        try:
            moment = datetime.fromisoformat(written.upper())
            ts = (moment - EPOCH) // timedelta(milliseconds=1)
        except (ValueError, TypeError):  # no instant, or one without an offset
            raise Unreadable(f"ts {written!r}") from None
    if not isinstance(ts, int) or isinstance(ts, bool) or not BELIEVED[0] <= ts < BELIEVED[1]:
        raise Unreadable(f"ts {written!r}")
    return ts
