"""The RFM report: who is in it, what counts, and how segments are counted."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.errors import RulesError
from segmenters.oracle.book import CANCEL, DAY_MS, ORDER, REFUND, Calendar, Fact
from segmenters.reports.rfm import Population, count_population, positive_orders, report
from segmenters.rfm_map import read_map

UTC = Calendar("UTC")
DAY = 18_000


def at(day: float) -> int:
    return round((DAY + day) * DAY_MS)


def order(day: float, customer: str = "c", amount: int = 100, order_id: str = "") -> Fact:
    return Fact(customer, at(day), ORDER, amount, order_id or None)


def only(population: Population) -> tuple[int, int, int]:
    (days,), (orders,), (spend,) = population.days, population.orders, population.spend
    return int(days), int(orders), int(spend)


# day  0      …      10 10.5 … 20
#      order         order     reference
def test_days_since_the_last_order_are_whole_ones_of_24_hours() -> None:
    facts = [order(0), order(10.5)]
    assert only(count_population(facts, at(20), None, UTC)) == (9, 2, 200)
    assert only(count_population(facts, at(20.5) - 1, None, UTC)) == (9, 2, 200)
    assert only(count_population(facts, at(20.5), None, UTC)) == (10, 2, 200)


# day  0.9          1 2 3 4 5
#      order        └ 5 days ┘ it has left at the midnight that begins day 5
def test_a_window_counts_business_days_and_a_last_order_outside_still_counts_for_recency() -> None:
    facts = [order(0.9), order(1.0)]
    assert only(count_population(facts, at(5) - 1, 5, UTC)) == (3, 2, 200)
    assert only(count_population(facts, at(5), 5, UTC)) == (4, 1, 100)
    assert only(count_population(facts, at(6), 5, UTC)) == (5, 0, 0)


def test_a_day_begins_where_business_says() -> None:
    new_york = Calendar("America/New_York")
    facts = [order(0.1)]  # the evening before, there
    assert only(count_population(facts, at(4.1), 5, UTC)) == (4, 1, 100)
    assert only(count_population(facts, at(4.1), 5, new_york)) == (4, 1, 100)
    assert only(count_population(facts, at(4.5), 5, UTC)) == (4, 1, 100)
    assert only(count_population(facts, at(4.5), 5, new_york)) == (4, 0, 0)


def test_facts_after_the_reference_do_not_count_and_one_at_it_does() -> None:
    facts = [order(1), order(2)]
    assert only(count_population(facts, at(2), None, UTC)) == (0, 2, 200)
    assert only(count_population(facts, at(2) - 1, None, UTC)) == (0, 1, 100)


def test_what_was_taken_back_does_not_count() -> None:
    facts = [
        order(1, amount=300, order_id="a"),
        Fact("c", at(2), REFUND, 50, "a"),
        order(3, amount=70, order_id="b"),
        Fact("c", at(4), CANCEL, 0, "b"),
        Fact("c", at(5), REFUND, 20),
    ]
    assert only(count_population(facts, at(6), None, UTC)) == (5, 1, 230)


def test_positive_orders_are_the_orders_above_0() -> None:
    facts = [order(1), order(2, amount=0), Fact("c", at(3), REFUND, 20)]
    assert list(positive_orders(facts)) == facts[:1]


def test_customers_without_an_order_left_are_in_no_report() -> None:
    facts = [order(1, "back", order_id="x"), order(1, "kept"), Fact("only", at(1), REFUND, 5)]
    facts.append(Fact("back", at(2), CANCEL, 0, "x"))
    assert count_population(facts, at(3), None, UTC).customers == ["kept"]


def test_customers_come_by_the_bytes_of_their_ids() -> None:
    facts = [order(1, customer) for customer in ("ä", "9", "z", "10")]
    assert count_population(facts, at(3), None, UTC).customers == ["10", "9", "z", "ä"]


def test_progress_reaches_the_whole() -> None:
    heard: list[tuple[int, int]] = []
    count_population(
        [order(1), order(1, "d")], at(3), None, UTC, lambda *numbers: heard.append(numbers)
    )
    assert heard[-1] == (2, 2)


def ladder(size: int) -> Population:
    """Give customers of whom the first is the best in everything."""
    steps = np.arange(size)
    return Population([str(k) for k in steps], steps, size - steps, 100 * (size - steps))


@pytest.mark.parametrize("name", ["A", "B", "C"])
def test_every_segment_of_a_map_has_a_line_and_all_customers_are_counted_once(name: str) -> None:
    found = report(ladder(100), name)
    assert [size.segment for size in found.sizes] == list(read_map(name).segments)
    assert sum(size.customers for size in found.sizes) == found.customers == 100
    assert found.cells == dict.fromkeys(("555", "444", "333", "222", "111"), 20)


def test_a_line_has_the_means_of_its_customers() -> None:
    champions = report(ladder(10)).sizes[0]
    assert champions.segment == "champions"
    # R5 F5, the two best.
    assert (champions.customers, champions.days, champions.orders) == (2, 0.5, 9.5)
    assert champions.spend == 1900


def test_a_segment_without_customers_has_no_means() -> None:
    new = next(size for size in report(ladder(10)).sizes if size.segment == "new")
    assert new == ("new", 0, None, None, 0)


def test_bands_say_from_where_to_where_a_score_reaches_best_first() -> None:
    bands = report(ladder(10)).bands
    assert [(band.score, band.least, band.most) for band in bands["R"]] == [
        (5, 0, 1), (4, 2, 3), (3, 4, 5), (2, 6, 7), (1, 8, 9),
    ]  # fmt: skip
    assert bands["M"][0] == (5, 2, 900, 1000)


def test_a_cut_at_values_keeps_equal_customers_together_and_a_cut_by_rank_does_not() -> None:
    once = Population(list("abcdefghij"), np.arange(10), np.ones(10, np.int64), np.arange(10))
    assert [band.customers for band in report(once).bands["F"]] == [10]
    by_rank = report(once, cut="rank_first")
    assert [(band.score, band.customers) for band in by_rank.bands["F"]] == [
        (5, 2), (4, 2), (3, 2), (2, 2), (1, 2),
    ]  # fmt: skip
    assert report(once).bands["R"] == by_rank.bands["R"]


def test_a_report_on_nobody_is_empty() -> None:
    found = report(count_population([], at(0), None, UTC))
    assert (found.customers, found.cells, found.bands) == (0, {}, {"R": [], "F": [], "M": []})
    assert all(size.customers == 0 for size in found.sizes)


def test_a_map_that_is_not_there_is_refused() -> None:
    with pytest.raises(RulesError, match="expected A, B, C or the path of a map file, got 'D'"):
        report(ladder(5), "D")
