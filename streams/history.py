"""Read files of history into facts: CSV or JSON lines, plain or gzipped.

Responsible for the columns of a history file, for counting what cannot be taken, and for the order
in which facts are judged. It must not decide about customers, and must not know Kafka.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from schemas.errors import Reason, Rejected, UsageError
from schemas.instants import parse_replay_instant
from schemas.vocabulary import Instant, Kind, Minor
from segmenters.batch import EventBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from segmenters.rules import Rules
from streams.digests import digests_of

KINDS: Final = {
    "purchase": Kind.ORDER,
    "order": Kind.ORDER,
    "refund": Kind.REFUND,
    "cancel": Kind.CANCEL,
    "engagement": Kind.ENGAGEMENT,
}
REQUIRED: Final = ("customer_id", "ts", "type")
_REPORT_EVERY: Final = 1 << 16


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
    """

    ts: Instant
    kind: Kind
    ref: str
    customer: str
    amount: Minor
    order: str
    engagement: str


class History(NamedTuple):
    """What files hold: facts in order, each once, and how many rows were not taken, by reason."""

    facts: list[Fact]
    skipped: Counter[str]


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
        ``.gz``. Columns ``customer_id, ts, type, amount[, ref, order_id, kind, currency]``; further
        ones are ignored.
    rules
        Gives the base currency and the rates.
    progress
        Called with bytes read and bytes in all.

    Raises
    ------
    UsageError
        When a file cannot be read or lacks a column.
    """
    skipped: Counter[str] = Counter()
    facts: list[Fact] = []
    whole = sum(_size(path) for path in paths)
    before = 0
    for path in paths:
        with path.open("rb") as raw:
            for number, row in enumerate(_rows(path, raw)):
                try:
                    facts.append(read_fact(row, rules))
                except Rejected as why:
                    skipped[why.reason] += 1
                if number % _REPORT_EVERY == 0:
                    progress(before + raw.tell(), whole)
        before += _size(path)
    progress(whole, whole)
    facts.sort()
    seen: set[tuple[str, str]] = set()
    unique = []
    for fact in facts:
        if fact.ref:
            if (fact.customer, fact.ref) in seen:
                skipped["duplicate"] += 1
                continue
            seen.add((fact.customer, fact.ref))
        unique.append(fact)
    return History(unique, skipped)


def read_fact(row: Mapping[str, Any], rules: Rules) -> Fact:
    """Read one row.

    Raises
    ------
    Rejected
        With the reason, as a dead letter would have it.

    Examples
    --------
    >>> from segmenters.rules import defaults
    >>> row = {"customer_id": "17850", "ts": "2010-12-01T08:26:00Z", "type": "refund"}
    >>> fact = read_fact(row | {"amount": "-9.50", "ref": "C1"}, defaults())
    >>> fact.kind.name, fact.amount, fact.ref
    ('REFUND', 950, 'C1')
    """
    customer = _text(row, "customer_id")
    if not customer:
        raise Rejected(Reason.MISSING_CUSTOMER, "customer_id: expected an id, got none")
    kind = KINDS.get(_text(row, "type"))
    if kind is None:
        wanted = ", ".join(KINDS)
        raise Rejected(Reason.UNKNOWN_TYPE, f"type: expected {wanted}, got {_text(row, 'type')!r}")
    amount = 0
    if kind in (Kind.ORDER, Kind.REFUND):
        written = _text(row, "amount")
        if kind == Kind.REFUND:
            written = written.removeprefix("-")
        currency = _text(row, "currency") or rules.engine.base_currency
        amount = rules.currencies.to_minor(written, currency)
    return Fact(
        parse_replay_instant(_text(row, "ts")),
        kind,
        _text(row, "ref"),
        customer,
        amount,
        _text(row, "order_id"),
        _text(row, "kind"),
    )


def to_batch(facts: Sequence[Fact], rules: Rules) -> EventBatch:
    """Turn facts into the columns the engine takes; an engagement without a kind qualifies."""
    qualifying = rules.qualifying
    return EventBatch.from_columns(
        [fact.customer.encode() for fact in facts],
        [fact.ts for fact in facts],
        [fact.kind for fact in facts],
        [fact.amount for fact in facts],
        digests_of([fact.order for fact in facts]),
        digests_of([fact.ref for fact in facts]),
        [not fact.engagement or fact.engagement in qualifying for fact in facts],
        [fact.ref or None for fact in facts],
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise UsageError(f"expected a file of history, got {path}: {error.strerror}") from error


def _rows(path: Path, raw: IO[bytes]) -> Iterator[Mapping[str, Any]]:
    names = path.name.removesuffix(".gz")
    stream = gzip.open(raw) if path.suffix == ".gz" else raw
    try:
        if names.endswith((".jsonl", ".ndjson", ".json")):
            yield from _objects(stream)
            return
        reader = csv.DictReader(io.TextIOWrapper(stream, encoding="utf-8-sig", newline=""))
        missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
        if missing:
            got = ", ".join(reader.fieldnames or ()) or "no header"
            raise UsageError(f"{path}: expected the columns {', '.join(REQUIRED)}, got {got}")
        yield from reader
    except (gzip.BadGzipFile, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"{path}: expected CSV or JSON lines in UTF-8, plain or .gz: {error}"
        ) from error


def _objects(stream: Any) -> Iterator[Mapping[str, Any]]:
    decode = msgspec.json.Decoder(dict[str, Any], float_hook=str).decode
    for line in stream:
        if line.strip():
            try:
                yield decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                yield {
                    "customer_id": "?",
                    "type": "?",
                }  # counted as unknown_type, like any row that says nothing


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value)
