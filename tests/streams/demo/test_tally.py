"""The consumer's recipe, as the demo follows it."""

from __future__ import annotations

from schemas.changes import Change, Words
from streams.demo.tally import NEWEST, Tally


def change(
    customer: str, sequence: int, to: str, from_: str | None = None, system: str = "lifecycle"
) -> Change:
    words = Words("", "")
    return Change(
        "", sequence, customer, system, from_, to, 0, 0, "event", None, None, "", words, None
    )


def test_sizes_follow_customers_from_segment_to_segment() -> None:
    tally = Tally()
    tally.hear(change("a", 1, "new"))
    tally.hear(change("b", 1, "new"))
    tally.hear(change("a", 2, "active", "new"))
    tally.hear(change("a", 3, "small", system="monetary_tier"))
    assert +tally.sizes["lifecycle"] == {"new": 1, "active": 1}
    assert +tally.sizes["monetary_tier"] == {"small": 1}
    assert (tally.changes, tally.customers) == (4, 2)
    assert tally.moves["lifecycle", "new", "active"] == 1
    assert tally.last_into["new"].customer_id == "b"


def test_what_is_heard_again_is_dropped_and_counted() -> None:
    tally = Tally()
    for sequence in (1, 2, 2, 1):
        tally.hear(change("a", sequence, "new"))
    assert (tally.changes, tally.repeated, tally.missing) == (2, 2, 0)


def test_a_gap_is_noticed_for_each_customer_by_itself() -> None:
    tally = Tally()
    tally.hear(change("a", 1, "new"))
    tally.hear(change("b", 1, "new"))
    tally.hear(change("a", 4, "new"))
    tally.hear(change("c", 2, "new"))
    assert (tally.missing, tally.repeated) == (3, 0)


def test_only_the_newest_of_lifecycle_are_kept() -> None:
    tally = Tally()
    for number in range(NEWEST + 5):
        tally.hear(change(f"c{number}", 1, "new"))
        tally.hear(change(f"c{number}", 2, "small", system="monetary_tier"))
    assert [c.customer_id for c in tally.newest] == [f"c{k}" for k in range(5, NEWEST + 5)]


def test_rejections_are_counted_by_reason() -> None:
    tally = Tally()
    for reason in ("missing_customer", "missing_customer", "too_late"):
        tally.hear_rejection(reason)
    assert tally.rejected == {"missing_customer": 2, "too_late": 1}
