"""Read a replay file into facts.

Responsible for the columns of a replay file, what is skipped, and the order of the facts; amounts
and instants are read here a second time, apart from the product's own readers.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from pathlib import Path

from tests.oracle_book import CANCEL, ENGAGEMENT, EPOCH, ORDER, REFUND, Fact

KINDS = {
    "purchase": ORDER, "order": ORDER, "refund": REFUND, "cancel": CANCEL, "engagement": ENGAGEMENT,
}  # fmt: skip
QUALIFYING = frozenset({
    "login", "app_open", "product_view", "cart", "search", "email_click", "sms_click",
    "wechat_reply", "wechat_read", "call_answered", "review", "support_contact",
})  # fmt: skip


class Skip(Exception):  # noqa: N818 - not an error: the row is counted
    """Say why a row is no fact."""


def read_replay_csv(
    path: str | Path, exponent: int = 2, qualifying: frozenset[str] = QUALIFYING
) -> tuple[list[Fact], Counter[str]]:
    """Read a CSV file, plain or .gz, into facts in replay order, and count the rows skipped.

    Duplicates stay in: whoever applies the facts ignores them.
    """
    path = Path(path)
    skipped: Counter[str] = Counter()
    facts = []
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            try:
                facts.append(read_row(row, exponent, qualifying))
            except Skip as why:
                skipped[str(why)] += 1
    return sorted(facts, key=lambda f: (f.ts, f.kind, (f.event_id or "").encode())), skipped


def read_row(row: dict[str, str | None], exponent: int, qualifying: frozenset[str]) -> Fact:
    """Read one row, or raise `Skip` with the reason."""
    customer = row["customer_id"]
    if not customer:
        raise Skip("missing_customer")
    kind = KINDS.get(row["type"] or "")
    if kind is None:
        raise Skip("unknown_type")
    amount = 0
    if kind in (ORDER, REFUND):
        amount = read_minor(row["amount"] or "", exponent)
    if kind == REFUND:
        amount = abs(amount)
    if amount < 0:
        raise Skip("negative_purchase")
    word, profit = row.get("kind"), row.get("profit")
    return Fact(
        customer=customer,
        ts=read_instant(row["ts"] or ""),
        kind=kind,
        amount=amount,
        order_id=row.get("order_id") or None,
        event_id=row.get("ref") or None,
        qualifies=not word or word in qualifying,
        profit=read_minor(profit, exponent) if kind == ORDER and profit else None,
    )


def read_minor(cell: str, exponent: int) -> int:
    """Turn major units into minor ones, exactly, or raise `Skip`."""
    try:
        amount = Decimal(cell).scaleb(exponent)
        return int(amount.to_integral_value(ROUND_HALF_EVEN))
    except (InvalidOperation, ValueError, OverflowError):
        raise Skip("invalid_amount") from None


def read_instant(cell: str) -> int:
    """Turn epoch ms or ISO 8601 (without a zone: UTC) into ms, or raise `Skip`."""
    if cell.lstrip("-").isdigit():
        return int(cell)
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise Skip("invalid_instant") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(milliseconds=1)
