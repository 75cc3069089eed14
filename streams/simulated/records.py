"""Write a shop's history as Kafka records, in the order in which they arrive.

Responsible for topic, key and JSON of every record, the broken ones among them. Must not send
anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from schemas.money import exponent
from schemas.topics import ENGAGEMENTS, PURCHASES
from schemas.vocabulary import MS_PER_DAY, Kind
from streams.seeding import Message, Seed
from streams.simulated import wire
from streams.simulated.catalogue import OFF, sku
from streams.simulated.defects import WHOLE, spoil
from streams.simulated.shop import NOTHING, customer_id
from streams.simulated.touches import HABITS, SHOWING_GOODS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from schemas.vocabulary import Instant
    from streams.runs import IntArray
    from streams.simulated.shop import Shop

CHUNK: Final = 1 << 15
"""Events whose columns are turned into Python's numbers at a time."""
_WORDS: Final = [habit.kind.encode() for habit in HABITS]
_CHANNELS: Final = [habit.channel.encode() for habit in HABITS]
_SHOWS: Final = [habit.kind in SHOWING_GOODS for habit in HABITS]


def messages(
    shop: Shop, progress: Callable[[int, int], None] = lambda _done, _whole: None
) -> Iterator[Message]:
    """Write all records.

    Parameters
    ----------
    shop
        What happened, and in which order the records arrive.
    progress
        Called with records written and records in all.

    Yields
    ------
    Message
        With the true instant and kind of the event, also where the record is broken.
    """
    writer, arrivals = _Writer(shop), shop.arrivals
    whole = len(arrivals.event)
    for begin in range(0, whole, CHUNK):
        numbers = arrivals.event[begin : begin + CHUNK]
        broken = arrivals.broken[begin : begin + CHUNK].tolist()
        for message, chosen in zip(writer.write(numbers), broken, strict=True):
            if chosen == WHOLE:
                yield message
            else:
                _, key, value = spoil(chosen, message.key or b"", message.value)
                yield message._replace(key=key, value=value)
        progress(min(begin + CHUNK, whole), whole)


def to_seed(shop: Shop, progress: Callable[[int, int], None] = lambda _done, _whole: None) -> Seed:
    """Write all records and say what they are, as `streams.seeding.load` takes them."""
    customers = len(np.unique(shop.events.customer))
    until = int(shop.events.ts.max(initial=shop.plan.start))
    return Seed(list(messages(shop, progress)), customers, until)


def event_id(number: int) -> bytes:
    """Return the id of an event."""
    return b"e-%09d" % number


def order_id(number: int) -> bytes:
    """Return the id of an order."""
    return b"o-%09d" % number


class _Writer:
    """Writes events by their numbers."""

    def __init__(self, shop: Shop) -> None:
        self._events = shop.events
        self._currency = shop.plan.currency.encode()
        self._places = exponent(shop.plan.currency)
        self._start = shop.plan.start
        self._items = shop.catalogue.items
        self._first = shop.baskets.first.tolist()
        self._lines = shop.baskets.lines.tolist()
        self._promotion = shop.baskets.promotion.tolist()
        self._keys = [customer_id(number) for number in range(shop.plan.customers)]

    def write(self, numbers: IntArray) -> Iterator[Message]:
        """Write the events of these numbers, as they would arrive whole."""
        columns = [column[numbers].tolist() for column in self._events]
        for number, customer, ts, kind, order, amount, habit, good in zip(
            numbers.tolist(), *columns, strict=True
        ):
            key, event = self._keys[customer], event_id(number)
            if kind == Kind.ENGAGEMENT:
                rest = self._about(habit, good, ts)
                value = wire.engagement(event, key, ts, _WORDS[habit], rest)
            else:
                value = self._purchase(event, key, ts, kind, order, amount)
            topic = ENGAGEMENTS if kind == Kind.ENGAGEMENT else PURCHASES
            yield Message(ts, Kind(kind), event.decode(), topic, key, value)

    def _purchase(
        self, event: bytes, key: bytes, ts: Instant, kind: int, order: int, amount: int
    ) -> bytes:
        if kind == Kind.CANCEL:
            return wire.cancel(event, key, ts, order_id(order))
        paid = wire.in_major(amount, self._places)
        if kind == Kind.REFUND:
            number = None if order == NOTHING else order_id(order)
            return wire.refund(event, key, ts, number, paid, self._currency)
        rest = self._basket(order)
        return wire.order(event, key, ts, order_id(order), paid, self._currency, rest)

    def _basket(self, order: int) -> bytes:
        lines = self._lines[self._first[order] : self._first[order + 1]]
        items = b",".join([self._items[line] for line in lines])
        promotion = self._promotion[order]
        promo = b',"promo_id":"p-%d"' % OFF[promotion] if promotion else b""
        return b',"items":[%s],"channel":"web"%s' % (items, promo)

    def _about(self, habit: int, good: int, ts: Instant) -> bytes:
        channel = _CHANNELS[habit]
        if _SHOWS[habit]:
            return b',"channel":"%s","object":"%s"' % (channel, sku(good))
        if channel == b"email":
            week = (ts - self._start) // (7 * MS_PER_DAY)
            return b',"channel":"email","campaign_id":"mail-%03d"' % week
        return b',"channel":"%s"' % channel
