"""A history through the engine without a broker."""

from __future__ import annotations

import io
import json

import pytest

from schemas.vocabulary import MS_PER_DAY, Kind
from segmenters.rules import loads
from streams import replay as module
from streams.history import Fact
from streams.replay import replay, write_lines

pytestmark = pytest.mark.interpreted

RULES = loads("[systems.lifecycle]\nsilent_engagement_days = 0")


def order(day: float, customer: str = "c", ref: str = "") -> Fact:
    return Fact(
        round((18_000 + day) * MS_PER_DAY),
        Kind.ORDER,
        ref or f"{customer}{day}",
        customer,
        1,
        "",
        "",
    )


# day    0                    30                 90
#        order …………………………………… active ………………… silent
def test_time_ends_at_the_last_fact_and_deadlines_at_it_fire() -> None:
    changes, summary = replay([order(0), order(90, "d")], RULES)
    assert [(c.customer_id, c.to, c.at // MS_PER_DAY - 18_000) for c in changes] == [
        ("c", "new", 0),
        ("c", "active", 30),
        ("c", "silent", 90),
        ("d", "new", 90),
    ]
    assert summary.until == (18_000 + 90) * MS_PER_DAY
    assert summary.moves["lifecycle", "active", "silent"] == 1


def test_until_leaves_later_facts_out_and_lets_time_pass_to_it() -> None:
    until = (18_000 + 180) * MS_PER_DAY
    changes, summary = replay([order(0), order(181)], RULES, until)
    assert changes[-1].to == "churned"
    assert (summary.facts, summary.left_out, summary.until) == (1, 1, until)
    before, _ = replay([order(0)], RULES, until - 1)
    assert before[-1].to == "silent"


def test_nothing_comes_of_nothing() -> None:
    changes, summary = replay([], RULES)
    assert (changes, summary.facts, summary.until) == ([], 0, None)


def test_batches_of_any_size_give_the_same_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = sorted(order(61 * k % 997, f"c{k % 20}", str(k)) for k in range(200))
    whole = [(c.id, c.at) for c in replay(facts, RULES)[0]]
    monkeypatch.setattr(module, "BATCH", 7)
    assert [(c.id, c.at) for c in replay(facts, RULES)[0]] == whole
    assert len(whole) > 20


def test_changes_come_by_instant_customer_and_sequence_whatever_the_ids_look_like() -> None:
    facts = sorted(order(0, customer) for customer in ("10", "9", "ä", "z"))
    changes, _ = replay(facts, loads("[systems.lifecycle]\n[systems.monetary_tier]"))
    assert [(c.customer_id, c.sequence) for c in changes] == [
        (customer, sequence) for customer in ("10", "9", "z", "ä") for sequence in (1, 2)
    ]


def test_progress_reaches_the_whole() -> None:
    heard: list[tuple[int, int]] = []
    replay([order(0), order(1)], RULES, progress=lambda *numbers: heard.append(numbers))
    assert heard[-1] == (2, 2)


def test_a_line_is_a_change_as_it_goes_over_the_wire() -> None:
    changes, _ = replay([order(0)], RULES)
    out = io.BytesIO()
    write_lines(changes, out)
    line = json.loads(out.getvalue())
    assert out.getvalue().endswith(b"}\n")
    assert {"customer_id", "system", "from", "to", "at", "cause", "sequence"} <= line.keys()
    assert (line["from"], line["to"], line["cause"]) == (None, "new", "event")
