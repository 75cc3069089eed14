"""Instants, against Python's datetime in whole microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import instants
from schemas.errors import Reason, Rejected
from schemas.instants import EARLIEST, LATEST, format_instant, parse_instant, parse_replay_instant

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
plausible = st.integers(EARLIEST, LATEST - 1)


def reason(value: int | str) -> Reason:
    with pytest.raises(Rejected) as caught:
        parse_instant(value)
    return caught.value.reason


@given(plausible)
def test_what_is_written_reads_back(instant: int) -> None:
    assert parse_instant(format_instant(instant)) == instant
    assert parse_instant(instant) == instant
    assert parse_replay_instant(str(instant)) == instant
    assert datetime.fromisoformat(format_instant(instant)) == EPOCH + timedelta(
        milliseconds=instant
    )


@given(
    st.integers(10**6 * (EARLIEST // 1000 + 10**5), 10**6 * (LATEST // 1000 - 10**5)),
    st.integers(-23 * 60, 23 * 60),
    st.sampled_from("Tt "),
)
def test_any_offset_and_fraction_is_cut_to_the_millisecond(
    microseconds: int, minutes: int, separator: str
) -> None:
    moment = EPOCH + timedelta(microseconds=microseconds)
    text = moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat(separator)
    expected = microseconds // 1000
    assert [parse_instant(text), parse_instant(text)] == [expected, expected]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2011-03-01T08:26:00Z", 1298967960000),
        ("2011-03-01t08:26:00z", 1298967960000),
        ("2011-03-01T09:26:00+01:00", 1298967960000),
        ("2011-02-28T22:56:00-09:30", 1298967960000),
        ("2011-03-01T08:26:00.9Z", 1298967960900),
        ("2011-03-01T08:26:00.12Z", 1298967960120),
        ("2011-03-01T08:26:00.1239999999Z", 1298967960123),
        ("2012-02-29T23:59:59.999Z", 1330559999999),
    ],
)
def test_rfc_3339_is_read(text: str, instant: int) -> None:
    assert [parse_instant(text), parse_instant(text)] == [instant, instant]


@pytest.mark.parametrize(
    "text",
    [
        "2011-03-01T08:26:00",
        "2011-03-01",
        "2011-03-01T08:26Z",
        "2011-03-01T08:26:00,5Z",
        "2011-03-01T08:26:00.Z",
        "20110301T082600Z",
        "2011-W09-2T08:26:00Z",
        "2011-02-29T00:00:00Z",
        "2011-03-01T24:00:01Z",
        "2011-03-01T08:60:00Z",
        "2011-03-01T08:26:60Z",
        "2011-03-01T08:26:00+24:00",
        "2011-03-01T08:26:00+01:60",
        "2011-03-01T08:26:00+0100",
        "2011-03-01T08:26:00Z ",
        "2011-03-01T08:26:00Z\n",
        "2011-03-01T08:26:0\u0660Z",
        "1298967960000",
        "yesterday",
        "",
        "\ud800",
    ],
)
def test_other_text_is_refused_also_after_its_parts_were_seen(text: str) -> None:
    parse_instant("2011-03-01T08:26:00Z")
    assert reason(text) is Reason.INVALID_VALUE


@pytest.mark.parametrize(
    "value",
    [
        1298967960,
        0,
        -1,
        -(10**400),
        10**400,
        EARLIEST - 1,
        LATEST,
        "1989-12-31T23:59:59.999Z",
        "2200-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:00",
        "9999-12-31T23:59:59-23:00",
    ],
)
def test_instants_nobody_can_mean_are_implausible(value: int | str) -> None:
    assert reason(value) is Reason.IMPLAUSIBLE_TIMESTAMP


def test_seconds_are_never_scaled_but_the_message_says_what_they_look_like() -> None:
    with pytest.raises(Rejected, match="looks like seconds, send milliseconds"):
        parse_instant(1298967960)


def test_the_bounds_are_1990_and_2200() -> None:
    assert parse_instant("1990-01-01T00:00:00Z") == EARLIEST
    assert parse_instant("2199-12-31T23:59:59.999Z") == LATEST - 1


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2011-03-01 08:26:00", 1298967960000),
        ("2011-03-01T08:26:00", 1298967960000),
        ("2011-03-01T09:26:00+01:00", 1298967960000),
        (" 1298967960000 ", 1298967960000),
        ("2011-03-01", 1298937600000),
    ],
)
def test_files_of_history_may_leave_the_offset_out(text: str, instant: int) -> None:
    assert parse_replay_instant(text) == instant


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1298967960", Reason.IMPLAUSIBLE_TIMESTAMP),
        ("-5", Reason.IMPLAUSIBLE_TIMESTAMP),
        ("1" * 5000, Reason.IMPLAUSIBLE_TIMESTAMP),
        ("1970-01-01", Reason.IMPLAUSIBLE_TIMESTAMP),
        ("--5", Reason.INVALID_VALUE),
        ("12.5", Reason.INVALID_VALUE),
        ("", Reason.INVALID_VALUE),
        ("01/03/2011", Reason.INVALID_VALUE),
    ],
)
def test_files_of_history_are_refused_with_the_same_reasons(text: str, why: Reason) -> None:
    with pytest.raises(Rejected) as caught:
        parse_replay_instant(text)
    assert caught.value.reason is why


def test_remembered_parts_are_bounded() -> None:
    for day in range(800):
        for hour in range(24):
            moment = datetime(1995, 1, 1, hour, tzinfo=UTC) + timedelta(days=day)
            assert parse_instant(moment.isoformat()) == int(moment.timestamp()) * 1000
    assert 0 < len(instants._HOURS) <= instants._REMEMBERED < 800 * 24


def outcome(value: int | str) -> int | str:
    """Return the instant, or the detail of the rejection."""
    try:
        return parse_instant(value)
    except Rejected as rejected:
        return rejected.detail


@given(st.text() | st.integers())
def test_whatever_comes_is_an_instant_or_a_rejection(value: int | str) -> None:
    came = outcome(value)
    assert came.startswith("ts: ") if isinstance(came, str) else EARLIEST <= came < LATEST
