"""Check the oracle's days, money, RFM and replay files against hand-made cases."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.oracle import Fact, profiles, read_replay_csv, run
from tests.oracle_book import CANCEL, DAY_MS, ENGAGEMENT, ORDER, REFUND, Calendar, read_book
from tests.oracle_systems import MAP_A, MAP_B, MonetaryTier, Rfm

if TYPE_CHECKING:
    from pathlib import Path

NOON = 17_000 * DAY_MS + DAY_MS // 2  # noon of day 0 in every drawing


def ms(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type, misc]


def order(day: float, amount: int, order_id: str | None = None) -> Fact:
    return Fact("c", NOON + round(day * DAY_MS), ORDER, amount, order_id)


def refund(day: float, amount: int, order_id: str | None = None) -> Fact:
    return Fact("c", NOON + round(day * DAY_MS), REFUND, amount, order_id)


def told(facts: list[Fact], system: str, until: float, **table: Any) -> list[tuple[str, float]]:
    changes = run(facts, {system: table}, "UTC", NOON + round(until * DAY_MS))
    return [(c["to"], (c["at"] - NOON) / DAY_MS) for c in changes]


# Days -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "date", "begins"),
    [
        ("UTC", (2018, 3, 25), (2018, 3, 25)),
        ("Europe/London", (2018, 3, 26), (2018, 3, 25, 23)),  # summer time since the 25th, 01:00
        ("Europe/London", (2018, 10, 29), (2018, 10, 29)),
        ("America/Sao_Paulo", (2018, 11, 4), (2018, 11, 4, 3)),  # 00:00 does not exist
        ("America/Sao_Paulo", (2018, 2, 18), (2018, 2, 18, 3)),  # 23:00 comes twice the day before
        ("America/St_Johns", (2010, 11, 7), (2010, 11, 7, 2, 30)),  # 00:01 goes back to 23:01
        ("America/Havana", (2018, 11, 4), (2018, 11, 4, 4)),  # 00:00 comes twice
        ("Pacific/Apia", (2011, 12, 31), (2011, 12, 30, 10)),  # the 30th does not exist
    ],
)
def test_a_day_begins_at_the_first_instant_of_its_local_date(
    zone: str, date: tuple[int, ...], begins: tuple[int, ...]
) -> None:
    calendar = Calendar(zone)
    day = ms(*date) // DAY_MS
    begin = ms(*begins)
    assert calendar.start(day) == begin
    assert calendar.day(begin) == day
    assert calendar.day(begin - 1) < day


#  London: an order at 23:30 UTC on 24 March 2018 (winter, still the 24th) is in the 365 days until
#  24 March 2019 begins: 00:00 UTC. One at 23:30 UTC on 25 March is of the 26th: 2019-03-26, 00:00.


def test_money_leaves_the_window_at_a_local_midnight() -> None:
    for moment, leaves in (
        (ms(2018, 3, 24, 23, 30), ms(2019, 3, 24)),
        (ms(2018, 3, 25, 23, 30), ms(2019, 3, 26)),
        (ms(2018, 6, 1, 12), ms(2019, 5, 31, 23)),
    ):
        facts = [Fact("c", moment, ORDER, 5_000)]
        last = run(facts, {"monetary_tier": {}}, "Europe/London", leaves)[-1]
        assert (last["to"], last["at"], last["cause"]) == ("none", leaves, "clock")
        assert len(run(facts, {"monetary_tier": {}}, "Europe/London", leaves - 1)) == 1


def test_a_silence_counts_hours_and_no_days() -> None:
    bought = ms(2018, 3, 24, 12)
    change = run([Fact("c", bought, ORDER)], {"lifecycle": {}}, "Europe/London", ms(2019, 1, 1))[2]
    assert change["at"] == bought + 90 * DAY_MS


# The lists of orders ----------------------------------------------------------------------------


def test_only_the_last_ten_orders_can_be_refunded_by_name() -> None:
    orders = [order(day, 100, f"o{day}") for day in range(11)]
    book = read_book([*orders, refund(20, 100, "o0")], Calendar("UTC"))
    assert (book.orders, book.removed) == (11, None)
    assert book.spend[-1] == (17_020, -100)
    book = read_book([*orders, refund(20, 100, "o1")], Calendar("UTC"))
    assert (book.orders, book.spend[-1]) == (10, (17_001, -100))


def test_removing_does_not_bring_back_what_was_pushed_out() -> None:
    orders = [order(day, 100, f"o{day}") for day in range(11)]
    taken = [refund(20 + day, 100, f"o{day}") for day in range(1, 11)]
    book = read_book([*orders, *taken, refund(40, 100, "o0")], Calendar("UTC"))
    assert (book.orders, book.first, book.last) == (1, orders[0].ts, orders[0].ts)


def test_of_two_orders_with_one_id_the_latest_is_meant() -> None:
    facts = [order(0, 100, "a"), order(1, 200, "a"), refund(2, 200, "a")]
    assert read_book(facts, Calendar("UTC")).net[0].amount == 100


def test_a_removed_order_cannot_be_refunded_again() -> None:
    facts = [order(0, 100, "a"), refund(1, 150, "a"), refund(2, 30, "a")]
    assert read_book(facts, Calendar("UTC")).spend == [
        (17_000, 100), (17_000, -150), (17_002, -30),
    ]  # fmt: skip


def test_a_cancel_takes_what_is_left() -> None:
    cancel = Fact("c", NOON + 2 * DAY_MS, CANCEL, 999, "a")
    facts = [order(0, 100, "a"), refund(1, 30, "a"), cancel, cancel]
    book = read_book(facts, Calendar("UTC"))
    assert ([minor for _, minor in book.spend], book.orders) == ([100, -30, -70], 0)


def test_gaps_are_those_of_the_last_twenty_one_orders_without_the_removed() -> None:
    orders = [order(day * day, 100, f"o{day}") for day in range(23)]
    book = read_book(orders, Calendar("UTC"))
    assert [gap // DAY_MS for gap in book.gaps()] == [2 * day + 1 for day in range(2, 22)]
    book = read_book([*orders, refund(500, 100, "o22"), refund(501, 100, "o20")], Calendar("UTC"))
    assert len(book.gaps()) == 19  # fixed when the last order went; the other moved nothing
    book = read_book([*orders, refund(500, 100, "o21"), order(900, 1)], Calendar("UTC"))
    assert [gap // DAY_MS for gap in book.gaps()][-2:] == [22 * 22 - 20 * 20, 900 - 22 * 22]


# Money ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("present", "spend", "segment"),
    [
        (None, 999_999, "medium"), (None, 1_000_000, "large"), (None, 0, "none"),
        (None, 1, "small"), (None, 899_999, "medium"), ("small", 100_000, "medium"),
        ("none", 1_000_000, "large"), ("large", 900_000, "large"), ("large", 899_999, "medium"),
        ("large", 90_000, "medium"), ("large", 89_999, "small"), ("large", 0, "none"),
        ("medium", 90_000, "medium"), ("medium", 89_999, "small"), ("small", 1, "small"),
        ("small", 0, "none"), ("small", -5, "none"), ("none", 1, "small"),
    ],
)  # fmt: skip
def test_money_goes_up_at_the_threshold_and_down_below_nine_tenths(
    present: str | None, spend: int, segment: str
) -> None:
    assert MonetaryTier({}).judge(present, spend) == segment


def test_the_lower_bound_is_exact_where_it_is_no_whole_minor_unit() -> None:
    tier = MonetaryTier({"thresholds": {"large": 1.05, "medium": 0.55}, "down_ratio": 0.9})
    assert [tier.judge("large", spend) for spend in (95, 94)] == ["large", "medium"]
    assert [tier.judge("medium", spend) for spend in (50, 49)] == ["medium", "small"]


#  +9 500----+600-----------refund 200: 9 900, kept-----refund 1 000: 8 900


def test_a_walk_up_and_down_tells_each_change_once() -> None:
    facts = [order(0, 950_000), order(1, 60_000), refund(2, 20_000), refund(3, 100_000)]
    assert told(facts, "monetary_tier", 4) == [("medium", 0), ("large", 1), ("medium", 3)]


def test_a_first_engagement_judges_every_system() -> None:
    changes = run([Fact("c", NOON, ENGAGEMENT)], {"lifecycle": {}, "monetary_tier": {}, "rfm": {}})
    assert [(c["system"], c["to"], c["sequence"]) for c in changes] == [
        ("lifecycle", "prospect", 1), ("monetary_tier", "none", 2), ("rfm", "none", 3),
    ]  # fmt: skip


# RFM --------------------------------------------------------------------------------------------


def test_maps_cover_every_cell_once() -> None:
    cells = Counter(cell for names in MAP_B.values() for cell in names.split())
    assert sorted(cells) == [f"{r}{f}{m}" for r in "12345" for f in "12345" for m in "12345"]
    assert set(cells.values()) == {1}
    cells = Counter(cell for names in MAP_A.values() for cell in names.split())
    assert sorted(cells) == [f"{r}{f}" for r in "12345" for f in "12345"]


#  o---30 R4---60 R3---90 R2---180 R1 (F1, map A)      exact to the ms, in hours, not in days


def test_recency_falls_at_exact_ages() -> None:
    assert told([order(0, 100)], "rfm", 400) == [
        ("new", 0), ("promising", 30), ("about_to_sleep", 60), ("hibernating", 90),
    ]  # fmt: skip
    # 511, 411 and 311 are new, 211 hibernating, 111 lost.
    assert told([order(0, 100)], "rfm", 400, map="B") == [
        ("new", 0), ("hibernating", 90), ("lost", 180),
    ]  # fmt: skip


def test_scores_count_orders_and_money_of_365_days() -> None:
    facts = [order(day, 100_000, None) for day in range(12)]
    book = read_book(facts, Calendar("UTC"))
    assert Rfm({}).scores(book, 17_011, facts[-1].ts) == (5, 5, 5)
    assert Rfm({}).scores(book, 17_365, facts[-1].ts + 353 * DAY_MS)[1:] == (4, 5)


def test_a_customer_without_orders_in_the_window_scores_one() -> None:
    book = read_book([order(0, 5_000_000), refund(400, 100)], Calendar("UTC"))
    assert Rfm({}).scores(book, 17_400, NOON + 400 * DAY_MS) == (1, 1, 1)


def test_map_c_names_high_and_low() -> None:
    facts = [order(day, 50_000) for day in range(3)]
    assert told(facts, "rfm", 2, map="C") == [("hll", 0), ("hlh", 1), ("hhh", 2)]


# Order of output, duplicates, files -------------------------------------------------------------


def test_changes_are_ordered_by_instant_then_id_in_bytes_then_sequence() -> None:
    names = ["10", "9", "é", "z", "\U0001f600", "\uffee"]
    facts = [Fact(name, NOON, ORDER, 100) for name in names]
    changes = run(facts, {"lifecycle": {}, "rfm": {}})
    assert [c["customer_id"] for c in changes][::2] == ["10", "9", "z", "é", "\uffee", "\U0001f600"]
    assert [c["sequence"] for c in changes] == [1, 2] * 6


def test_a_repeated_event_id_is_ignored_per_customer() -> None:
    facts = [Fact("c", NOON, ORDER, 100, None, "1"), Fact("d", NOON, ORDER, 100, None, "1")]
    facts += [Fact("c", NOON + number, ENGAGEMENT, 0, None, f"e{number}") for number in range(8)]
    facts.append(Fact("c", NOON + 9, ORDER, 1_000_000, None, "1"))
    assert profiles(facts, {"monetary_tier": {}})["c"] == {"monetary_tier": "small"}
    forgetful = profiles(facts, {"monetary_tier": {}}, remembered=8)
    assert forgetful == {"c": {"monetary_tier": "large"}, "d": {"monetary_tier": "small"}}


def test_facts_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="ts order"):
        run([order(1, 1), order(0, 1)], {"lifecycle": {}})


def test_a_replay_file_is_read_as_documented(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv.gz"
    rows = """customer_id,ts,type,amount,ref,order_id,kind
17850.0,2011-01-02T00:00:00,engagement,,e1,,login
17850.0,1293926400000,purchase,1.005,b,o1,
17850.0,2011-01-02T01:00:00+01:00,order,0,a,,
17850.0,2011-01-02,refund,-2.50,c,o1,
,2011-01-02,purchase,1,d,,
x,2011-01-02,adjustment,1,d,,
x,2011-01-02,purchase,-1,d,,
x,2011-01-02T00:00:00.0019Z,engagement,,,,email_open
x,2011-01-02T00:00:00.002Z,engagement,,,,
"""
    path.write_bytes(gzip.compress(rows.encode()))
    facts, skipped = read_replay_csv(path)
    day = ms(2011, 1, 2)
    assert facts == [
        Fact("17850.0", day, ORDER, 0, None, "a"),
        Fact("17850.0", day, ORDER, 100, "o1", "b"),
        Fact("17850.0", day, REFUND, 250, "o1", "c"),
        Fact("17850.0", day, ENGAGEMENT, 0, None, "e1"),
        Fact("x", day + 1, ENGAGEMENT, 0, None, None, qualifies=False),
        Fact("x", day + 2, ENGAGEMENT),
    ]
    assert skipped == {"missing_customer": 1, "unknown_type": 1, "negative_purchase": 1}
