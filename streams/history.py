"""Read files of history into facts.

Responsible for the columns of a history, for counting what cannot be taken, and for the order in
which facts are judged. It must not decide about customers, and must not know Kafka.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from schemas.errors import Reason, Rejected
from schemas.instants import parse_replay_instant
from schemas.vocabulary import Instant, Kind, Minor
from segmenters.batch import EventBatch
from streams.digests import digests_of
from streams.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from segmenters.rules import Rules
    from streams.rows import Row

KINDS: Final = {
    "purchase": Kind.ORDER,
    "order": Kind.ORDER,
    "refund": Kind.REFUND,
    "cancel": Kind.CANCEL,
    "engagement": Kind.ENGAGEMENT,
}
"""What column ``type`` may say."""

REQUIRED: Final = ("customer_id", "ts", "type")
DUPLICATE: Final = "duplicate"
"""Counted like a reason: the row was there before, in this file or in another."""


class Fact(NamedTuple):
    """One row of history; sorts in the order in which facts are judged: instant, kind, ref.

    Attributes
    ----------
    ref
        The event's id; empty where the file gives none.
    order
        The order's id; empty where the file gives none.
    engagement
        The kind of engagement; empty where the file gives none.
    amount
        Minor units of the base currency.
    profit
        An order's profit where the rules ask for it, likewise.
    """

    ts: Instant
    kind: Kind
    ref: str
    customer: str
    amount: Minor
    order: str
    engagement: str
    profit: Minor = 0


class History(NamedTuple):
    """What files hold.

    Attributes
    ----------
    facts
        In the order in which they are judged, each event once.
    skipped
        Reason → how many rows were not taken.
    first_skipped
        Reason → the first such row in words: file, row, what is wrong.
    """

    facts: list[Fact]
    skipped: Counter[str]
    first_skipped: dict[str, str]


def read_history(
    paths: Sequence[Path],
    rules: Rules,
    progress: Callable[[int, int], None] = lambda _done, _whole: None,
) -> History:
    """Read files into one ordered history.

    Parameters
    ----------
    paths
        CSV files with a header, or files of JSON objects (``.jsonl``, ``.ndjson``), each also as
        ``.gz``. Columns ``customer_id, ts, type, amount[, ref, order_id, kind, currency, profit]``;
        further ones are ignored.
    rules
        Gives the base currency, the rates, and whether profit counts.
    progress
        Called with bytes read and bytes in all.

    Raises
    ------
    UsageError
        When a file cannot be read or lacks a column.
    """
    skipped: Counter[str] = Counter()
    first: dict[str, str] = {}
    facts: list[Fact] = []
    for row in read_rows(paths, REQUIRED, progress):
        try:
            facts.append(read_fact(_cells(row), rules))
        except Rejected as why:
            skipped[why.reason] += 1
            if why.reason not in first:
                first[why.reason] = f"{row.path}, row {row.number}: {why.detail}"
    facts.sort()
    unique = _first_of_each(facts)
    if len(unique) < len(facts):
        skipped[DUPLICATE] = len(facts) - len(unique)
    return History(unique, skipped, first)


def read_fact(cells: Mapping[str, Any], rules: Rules) -> Fact:
    """Read one row.

    Raises
    ------
    Rejected
        With the reason, as a dead letter would have it.

    Examples
    --------
    >>> from segmenters.rules import defaults
    >>> row = {"customer_id": "17850", "ts": "2010-12-01T08:26:00Z", "type": "refund"}
    >>> fact = read_fact({**row, "amount": "-9.50", "ref": "C1"}, defaults())
    >>> fact.kind.name, fact.amount, fact.ref
    ('REFUND', 950, 'C1')
    """
    customer = text_of(cells, "customer_id")
    if not customer:
        raise Rejected(Reason.MISSING_CUSTOMER, "customer_id: expected an id, got none")
    kind = KINDS.get(text_of(cells, "type"))
    if kind is None:
        wanted, got = ", ".join(KINDS), repr(text_of(cells, "type"))
        raise Rejected(Reason.UNKNOWN_TYPE, f"type: expected {wanted}, got {got}")
    amount = profit = 0
    if kind in {Kind.ORDER, Kind.REFUND}:
        written = text_of(cells, "amount")
        if kind == Kind.REFUND:
            written = written.removeprefix("-")
        currency = text_of(cells, "currency") or rules.engine.base_currency
        amount = rules.currencies.to_minor(written, currency)
        if kind == Kind.ORDER and rules.profits is not None:
            profit = _profit(cells, written, currency, rules)
    return Fact(
        parse_replay_instant(text_of(cells, "ts")),
        kind,
        text_of(cells, "ref"),
        customer,
        amount,
        text_of(cells, "order_id"),
        text_of(cells, "kind"),
        profit,
    )


def _profit(cells: Mapping[str, Any], amount: str, currency: str, rules: Rules) -> Minor:
    """Return an order's profit: as the row states it, in the base currency, or by the margin."""
    stated = text_of(cells, "profit")
    if stated:
        minor = rules.currencies.to_minor(stated.removeprefix("-"), rules.engine.base_currency)
        return -minor if stated.startswith("-") else minor
    return rules.profits.of_order(None, amount, currency) if rules.profits else 0


def text_of(cells: Mapping[str, Any], name: str) -> str:
    """Return a cell as text; empty where there is none.

    Examples
    --------
    >>> text_of({"customer_id": 17850}, "customer_id"), text_of({}, "ref")
    ('17850', '')
    """
    value = cells.get(name)
    return "" if value is None else str(value)


def to_batch(facts: Sequence[Fact], rules: Rules) -> EventBatch:
    """Turn facts into the columns the engine takes; an engagement without a kind qualifies."""
    qualifying = rules.qualifying
    return EventBatch(
        [fact.customer.encode() for fact in facts],
        np.array([fact.ts for fact in facts], np.int64),
        np.array([fact.kind for fact in facts], np.int8),
        np.array([fact.amount for fact in facts], np.int64),
        digests_of([fact.order for fact in facts]),
        digests_of([fact.ref for fact in facts]),
        np.array(
            [not fact.engagement or fact.engagement in qualifying for fact in facts], np.bool_
        ),
        [fact.ref or None for fact in facts],
        np.array([fact.profit for fact in facts], np.int64),
    )


def _cells(row: Row) -> Mapping[str, Any]:
    if row.cells is None:
        raise Rejected(Reason.MALFORMED_JSON, "expected a JSON object in UTF-8")
    return row.cells


def _first_of_each(facts: list[Fact]) -> list[Fact]:
    """Leave out what repeats a (customer, ref); an empty ref repeats nothing."""
    seen: set[tuple[str, str]] = set()
    unique = []
    for fact in facts:
        if fact.ref:
            if (fact.customer, fact.ref) in seen:
                continue
            seen.add((fact.customer, fact.ref))
        unique.append(fact)
    return unique
