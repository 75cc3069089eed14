"""Rows of history as facts: what is taken, in which order, and what is counted instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.errors import Rejected
from schemas.vocabulary import Kind
from segmenters.rules import loads
from streams.history import Fact, History, read_fact, read_history, to_batch

if TYPE_CHECKING:
    from pathlib import Path

RULES = loads('[engine]\nrates = { EUR = "0.5" }\n[systems.lifecycle]')
HEADER = "customer_id,ts,type,amount,ref,order_id,kind,currency\n"


def read(tmp_path: Path, *rows: str) -> History:
    path = tmp_path / "history.csv"
    path.write_text(HEADER + "".join(row + "\n" for row in rows))
    return read_history([path], RULES)


def test_facts_come_by_instant_then_kind_then_ref(tmp_path: Path) -> None:
    history = read(
        tmp_path,
        "c,2020-01-02,engagement,,e",
        "c,2020-01-02,refund,1,0",
        "c,2020-01-02,cancel,,x,o",
        "c,2020-01-02,purchase,1,b",
        "c,2020-01-02,order,1,a",
        "c,2020-01-01,engagement,,z",
    )
    assert [(fact.kind, fact.ref) for fact in history.facts] == [
        (Kind.ENGAGEMENT, "z"),
        (Kind.ORDER, "a"),
        (Kind.ORDER, "b"),
        (Kind.REFUND, "0"),
        (Kind.CANCEL, "x"),
        (Kind.ENGAGEMENT, "e"),
    ]


def test_a_repeated_customer_and_ref_is_counted_and_an_empty_ref_never_is(tmp_path: Path) -> None:
    history = read(
        tmp_path,
        "c,2020-01-01,order,1,a",
        "c,2020-01-05,order,9,a",
        "d,2020-01-01,order,1,a",
        "c,2020-01-01,order,1,",
        "c,2020-01-01,order,1,",
    )
    assert len(history.facts) == 4
    assert history.skipped == {"duplicate": 1}
    assert max(fact.amount for fact in history.facts) == 100


def test_what_cannot_be_taken_is_counted_by_reason_and_the_first_is_named(tmp_path: Path) -> None:
    history = read(
        tmp_path,
        ",2020-01-01,order,1,a",
        ",2020-01-01,adjustment,1,b",
        "c,2020-01-01,adjustment,1,b",
        "c,2020-01-01,order,-1,c",
        "c,yesterday,order,1,d",
        "c,1577836800,order,1,e",
        "c,2020-01-01,order,1,f,,,XAU?",
    )
    assert history.facts == []
    assert history.skipped == {
        "missing_customer": 2,
        "unknown_type": 1,
        "invalid_value": 2,
        "implausible_timestamp": 1,
        "unknown_currency": 1,
    }
    assert "history.csv, row 1: customer_id" in history.first_skipped["missing_customer"]
    assert "row 4:" in history.first_skipped["invalid_value"]


def test_a_line_that_is_no_json_object_is_malformed(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(
        '{"customer_id": 17, "ts": 1577836800000, "type": "order", "amount": 1.1}\noops\n'
    )
    history = read_history([path], RULES)
    assert history.skipped == {"malformed_json": 1}
    assert history.facts == [Fact(1577836800000, Kind.ORDER, "", "17", 110, "", "")]


@pytest.mark.parametrize("amount", ["-3.50", "3.50"])
def test_a_refund_counts_without_its_sign(amount: str) -> None:
    row = {"customer_id": "c", "ts": "2020-01-01", "type": "refund", "amount": amount}
    assert read_fact(row, RULES).amount == 350


def test_another_currency_is_converted_and_the_base_is_assumed() -> None:
    row = {"customer_id": "c", "ts": "2020-01-01", "type": "order", "amount": "3"}
    assert read_fact(row, RULES).amount == 300
    assert read_fact({**row, "currency": "EUR"}, RULES).amount == 150


def test_a_cancel_and_an_engagement_need_no_amount() -> None:
    for kind in ("cancel", "engagement"):
        row = {"customer_id": "c", "ts": "2020-01-01", "type": kind, "amount": "-"}
        assert read_fact(row, RULES).amount == 0


def test_an_order_without_an_amount_is_refused() -> None:
    with pytest.raises(Rejected, match="amount"):
        read_fact({"customer_id": "c", "ts": "2020-01-01", "type": "order"}, RULES)


def test_an_engagement_qualifies_without_a_kind_and_by_the_rules_with_one() -> None:
    facts = [Fact(0, Kind.ENGAGEMENT, "", "c", 0, "", kind) for kind in ("", "login", "email_open")]
    assert to_batch(facts, RULES).qualifies.tolist() == [True, True, False]


def test_absent_ids_are_zero_in_a_batch() -> None:
    batch = to_batch(
        [Fact(0, Kind.ORDER, "", "c", 1, "", ""), Fact(0, Kind.ORDER, "r", "ä", 1, "o", "")], RULES
    )
    assert batch.customers == [b"c", "ä".encode()]
    assert (batch.order[0], batch.event[0]) == (0, 0)
    assert batch.order[1] != 0
    assert batch.event[1] != 0
    assert batch.event_ids == [None, "r"]
