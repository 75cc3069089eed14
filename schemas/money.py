"""Turn written amounts into minor units of the base currency, exactly.

Responsible for ISO 4217 exponents, the rate table and the one rounding. Must not use binary
floating point anywhere, and must not know where an amount came from.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from schemas.errors import Reason, Rejected, RulesError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.vocabulary import Minor

_CODES_BY_EXPONENT: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD
CDF CHE CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP
GMD GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD
MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR
PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG ZWL
""",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENTS: Final[dict[str, int]] = {
    code: places for places, codes in _CODES_BY_EXPONENT.items() for code in codes.split()
}
_NUMBER: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
_RATE: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,12}))?")
_TOO_LARGE: Final = 2**63
_DIGITS: Final = 80
_MAX_POWER_DIGITS: Final = 9
_SHOWN: Final = 40
_decode_amount = msgspec.json.Decoder(float_hook=str).decode

Amount: TypeAlias = str | int | bytes | msgspec.Raw
"""An amount as it was written, before anything could round it."""


def exponent(currency: str) -> int:
    """Return how many decimals the minor unit of a currency has (ISO 4217).

    Raises
    ------
    Rejected
        ``unknown_currency`` when the code is not a currency of ISO 4217 in capitals.

    Examples
    --------
    >>> exponent("GBP"), exponent("JPY"), exponent("KWD")
    (2, 0, 3)
    """
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise _unknown(currency, "an ISO 4217 code in capitals such as GBP") from None


class Currencies:
    """Convert amounts of the known currencies to minor units of one base currency.

    Parameters
    ----------
    base
        ISO 4217 code of the base currency.
    rates
        What one major unit of another currency is worth in major units of the base, as a plain
        decimal: ``{"EUR": "0.86"}`` with base GBP reads "1 EUR is 0.86 GBP".

    Attributes
    ----------
    base : str
        ISO 4217 code of the base currency.
    known : frozenset of str
        The currencies that can be converted, the base among them.

    Raises
    ------
    RulesError
        When a code is not ISO 4217, or a rate is not a decimal above 0.

    Examples
    --------
    >>> money = Currencies("GBP", {"EUR": "0.86"})
    >>> money.to_minor("12.5", "GBP"), money.to_minor(100, "EUR")
    (1250, 8600)
    """

    __slots__ = ("_base_scales", "_factors", "_scales", "base", "known")

    def __init__(self, base: str, rates: Mapping[str, str] | None = None) -> None:
        if base not in _EXPONENTS:
            text = f"expected an ISO 4217 code in capitals, got {base!r}"
            raise RulesError("engine.base_currency", text)
        places = _EXPONENTS[base]
        # minor = digits * factor * 10 ** (places - decimals), where digits are the amount's own.
        self._factors: dict[str, tuple[int, int]] = {base: (1, places)}
        for code, rate in (rates or {}).items():
            digits, decimals = _read_rate(base, code, rate)
            self._factors[code] = (digits, places - decimals)
        # The same, ready to multiply, by number of decimals; only where nothing is rounded.
        self._scales: dict[str, tuple[int, ...]] = {
            code: tuple(factor * 10 ** (scale - n) for n in range(scale + 1))
            for code, (factor, scale) in self._factors.items()
        }
        self._base_scales = self._scales[base]
        self.base = base
        self.known = frozenset(self._factors)

    def to_minor(self, amount: Amount, currency: str) -> Minor:
        """Convert one written amount, exactly, with at most one rounding (half to even).

        Parameters
        ----------
        amount
            The amount in major units as it was written: text of a decimal (an event's JSON string
            or number; see `schemas.events`), an integer, or the JSON of either as bytes or
            ``msgspec.Raw``.
        currency
            ISO 4217 code; the base or one with a rate.

        Returns
        -------
        int
            Minor units of the base currency, 0 … 2**63 - 1.

        Raises
        ------
        Rejected
            ``unknown_currency`` for a currency without a rate; ``wrong_type`` for what is neither
            number nor text, binary floats among it; ``invalid_value`` for text that is not a
            plain decimal, is negative, or exceeds 64 bits.

        Examples
        --------
        >>> Currencies("USD").to_minor("1e2", "USD")
        10000
        """
        # Comparing with the base first saves hashing a fresh string for most events.
        scales = self._base_scales if currency == self.base else self._scales.get(currency)
        if scales is None:
            raise _unknown(currency, "one of " + ", ".join(sorted(self.known)))
        # Quick path: ASCII digits, perhaps a point and more digits, nothing to round.
        if isinstance(amount, str) and amount.isascii():
            whole, point, decimals = amount.partition(".")
            if whole.isdigit() and (decimals.isdigit() or not point):
                try:
                    minor = int(whole + decimals) * scales[len(decimals)]
                except (IndexError, ValueError):  # something to round; thousands of digits
                    minor = _TOO_LARGE
                if minor < _TOO_LARGE:
                    return minor
        return _convert(_written(amount), *self._factors[currency])

    def minor_per_major(self, currency: str) -> Decimal:
        """Return how many minor units of the base a major unit of a currency is worth, exactly.

        Raises
        ------
        Rejected
            ``unknown_currency`` for a currency without a rate.

        Examples
        --------
        >>> Currencies("GBP", {"EUR": "0.86"}).minor_per_major("EUR")
        Decimal('86')
        """
        found = self._factors.get(currency)
        if found is None:
            raise _unknown(currency, "one of " + ", ".join(sorted(self.known)))
        factor, places = found
        return Decimal(factor).scaleb(places)


def _read_rate(base: str, code: str, rate: str) -> tuple[int, int]:
    """Read one line of the rate table: its digits as one integer, and how many are decimals."""
    path = f"engine.rates.{code}"
    if code not in _EXPONENTS:
        raise RulesError(path, f"expected an ISO 4217 code in capitals, got {code!r}")
    if code == base:
        raise RulesError(path, f"expected no rate for the base currency {base}; remove the line")
    found = _RATE.fullmatch(rate)
    digits = int(found[1] + (found[2] or "")) if found else 0
    if found is None or digits == 0:
        text = f'expected a decimal above 0 as a string such as "0.86", got {rate!r}'
        raise RulesError(path, text)
    return digits, len(found[2] or "")


def _half_even(numerator: int, denominator: int) -> int:
    """Divide and round half to even."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return quotient + (twice > denominator or (twice == denominator and quotient % 2 == 1))


def _convert(written: str, factor: int, places: int) -> Minor:
    """Convert any decimal, or say precisely why it cannot be."""
    found = _NUMBER.fullmatch(written)
    if found is None:
        raise _invalid("a plain decimal such as 12.50", written)
    sign, whole, decimals, power = found.groups(default="")
    digits = (whole + decimals).lstrip("0")
    if not digits:
        return 0
    if sign:
        raise _invalid("0 or more (the type says the direction)", written)
    if len(power.lstrip("+-0")) > _MAX_POWER_DIGITS:
        raise _invalid("a decimal with a sensible exponent", written)
    scale = places + int(power or 0) - len(decimals)
    # Only leading digits can matter: so many of them, and a mark for "more follows", round like
    # the whole, and no integer of a quarter of a megabyte is ever made.
    if len(digits) > _DIGITS:
        scale += len(digits) - _DIGITS - 1
        digits = digits[:_DIGITS] + ("1" if digits[_DIGITS:].strip("0") else "0")
    magnitude = len(digits) + scale
    if magnitude < -_DIGITS:
        return 0
    if magnitude > _DIGITS:
        raise _invalid("an amount within 64 bits of minor units", written)
    value = int(digits) * factor
    minor = value * 10**scale if scale >= 0 else _half_even(value, 10**-scale)
    if minor >= _TOO_LARGE:
        raise _invalid("an amount within 64 bits of minor units", written)
    return minor


def _written(amount: object) -> str:
    """Return an amount as text, whatever form it came in."""
    if isinstance(amount, (bytes, msgspec.Raw)):
        text = bytes(amount)
        try:
            amount = _decode_amount(text)
        except (ValueError, RecursionError):  # msgspec's and Unicode's errors are ValueErrors
            raise _invalid("a plain decimal such as 12.50", text) from None
    if isinstance(amount, str):
        return amount
    if isinstance(amount, int) and not isinstance(amount, bool):
        if abs(amount) > _TOO_LARGE:  # str() of an integer of thousands of digits raises
            raise _invalid("an amount within 64 bits of minor units", hex(amount))
        return str(amount)
    shown = repr(amount)[:_SHOWN]
    detail = f"amount: expected a decimal as a number or a string, got {shown}"
    raise Rejected(Reason.WRONG_TYPE, detail)


def _invalid(expected: str, written: str | bytes) -> Rejected:
    return Rejected(Reason.INVALID_VALUE, f"amount: expected {expected}, got {written[:_SHOWN]!r}")


def _unknown(currency: object, expected: str) -> Rejected:
    shown = repr(currency)[:_SHOWN]
    detail = f"currency: expected {expected}, got {shown}; add a rate under [engine.rates]"
    return Rejected(Reason.UNKNOWN_CURRENCY, detail)
