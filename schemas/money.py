"""Turn written amounts into minor units of the base currency, exactly.

Responsible for ISO 4217 exponents, the rate table and the one rounding. Must not use binary floating
point anywhere, and must not know where an amount came from.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from schemas.errors import Reason, Rejected, RulesError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.vocabulary import Minor

_TWO = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD
CDF CHE CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP
GMD GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD
MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR
PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG ZWL
"""
_EXPONENTS: Final[dict[str, int]] = {
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
_NUMBER: Final = re.compile(rb"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
_MAX_MINOR: Final = 2**63 - 1
_FAST_DIGITS: Final = 24
_MAX_EXPONENT_DIGITS: Final = 9
_SHOWN: Final = 40
_QUOTE: Final = 0x22


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

    Raises
    ------
    RulesError
        When a code is not ISO 4217, or a rate is not a decimal above 0.

    Examples
    --------
    >>> money = Currencies("GBP", {"EUR": "0.86"})
    >>> money.to_minor("12.5", "GBP"), money.to_minor(b'"100"', "EUR")
    (1250, 8600)
    """

    __slots__ = ("_factors", "base")

    def __init__(self, base: str, rates: Mapping[str, str] | None = None) -> None:
        if base not in _EXPONENTS:
            text = f"expected an ISO 4217 code in capitals, got {base!r}"
            raise RulesError("engine.base_currency", text)
        self.base = base
        places = _EXPONENTS[base]
        self._factors: dict[str, tuple[int, int]] = {base: (1, places)}
        for code, rate in (rates or {}).items():
            digits, decimals = _rate(base, code, rate)
            self._factors[code] = (digits, places - decimals)

    def to_minor(self, raw: str | bytes | msgspec.Raw, currency: str) -> Minor:
        """Convert one written amount, exactly, with at most one rounding (half to even).

        Parameters
        ----------
        raw
            The amount in major units: a JSON number or JSON string as bytes (as in
            ``msgspec.Raw``), or plain text.
        currency
            ISO 4217 code; the base or one with a rate.

        Returns
        -------
        int
            Minor units of the base currency, 0 … 2**63 - 1.

        Raises
        ------
        Rejected
            ``unknown_currency`` for a currency without a rate; ``wrong_type`` for JSON that is
            neither number nor string; ``invalid_value`` for anything that is not a plain decimal,
            is negative, or exceeds 64 bits.

        Examples
        --------
        >>> Currencies("USD").to_minor(b"1e2", "USD")
        10000
        """
        factor = self._factors.get(currency)
        if factor is None:
            raise _unknown(currency, "one of " + ", ".join(sorted(self._factors)))
        text = raw.encode("utf-8", "replace") if isinstance(raw, str) else bytes(raw)
        written = text[1:-1] if text[:1] == b'"' else text
        whole, dot, decimals = written.partition(b".")
        digits = whole + decimals
        # Quick path for digits[.digits]: bytes.isdigit is ASCII only and false when empty.
        if digits.isdigit() and whole and len(digits) <= _FAST_DIGITS and (decimals or not dot):
            scale = factor[1] - len(decimals)
            if scale >= 0:
                minor = int(digits) * factor[0] * 10**scale
            else:
                minor = _half_even(int(digits) * factor[0], 10**-scale)
            if minor <= _MAX_MINOR:
                return minor
        return _slowly(text, *factor)


def _rate(base: str, code: str, rate: str) -> tuple[int, int]:
    """Read one line of the rate table: significant digits and number of decimals."""
    path = f"engine.rates.{code}"
    if code not in _EXPONENTS:
        raise RulesError(path, f"expected an ISO 4217 code in capitals, got {code!r}")
    if code == base:
        raise RulesError(path, f"expected no rate for the base currency {base}; remove the line")
    found = re.fullmatch(r"([0-9]{1,12})(?:\.([0-9]{1,12}))?", rate) if isinstance(rate, str) else None
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


def _slowly(text: bytes, factor: int, places: int) -> Minor:
    """Convert what is not plain digits, or say precisely why it cannot be."""
    written = _unquoted(text)
    found = _NUMBER.fullmatch(written)
    if found is None:
        raise _invalid("a plain decimal such as 12.50", written)
    sign, whole, decimals, power = found.groups()
    digits = (whole + (decimals or b"")).lstrip(b"0")
    if not digits:
        return 0
    if sign:
        raise _invalid("0 or more (the type says the direction)", written)
    if len((power or b"").lstrip(b"+-0")) > _MAX_EXPONENT_DIGITS:
        raise _invalid("a decimal with a sensible exponent", written)
    scale = places + int(power or 0) - len(decimals or b"")
    # Only the leading digits can matter: 80 of them and a mark for "something follows" round
    # like the whole, and no int() of a quarter of a megabyte is ever made.
    if len(digits) > 2 * _SHOWN:
        scale += len(digits) - 2 * _SHOWN - 1
        digits = digits[: 2 * _SHOWN] + (b"1" if digits[2 * _SHOWN :].strip(b"0") else b"0")
    if len(digits) + scale > 2 * _SHOWN:
        raise _invalid("an amount within 64 bits of minor units", written)
    if len(digits) + scale < -2 * _SHOWN:
        return 0
    value = int(digits) * factor
    minor = value * 10**scale if scale >= 0 else _half_even(value, 10**-scale)
    if minor > _MAX_MINOR:
        raise _invalid("an amount within 64 bits of minor units", written)
    return minor


def _unquoted(text: bytes) -> bytes:
    """Return what a JSON string holds, or the text itself when it is no JSON string."""
    if text[:1] == b'"':
        try:
            return msgspec.json.decode(text, type=str).encode()
        except (msgspec.DecodeError, UnicodeError):
            raise _invalid("a plain decimal such as 12.50", text) from None
    if text[:1] in (b"{", b"[") or text in (b"true", b"false", b"null"):
        shown = text[:_SHOWN].decode("utf-8", "replace")
        detail = f"amount: expected a decimal as a number or a string, got {shown}"
        raise Rejected(Reason.WRONG_TYPE, detail)
    return text


def _invalid(expected: str, written: bytes) -> Rejected:
    shown = written[:_SHOWN].decode("utf-8", "replace")
    return Rejected(Reason.INVALID_VALUE, f"amount: expected {expected}, got {shown!r}")


def _unknown(currency: object, expected: str) -> Rejected:
    shown = repr(currency)[:_SHOWN]
    detail = f"currency: expected {expected}, got {shown}; add a rate under [engine.rates]"
    return Rejected(Reason.UNKNOWN_CURRENCY, detail)
