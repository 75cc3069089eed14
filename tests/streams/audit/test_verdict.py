"""What counts as a difference, and what excuses one."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.changes import Change, Words, change_id
from streams.audit.accounts import Account, Holding
from streams.audit.verdict import (
    Difference,
    Skip,
    cached_wrongly,
    certain,
    differences,
    judged_by_other_rules,
    may_lack_facts,
    told_wrongly,
    whatever_the_rules,
)

THEN = 1_298_967_960_000
FIGURES = {
    "orders_ever": 3, "orders": 2, "first_purchase": THEN, "last_purchase": THEN + 5,
    "last_engagement": None, "orders_365d": 2, "spend_365d": 1_250,
}  # fmt: skip
SEGMENTS = {"lifecycle": ("new", THEN), "rfm": ("loyal", THEN + 5)}
CHANGES = {
    1: ("lifecycle", None, "new", THEN, "event"),
    2: ("rfm", None, "new", THEN, "event"),
    3: ("rfm", "new", "loyal", THEN + 5, "event"),
}
ACCOUNT = Account(FIGURES, SEGMENTS, 3, CHANGES)


def told(sequence: int, /, **other: Any) -> Change:
    system, from_, to, at, cause = CHANGES[sequence]
    fields: dict[str, Any] = {
        "id": change_id("c", system, sequence, from_, to, at), "sequence": sequence,
        "customer_id": "c", "system": system, "from_": from_, "to": to, "at": at, "seen_at": at,
        "cause": cause, "event_id": f"e-{sequence}", "corrects": None, "rules_version": "r",
        "labels": Words("", ""),
    }  # fmt: skip
    return Change(**fields | other)


ALL_TOLD = [told(1), told(2), told(3)]


def fields(listed: list[Difference]) -> list[str]:
    return [each.field for each in listed]


# ---- against a recount


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (ACCOUNT, []),
        (ACCOUNT._replace(figures=FIGURES | {"spend_365d": 1_249}), ["spend_365d"]),
        (ACCOUNT._replace(figures=FIGURES | {"last_engagement": THEN}), ["last_engagement"]),
        (ACCOUNT._replace(segments=SEGMENTS | {"rfm": ("new", THEN + 5)}), ["rfm"]),
        (ACCOUNT._replace(segments=SEGMENTS | {"rfm": ("loyal", THEN)}), ["rfm.since"]),
        (ACCOUNT._replace(segments={"rfm": ("loyal", THEN + 5)}), ["lifecycle", "lifecycle.since"]),
        (ACCOUNT._replace(sequence=4), ["sequence"]),
        (ACCOUNT._replace(changes={3: CHANGES[3]}), []),
        (ACCOUNT._replace(changes=CHANGES | {2: CHANGES[3], 3: CHANGES[2]}), ["change 2"]),
    ],
)
def test_every_field_of_an_account_is_compared(found: Account, expected: list[str]) -> None:
    assert fields(differences(ACCOUNT, found)) == expected


def test_a_difference_says_both_in_words() -> None:
    found = ACCOUNT._replace(changes={3: ("rfm", "new", "lost", THEN, "clock")})
    assert differences(ACCOUNT, found) == [
        Difference(
            "changes", "change 3", "rfm: new → loyal at 2011-03-01T08:26:00.005Z, event",
            "rfm: new → lost at 2011-03-01T08:26:00.000Z, clock",
        )
    ]  # fmt: skip


def test_where_nothing_can_have_been_late_every_difference_is_certain() -> None:
    found = ACCOUNT._replace(sequence=4, figures=FIGURES | {"orders": 9})
    assert fields(certain(ACCOUNT, [(ACCOUNT, False)], found)) == ["orders", "sequence"]


def test_where_a_fact_may_have_been_late_only_what_is_counted_is_certain() -> None:
    found = ACCOUNT._replace(sequence=4, figures=FIGURES | {"orders": 9})
    assert fields(certain(ACCOUNT, [(ACCOUNT, True)], found)) == ["orders"]
    other = ACCOUNT._replace(figures=FIGURES | {"orders": 3})
    assert certain(ACCOUNT, [(ACCOUNT, False), (other, False)], found) == []


def test_where_the_rules_may_have_been_others_only_what_is_always_counted_counts() -> None:
    wrong = FIGURES | {"orders": 9, "last_engagement": THEN}
    listed = differences(ACCOUNT, ACCOUNT._replace(sequence=4, figures=wrong))
    assert fields(whatever_the_rules(ACCOUNT, listed)) == ["orders"]


# ---- against the changes told


@pytest.mark.parametrize(
    ("changes", "complete", "expected"),
    [
        (ALL_TOLD, True, []),
        ([*ALL_TOLD, told(2)], True, ["change 2", "last of rfm"]),
        ([told(1), told(3)], True, ["change 2"]),
        ([told(1), told(3), told(2)], True, ["order", "last of rfm"]),
        ([told(2), told(3)], True, ["change 1"]),
        ([told(2), told(3)], False, []),
        ([], False, []),
        ([], True, ["change 1", "change 2", "change 3"]),
        ([told(1), told(2), told(3, to="lost")], True, ["last of rfm"]),
        ([*ALL_TOLD, told(3, sequence=4, to="lost")], True, []),  # told after the row was read
    ],
)
def test_each_change_is_told_once_in_order_and_the_last_is_what_the_state_says(
    changes: list[Change], complete: bool, expected: list[str]
) -> None:
    assert fields(told_wrongly(ACCOUNT, changes, complete)) == expected


# ---- against the cache

HOLDING = Holding(ACCOUNT, ACCOUNT, 7, THEN + 9)
CACHED = {
    "lifecycle": "new", "lifecycle.since": str(THEN), "rfm": "loyal", "rfm.since": str(THEN + 5),
    "seq": "3", "version": "7", "valid_until": str(THEN + 9), "next": "",
}  # fmt: skip
AUDIENCES = {"lifecycle": ["new"], "rfm": ["loyal"]}


@pytest.mark.parametrize(
    ("altered", "expected"),
    [
        ({}, []),
        ({"version": "5", "valid_until": str(THEN + 20)}, []),  # only what changed is written
        ({"rfm": "new"}, ["rfm"]),
        ({"rfm.since": "5"}, ["rfm.since"]),
        ({"seq": "2"}, ["seq"]),
        ({"valid_until": str(THEN + 8)}, ["valid_until"]),
        ({"seq": "x"}, ["profile"]),
    ],
)
def test_every_field_of_a_cached_profile_is_compared(
    altered: dict[str, str], expected: list[str]
) -> None:
    listed = cached_wrongly("c", HOLDING, CACHED | altered, AUDIENCES)
    assert isinstance(listed, list)
    assert fields(listed) == expected


def test_a_profile_without_a_row_and_a_row_without_a_profile_are_drifts() -> None:
    for holding, cached in ((None, CACHED), (HOLDING, {})):
        listed = cached_wrongly("c", holding, cached, {})
        assert isinstance(listed, list)
        assert fields(listed) == ["profile"]
    assert cached_wrongly("c", None, {}, {}) == []


def test_an_audience_that_lacks_a_customer_or_has_one_too_many_is_a_drift() -> None:
    for wrong in ({"lifecycle": ["new"]}, AUDIENCES | {"rfm": ["loyal", "lost"]}):
        listed = cached_wrongly("c", HOLDING, CACHED, wrong)
        assert isinstance(listed, list)
        assert fields(listed) == ["audience of rfm"]


def test_a_profile_newer_than_the_row_says_nothing() -> None:
    assert cached_wrongly("c", HOLDING, CACHED | {"version": "8"}, {}) is Skip.CACHE_MOVED_ON


# ---- excuses


def test_a_change_of_the_rules_shows_in_what_was_told() -> None:
    assert not judged_by_other_rules(ALL_TOLD, "r")
    assert judged_by_other_rules(ALL_TOLD, "s")
    assert judged_by_other_rules([*ALL_TOLD, told(3, cause="rules")], "r")


EVENTS = {"e-1", "e-2", "e-3"}
MORE = ACCOUNT._replace(figures=FIGURES | {"orders_ever": 4})
FEWER = ACCOUNT._replace(figures=FIGURES | {"orders_ever": 2, "spend_365d": 0})
POORER = ACCOUNT._replace(figures=FIGURES | {"spend_365d": 1_000})


@pytest.mark.parametrize(
    ("changes", "events", "found", "log_whole", "changes_whole", "may"),
    [
        (ALL_TOLD, EVENTS, MORE, True, True, False),  # the first event is there: so are all
        (ALL_TOLD, EVENTS, MORE, False, True, False),
        (ALL_TOLD, EVENTS, POORER, True, True, False),
        (ALL_TOLD, EVENTS, POORER, False, True, True),  # a refund before the first order?
        (ALL_TOLD, EVENTS, FEWER, False, True, False),  # no refund takes an order back unseen
        (ALL_TOLD, {"e-3"}, MORE, False, True, True),  # deleted by retention
        (ALL_TOLD[1:], EVENTS, MORE, True, True, True),  # begun elsewhere
        (ALL_TOLD[1:], EVENTS, FEWER, True, True, False),  # an order the state has not
        (ALL_TOLD[1:], EVENTS, POORER, True, False, False),  # the changes are gone, the log is not
        (ALL_TOLD[1:], EVENTS, POORER, False, False, True),
    ],
)
def test_facts_that_may_be_gone_excuse_what_they_could_explain(
    changes: list[Change],
    events: set[str],
    found: Account,
    log_whole: bool,
    changes_whole: bool,
    may: bool,
) -> None:
    assert may_lack_facts(changes, events, ACCOUNT, found, log_whole, changes_whole) is may
