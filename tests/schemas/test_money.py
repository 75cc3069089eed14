"""Exact money, against Python's own decimals."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Reason, Rejected, RulesError
from schemas.money import Currencies, exponent

RATES = {"EUR": "0.86", "JPY": "0.0052", "KWD": "2.5", "USD": "1"}
MONEY = Currencies("GBP", RATES)
EXACT = Context(prec=400)

plain = st.builds(
    lambda whole, decimals: f"{whole}.{decimals}" if decimals else str(whole),
    st.integers(0, 10**14),
    st.text("0123456789", max_size=12),
)
powered = st.builds(lambda digits, power: f"{digits}e{power}", plain, st.integers(-30, 3))


def oracle(text: str, currency: str, base: str = "GBP") -> int:
    """Multiply in unlimited decimals, round once."""
    rate = Decimal(1) if currency == base else Decimal(RATES[currency])
    value = EXACT.multiply(Decimal(text), rate).scaleb(exponent(base), EXACT)
    return int(value.quantize(Decimal(1), ROUND_HALF_EVEN, EXACT))


def reason(amount: object, currency: str = "GBP") -> Reason:
    with pytest.raises(Rejected) as caught:
        MONEY.to_minor(amount, currency)  # type: ignore[arg-type]
    return caught.value.reason


@given(plain | powered, st.sampled_from(["GBP", *RATES]))
def test_an_amount_is_the_decimal_rounded_once_half_to_even(text: str, currency: str) -> None:
    assert MONEY.to_minor(text, currency) == oracle(text, currency)


@given(plain, st.sampled_from(["JPY", "KWD", "CLF"]))
def test_bases_with_other_exponents_convert_exactly_too(text: str, base: str) -> None:
    assert Currencies(base).to_minor(text, base) == oracle(text, base, base)


@given(st.integers(0, 2**63 - 1))
def test_minor_units_come_back_from_what_they_are_written_as(minor: int) -> None:
    assert MONEY.to_minor(f"{minor // 100}.{minor % 100:02}", "GBP") == minor


@pytest.mark.parametrize(
    "amount",
    ["12.5", b"12.5", b'"12.50"', msgspec.Raw(b"12.50"), "1.25e1", "0012.5", b'"1\\u0032.5"'],
)
def test_every_written_form_of_an_amount_is_the_same_money(amount: str | bytes) -> None:
    assert MONEY.to_minor(amount, "GBP") == 1250


@pytest.mark.parametrize(
    ("text", "minor"),
    [("0.005", 0), ("0.015", 2), ("0.025", 2), ("0.0250000001", 3), ("0.02499999", 2), ("-0", 0)],
)
def test_decimals_beyond_the_minor_unit_round_half_to_even(text: str, minor: int) -> None:
    assert MONEY.to_minor(text, "GBP") == minor


def test_a_rate_is_applied_before_rounding_not_after() -> None:
    # 0.5 of a cent rounds to 0 cents, but 1.5 EUR cents are 1.29 pence.
    assert MONEY.to_minor("0.015", "EUR") == 1
    assert MONEY.to_minor("100", "EUR") == 8600


def test_thousands_of_digits_are_rounded_like_few() -> None:
    assert MONEY.to_minor("0.025" + "0" * 9000 + "1", "GBP") == 3
    assert MONEY.to_minor("0.025" + "0" * 9000, "GBP") == 2
    assert MONEY.to_minor("0" * 9000 + "7", "GBP") == 700
    assert reason("7" * 9000) is Reason.INVALID_VALUE


@pytest.mark.parametrize(
    "amount",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "inf",
        "1_0",
        " 12 ",
        "12 ",
        "12\n",
        "1,50",
        "£5",
        "+5",
        ".5",
        "5.",
        "",
        ".",
        "e5",
        "0x10",
        "\u0661\u0662",
        "\u00b2",
        b'"NaN"',
        b"NaN",
        b'"12"x',
        b'"',
        b"\xff",
        "\ud800",
        b"[" * 100_000,
    ],
)
def test_what_is_no_plain_decimal_is_refused(amount: str | bytes) -> None:
    assert reason(amount) is Reason.INVALID_VALUE


@pytest.mark.parametrize("amount", ["-1", "-0.01", -5, b"-5", "-1e3"])
def test_negative_amounts_are_refused(amount: str | bytes | int) -> None:
    assert reason(amount) is Reason.INVALID_VALUE


@pytest.mark.parametrize("amount", [None, True, [1], {"a": 1}, 1.5, b"null", b"true", b"[1]"])
def test_what_is_neither_number_nor_text_has_the_wrong_type(amount: object) -> None:
    assert reason(amount) is Reason.WRONG_TYPE


def test_the_largest_amount_is_64_bits_and_one_more_is_refused() -> None:
    assert MONEY.to_minor("92233720368547758.07", "GBP") == 2**63 - 1
    assert reason("92233720368547758.08") is Reason.INVALID_VALUE
    assert reason("1e999999999") is Reason.INVALID_VALUE
    assert reason("1e9999999999999") is Reason.INVALID_VALUE
    assert reason(10**5000) is Reason.INVALID_VALUE
    assert MONEY.to_minor("1e-999999999", "GBP") == 0


def test_a_currency_without_a_rate_is_unknown() -> None:
    assert reason("1", "CHF") is Reason.UNKNOWN_CURRENCY
    assert reason("1", "gbp") is Reason.UNKNOWN_CURRENCY
    assert reason("1", "") is Reason.UNKNOWN_CURRENCY


@pytest.mark.parametrize(
    ("code", "places"),
    [
        ("GBP", 2),
        ("CNY", 2),
        ("JPY", 0),
        ("KRW", 0),
        ("BHD", 3),
        ("TND", 3),
        ("CLF", 4),
        ("MGA", 2),
    ],
)
def test_exponents_are_those_of_iso_4217(code: str, places: int) -> None:
    assert exponent(code) == places


@pytest.mark.parametrize("code", ["XAU", "gbp", "QQQ", ""])
def test_codes_without_minor_units_are_unknown(code: str) -> None:
    with pytest.raises(Rejected, match="unknown_currency"):
        exponent(code)


@pytest.mark.parametrize(
    ("base", "rates", "path"),
    [
        ("quid", {}, "engine.base_currency"),
        ("GBP", {"QQQ": "1"}, "engine.rates.QQQ"),
        ("GBP", {"GBP": "1"}, "engine.rates.GBP"),
        ("GBP", {"EUR": "0.00"}, "engine.rates.EUR"),
        ("GBP", {"EUR": "-1"}, "engine.rates.EUR"),
        ("GBP", {"EUR": "1e2"}, "engine.rates.EUR"),
        ("GBP", {"EUR": "NaN"}, "engine.rates.EUR"),
    ],
)
def test_a_bad_rate_table_names_its_line(base: str, rates: dict[str, str], path: str) -> None:
    with pytest.raises(RulesError) as caught:
        Currencies(base, rates)
    assert caught.value.path == path
