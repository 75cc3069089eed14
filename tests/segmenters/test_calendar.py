"""Days begin at the first instant of their local date, whatever clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenters.calendar import day_start, local_day, midnights

HOUR = 3_600_000
ZONES = ("UTC", "Europe/London", "America/Sao_Paulo", "America/St_Johns", "Asia/Shanghai")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ms(zone: str, *parts: int) -> int:
    return int(datetime(*parts, tzinfo=ZoneInfo(zone)).timestamp()) * 1000  # type: ignore[arg-type, misc]


def day_number(*parts: int) -> int:
    return (date(*parts) - date(1970, 1, 1)).days  # type: ignore[arg-type]


@given(st.sampled_from(ZONES), st.integers(631_152_000_000, 4_102_444_800_000))
def test_an_instant_lies_between_the_beginnings_of_its_day_and_the_next(zone: str, ts: int) -> None:
    starts = midnights(zone)
    day = local_day(ts, starts)
    assert day_start(day, starts) <= ts < day_start(day + 1, starts)


@given(
    st.sampled_from(("UTC", "Europe/London", "Asia/Shanghai")),
    st.integers(631_152_000_000, 4_102_444_800_000),
)
def test_a_day_is_the_local_date_where_clocks_never_cross_midnight(zone: str, ts: int) -> None:
    local = (EPOCH + timedelta(milliseconds=ts)).astimezone(ZoneInfo(zone)).date()
    assert local_day(ts, midnights(zone)) == (local - date(1970, 1, 1)).days


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 27, 23), (10, 30, 25), (6, 1, 24)])
def test_london_days_last_23_24_or_25_hours(month: int, day: int, hours: int) -> None:
    starts = midnights("Europe/London")
    number = day_number(2011, month, day)
    assert day_start(number + 1, starts) - day_start(number, starts) == hours * HOUR


def test_a_day_whose_midnight_does_not_exist_begins_at_one_o_clock() -> None:
    # São Paulo, 2017-10-15: 00:00 … 00:59 were skipped.
    zone = "America/Sao_Paulo"
    starts = midnights(zone)
    assert day_start(day_number(2017, 10, 15), starts) == ms(zone, 2017, 10, 15, 1)
    assert local_day(ms(zone, 2017, 10, 15, 1) - 1, starts) == day_number(2017, 10, 14)


def test_a_date_that_was_skipped_is_empty() -> None:
    # Samoa went from 2011-12-29 to 2011-12-31.
    starts = midnights("Pacific/Apia")
    skipped = day_number(2011, 12, 30)
    assert day_start(skipped, starts) == day_start(skipped + 1, starts)
    assert local_day(day_start(skipped, starts), starts) == skipped + 1


@pytest.mark.parametrize("zone", [*ZONES, "Pacific/Apia"])
def test_beginnings_of_days_never_go_back(zone: str) -> None:
    assert (np.diff(midnights(zone)) >= 0).all()


def test_days_of_all_zones_are_of_one_type_so_that_one_kernel_serves_them() -> None:
    assert len({str(numba.typeof(midnights(zone))) for zone in ZONES}) == 1
    assert not midnights("UTC").flags.writeable, "it is shared by all who ask"
