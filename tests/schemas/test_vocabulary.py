"""Numbers every package shares."""

from __future__ import annotations

from schemas.vocabulary import MS_PER_DAY, Cause, Kind


def test_kinds_sort_as_facts_of_one_instant_are_judged() -> None:
    assert sorted(Kind) == [Kind.ORDER, Kind.REFUND, Kind.CANCEL, Kind.ENGAGEMENT]


def test_causes_have_the_words_of_the_change_message() -> None:
    assert [cause.word for cause in Cause] == [
        "event",
        "clock",
        "rules",
        "cuts",
        "correction",
        "erasure",
    ]


def test_a_day_of_ages_has_24_hours() -> None:
    assert MS_PER_DAY == 24 * 60 * 60 * 1000
