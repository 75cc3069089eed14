"""Amounts read at once are those read one by one, and what is not plain is left to be looked at."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Rejected
from schemas.money import Currencies
from streams.amounts import NOT_PLAIN, plain_amounts

DECIMALS = st.decimals(0, 10**17, places=2).map(str) | st.integers(0, 10**20).map(str)
WRITTEN = st.lists(DECIMALS | st.text("0019.٣-+e\n ", max_size=24), max_size=12)
ANYTHING = st.lists(DECIMALS | st.integers() | st.none() | st.booleans(), max_size=12)


@pytest.mark.parametrize(("currency", "places"), [("GBP", 2), ("JPY", 0), ("KWD", 3)])
@given(WRITTEN)
def test_what_is_read_at_once_is_what_is_read_one_by_one(
    currency: str, places: int, written: list[str]
) -> None:
    convert = Currencies(currency).to_minor
    for text, minor in zip(written, plain_amounts(written, places).tolist(), strict=True):
        assert minor in (NOT_PLAIN, convert(text, currency) if minor != NOT_PLAIN else None)


@given(ANYTHING)
def test_what_is_no_text_is_left_to_be_looked_at(written: list[Any]) -> None:
    for amount, minor in zip(written, plain_amounts(written, 2).tolist(), strict=True):
        assert isinstance(amount, str) or minor == NOT_PLAIN


@pytest.mark.parametrize("text", ["", ".", ".5", "5.", "1..2", "1.2.3", "-1", "+1", "1e2", "1\n2"])
def test_what_is_not_plain_is_not_guessed(text: str) -> None:
    assert plain_amounts(["1.00", text, "2.00"], 2)[1] == NOT_PLAIN


@pytest.mark.parametrize("text", ["0.01", "12.5", "12.50", "007", "999999999999999.99"])
def test_plain_amounts_are_read(text: str) -> None:
    assert plain_amounts([text], 2).tolist() == [Currencies("GBP").to_minor(text, "GBP")]


def test_an_amount_that_others_stand_beside_is_refused_by_its_own_reason() -> None:
    with pytest.raises(Rejected, match="plain decimal"):
        Currencies("GBP").to_minor("1\n2", "GBP")
