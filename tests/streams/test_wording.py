"""Sentences for people: no number that misleads, nothing stale called fresh."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.changes import Change, Words
from schemas.profiles import Profile, Standing
from segmenters.rules import loads
from streams.reader import Answer
from streams.wording import answer_in_words, change_in_words, instant_in_words

RULES = loads("[systems.lifecycle]")
AT = 1298967960000
DAY = 86_400_000


def change(from_: str | None, to: str, cause: Any, **features: int) -> Change:
    words = Words("", "")
    return Change(
        "", 1, "17850", "lifecycle", from_, to, AT, AT, cause, None, None, "", words, None, features
    )


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (change(None, "new", "event", n=1, p=AT), "new @ order number 1"),
        (change(None, "prospect", "event", n=0), "prospect @ no order yet"),
        (change("new", "active", "clock", n=1), "new → active @ new long enough"),
        (change("new", "active", "event", n=2, p=AT), "new → active @ order number 2"),
        (
            change("active", "silent", "clock", days_without_order=90),
            "active → silent @ 90 days without an order",
        ),
        (
            change("silent", "reactivated", "event", n=2, p=AT),
            "silent → reactivated @ ordered again",
        ),
        (
            change("silent", "reactivated", "event", n=2, p=AT - 1),
            "silent → reactivated @ engaged again",
        ),
        (
            change("reactivated", "silent", "correction", days_without_order=90),
            "reactivated → silent @ correction",
        ),
        (
            change("active", "prospect", "event", n=0),
            "active → prospect @ no order left",
        ),
    ],
)  # fmt: skip
def test_a_change_says_who_what_when_and_why(told: Change, said: str) -> None:
    assert change_in_words(told) == "17850: " + said.replace(" @ ", " at 2011-03-01 08:26, ")


def test_only_lifecycle_gets_a_reason_made_of_orders() -> None:
    told = change("small", "large", "event", M365=9)
    moved = Change(**{**{f: getattr(told, f) for f in told.__struct_fields__}, "system": "m"})
    assert change_in_words(moved) == "17850: small → large at 2011-03-01 08:26"


def test_seconds_are_shown_where_there_are_some() -> None:
    assert instant_in_words(AT + 1_000) == "2011-03-01 08:26:01"
    assert instant_in_words(0) == "1970-01-01 00:00"


def answer(**changed: Any) -> Answer:
    profile = Profile(
        "c", {"lifecycle": Standing("silent", AT)}, 3, 9, AT + DAY, {"lifecycle": "churned"}
    )
    usual = Answer("c", profile, 2, AT, stale=False, overdue={}, until=None)
    return usual._replace(**changed)


def said(found: Answer, now: int = AT) -> str:
    return "\n".join(answer_in_words(found, RULES, now))


def test_an_answer_names_segments_in_both_languages_and_what_follows() -> None:
    assert said(answer()) == (
        "customer c\n"
        "  lifecycle  silent  沉默客户 / Silent, since 2011-03-01 08:26\n"
        "  as of 2011-03-01 08:26, up to date\n"
        "  next: lifecycle becomes churned at 2011-03-02 08:26, unless something happens before"
    )


def test_a_stale_answer_says_how_old_it_is_and_what_is_overdue() -> None:
    text = said(answer(stale=True, overdue={"lifecycle": "churned"}), AT + 2 * DAY)
    assert "STALE: right as of 2011-03-01 08:26, 2 days ago" in text
    assert "overdue: lifecycle should have become churned at 2011-03-02 08:26" in text
    assert "next:" not in text
    assert "REWAKE_CLOCK=event" in text
    assert "REWAKE_CLOCK=event" not in said(answer(stale=True), AT + 60_000)


def test_a_replay_is_never_called_stale_for_being_of_the_past() -> None:
    ended = said(answer(until=AT), AT + 5_000 * DAY)
    assert "as of 2011-03-01 08:26, the end of the replayed history" in ended
    running = said(answer(until=AT + DAY), AT + 5_000 * DAY)
    assert "the replay goes on up to 2011-03-02 08:26" in running
    assert "STALE" not in ended + running


def test_nothing_ahead_is_said_and_a_missing_clock_is_stale() -> None:
    quiet = answer(profile=Profile("c", {"lifecycle": Standing("churned", AT)}, 1, 1))
    assert "next: nothing" in said(quiet)
    assert "STALE: no clock of partition 2" in said(answer(as_of=None, stale=True))


def test_an_unknown_customer_is_a_clear_message() -> None:
    assert "knows no order or engagement" in said(answer(profile=None))
    assert "STALE" in said(answer(profile=None, stale=True))
    assert "no clock of partition 2" in said(answer(profile=None, as_of=None))
    assert "was flushed" in said(answer(profile=None, as_of=None, partition=None))
