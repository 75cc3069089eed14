"""Turn raw records of one topic-partition into columns.

Responsible for decoding, for the checks that need more than the event itself (key, partition,
clock, currency) and for turning a bad record into a placeholder with its reason. Must not order,
drop or apply anything: every record comes out, at its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from schemas import events
from schemas.errors import Reason, Rejected
from schemas.events import MAX_EVENT_BYTES, Cancel, Engagement, Order, Refund
from schemas.instants import EARLIEST, LATEST, format_instant, parse_instant
from schemas.money import exponent
from schemas.vocabulary import Kind
from segmenters.instants import NEVER
from streams.amounts import NOT_PLAIN, plain_amounts
from streams.digests import digests_of
from streams.partitioner import partitions_of
from streams.runs import LOG_APPEND_TIME, Run

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from schemas.events import Purchase
    from schemas.money import Currencies
    from schemas.profits import Profits
    from schemas.vocabulary import Instant, Minor
    from streams.runs import BoolArray, IntArray, Raw

_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, TypeError, ValueError, RecursionError)
_NOTHING: Final[dict[str, Purchase | Engagement]] = {
    "purchase": Cancel(event_id="-", customer_id="-", ts=EARLIEST, order_id=""),
    "engagement": Engagement(event_id="-", customer_id="-", ts=EARLIEST, kind="-"),
}
"""Stands in the columns where a record could not be decoded."""
_ROUTING: Final = (
    "use the Java client's murmur2 partitioner; with librdkafka set partitioner=murmur2_random"
)


class Decoder:
    """Decode one family of events.

    Parameters
    ----------
    family
        ``"purchase"`` or ``"engagement"``.
    partitions
        Partition count of the inputs.
    currencies
        Converts amounts to minor units of the base currency.
    qualifying
        Kinds of engagement that count.
    profits
        Works out what orders earned, where a system asks for it.
    """

    def __init__(
        self,
        family: str,
        partitions: int,
        currencies: Currencies,
        qualifying: Collection[str],
        profits: Profits | None = None,
    ) -> None:
        self._family = family
        self._partitions = partitions
        self._to_minor = currencies.to_minor
        self._base, self._places = currencies.base, exponent(currencies.base)
        self._qualifying = frozenset(qualifying)
        self._profits = profits
        self._decode = events.decode_purchase if family == "purchase" else events.decode_engagement
        self._fill = self._purchases if family == "purchase" else self._engagements

    def decode(
        self, records: Sequence[Raw], begin: int, end: int, partition: int, horizon: Instant
    ) -> Run:
        """Decode the records of the range ``[begin, end)``.

        Parameters
        ----------
        records
            Raw records in offset order; may be empty.
        begin, end
            Fetch positions the range covers.
        partition
            The partition they were read from.
        horizon
            Largest ts that is believed; later ones are ``future_timestamp``.

        Returns
        -------
        Run
            One row per record; bad ones are listed in ``rejections``.
        """
        run = Run()
        run.begin, run.end = begin, end
        run.records = list(records)
        rejections: dict[int, Rejected] = {}
        run.rejections = rejections
        size = len(run.records)
        run.offsets = _offsets(records)
        run.appended = _append_times(records)
        facts = self._facts([r.value for r in records], rejections)
        run.customers = self._route([r.key for r in records], facts, partition, rejections)
        run.ts = _instants([fact.ts for fact in facts], horizon, rejections)
        run.keys = run.ts
        run.event_ids = [fact.event_id for fact in facts]
        run.event = digests_of(run.event_ids)
        run.kind = np.full(size, Kind.ENGAGEMENT, np.int8)
        run.amount = np.zeros(size, np.int64)
        run.order = np.zeros(size, np.int64)
        run.qualifies = np.zeros(size, np.bool_)
        run.profit = np.zeros(size, np.int64)
        self._fill(run, facts)
        if self._profits is not None:
            self._earn(run, facts, self._profits)
        return run

    # ---- one check each

    def _facts(
        self, values: list[bytes | None], rejections: dict[int, Rejected]
    ) -> list[Purchase | Engagement]:
        """Decode all values, going on behind each bad one."""
        decode = self._decode
        try:
            fit = max(map(len, values), default=0) <= MAX_EVENT_BYTES  # type: ignore[arg-type]
        except TypeError:  # a record without a value
            fit = False
        left = map(decode if fit else self._decode_sized, values)  # type: ignore[arg-type]
        facts: list[Purchase | Engagement] = []
        while True:
            try:
                facts.extend(left)
            except (*_UNREADABLE, Rejected) as error:
                index = len(facts)
                facts.append(_NOTHING[self._family])
                rejections[index] = events.diagnose(values[index], self._family, error)
            else:
                return facts

    def _decode_sized(self, value: bytes | None) -> Purchase | Engagement:
        return self._decode(_sized(value))  # type: ignore[arg-type]

    def _route(
        self,
        keys: list[bytes | None],
        facts: Sequence[Purchase | Engagement],
        partition: int,
        rejections: dict[int, Rejected],
    ) -> list[bytes]:
        """Check that each key is its customer and belongs into this partition."""
        customers = [fact.customer_id for fact in facts]
        for index in rejections:  # whose they are, nobody knows
            customers[index] = (keys[index] or b"").decode("utf-8", "replace")
        routed = keys if _equal(keys, customers) else self._rekey(keys, customers, rejections)
        found = partitions_of(routed, self._partitions)  # type: ignore[arg-type]
        for index in np.flatnonzero(found != partition).tolist():
            if index not in rejections:
                detail = (
                    f"expected partition {int(found[index])} of {self._partitions} for this key, "
                    f"got {partition}; {_ROUTING}"
                )
                rejections[index] = Rejected(Reason.MISROUTED, detail)
        return routed  # type: ignore[return-value]

    def _rekey(
        self, keys: list[bytes | None], customers: list[str], rejections: dict[int, Rejected]
    ) -> list[bytes | None]:
        routed: list[bytes | None] = []
        for index, (key, customer) in enumerate(zip(keys, customers, strict=True)):
            routed.append(key or b"")
            if index not in rejections and key != customer.encode():
                detail = "expected the record key to be the customer_id in UTF-8, got " + (
                    "no key" if key is None else "another key"
                )
                rejections[index] = Rejected(Reason.MISROUTED, detail)
        return routed

    # ---- columns of each family

    def _engagements(self, run: Run, facts: Sequence[Any]) -> None:
        qualifying = self._qualifying
        run.qualifies = np.fromiter(
            [fact.kind in qualifying for fact in facts], np.bool_, len(facts)
        )

    def _purchases(self, run: Run, facts: Sequence[Any]) -> None:
        size = len(facts)
        run.kind = np.fromiter([_KINDS[type(fact)] for fact in facts], np.int8, size)
        run.order = digests_of([fact.order_id or "" for fact in facts])
        priced = np.flatnonzero(run.kind <= Kind.REFUND)
        paid = facts if len(priced) == size else [facts[index] for index in priced.tolist()]
        amounts = plain_amounts([fact.amount for fact in paid], self._places)
        base, currencies = self._base, [fact.currency for fact in paid]
        if currencies.count(base) < len(paid):
            amounts[[currency != base for currency in currencies]] = NOT_PLAIN
        run.amount[priced] = amounts
        for place in np.flatnonzero(amounts == NOT_PLAIN).tolist():
            index = int(priced[place])
            run.amount[index] = self._one_by_one(paid[place], index, run.rejections)

    def _one_by_one(
        self, fact: Order | Refund, index: int, rejections: dict[int, Rejected]
    ) -> Minor:
        try:
            return self._to_minor(fact.amount, fact.currency)
        except Rejected as error:
            rejections.setdefault(index, error)
            return 0

    def _earn(self, run: Run, facts: Sequence[Purchase | Engagement], profits: Profits) -> None:
        """Work out what orders earned; an order whose items cannot be read is rejected."""
        for index, fact in enumerate(facts):
            if isinstance(fact, Order) and index not in run.rejections:
                try:
                    run.profit[index] = profits.of_order(fact.items, fact.amount, fact.currency)
                except Rejected as error:
                    run.rejections[index] = error


_KINDS: Final[dict[type, int]] = {
    Order: int(Kind.ORDER),
    Refund: int(Kind.REFUND),
    Cancel: int(Kind.CANCEL),
    Engagement: int(Kind.ENGAGEMENT),
}


def _sized(value: bytes | None) -> bytes | None:
    if value is not None and len(value) > MAX_EVENT_BYTES:
        detail = f"expected at most {MAX_EVENT_BYTES} bytes, got {len(value)}"
        raise Rejected(Reason.OVERSIZED, detail)
    return value


def _offsets(records: Sequence[Raw]) -> IntArray:
    """Return the offsets; they ascend, so the first and the last tell whether any is left out."""
    if records:
        first, last = records[0].offset, records[-1].offset
        if last - first == len(records) - 1:
            return np.arange(first, last + 1, dtype=np.int64)
    return np.fromiter([r.offset for r in records], np.int64, len(records))


def _append_times(records: Sequence[Raw]) -> IntArray:
    """Return the broker's append times; `NEVER` where a record carries its producer's time."""
    times = [r.timestamp if r.timestamp_type == LOG_APPEND_TIME else NEVER for r in records]
    return np.fromiter(times, np.int64, len(times))


def _equal(keys: Sequence[bytes | None], customers: Sequence[str]) -> bool:
    """Say whether all keys are their customers' ids, without looking at them one by one."""
    try:
        joined = b"\n".join(keys)  # type: ignore[arg-type]
    except TypeError:
        return False
    # Equal as a whole, and cut at the same places where no id holds a line feed itself.
    alone = joined.count(b"\n") == len(keys) - 1
    return alone and "\n".join(customers).encode() == joined


def _instants(
    written: list[int | str], horizon: Instant, rejections: dict[int, Rejected]
) -> IntArray:
    """Read all instants; those that cannot be meant or lie behind the horizon are rejected."""
    ts = _plain(written)
    if ts is None:
        ts = np.array([_instant(i, value, rejections) for i, value in enumerate(written)], np.int64)
    wrong: BoolArray = (ts < EARLIEST) | (ts >= min(LATEST, horizon + 1))
    if wrong.any():
        for index in np.flatnonzero(wrong).tolist():
            if index not in rejections:
                rejections[index] = _refusal(written[index], int(ts[index]), horizon)
    return ts


def _plain(written: list[int | str]) -> IntArray | None:
    """Return epoch milliseconds as they stand; None when any is text or too large."""
    if set(map(type, written)) - {int}:
        return None
    try:
        return np.array(written, np.int64)
    except OverflowError:
        return None


def _instant(index: int, value: int | str, rejections: dict[int, Rejected]) -> Instant:
    try:
        return parse_instant(value)
    except Rejected as error:
        rejections.setdefault(index, error)
        return EARLIEST


def _refusal(value: int | str, instant: Instant, horizon: Instant) -> Rejected:
    try:
        parse_instant(value)
    except Rejected as error:
        return error
    detail = (
        f"ts: expected at most {format_instant(horizon)}, got {format_instant(instant)}; "
        "check the producer's clock"
    )
    return Rejected(Reason.FUTURE_TIMESTAMP, detail)
