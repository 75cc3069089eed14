"""Read and write the values single settings may have.

Responsible for spans of time, addresses and instants as an operator writes them. A value that
cannot be used raises ValueError with what was expected; which setting it was is said elsewhere.
"""

from __future__ import annotations

import ipaddress
import re
from decimal import Decimal
from typing import Annotated, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, SecretStr
from pydantic_settings import NoDecode

from schemas.errors import Rejected
from schemas.instants import format_instant, parse_instant
from schemas.vocabulary import MS_PER_DAY, Instant
from streams.serving.tokens import parse_tokens

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
HOLDS_SECRET: Final = "holds a secret"
"""Marks a setting that may have a password in it; values of pydantic's SecretStr need no mark."""

_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": MS_PER_DAY}

_URL_OPTIONS: Final = frozenset({
    "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_password", "ssl_check_hostname",
    "ssl_cert_reqs", "db", "username", "password", "protocol",
})  # fmt: skip


class Address(NamedTuple):
    """Where a server of ours listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_duration(value: object) -> int:
    """Read a span of time written with its unit, as milliseconds; an integer is one already.

    Raises
    ------
    ValueError
        Without a unit, below a millisecond, or not a number.

    Examples
    --------
    >>> parse_duration("2s"), parse_duration("1.5m"), parse_duration("250ms")
    (2000, 90000, 250)
    """
    if isinstance(value, int):
        return value
    found = _DURATION.fullmatch(str(value).strip())
    span = found and Decimal(found[1]) * _UNITS[found[2]]
    if span is None or span != int(span):
        message = "a span with its unit, in whole milliseconds: 250ms, 2s, 5m, 1h or 2d"
        raise ValueError(message)
    return int(span)


def parse_address(value: object) -> Address:
    """Read ``host:port``.

    Raises
    ------
    ValueError
        When it is something else.

    Examples
    --------
    >>> parse_address("127.0.0.1:8080")
    Address(host='127.0.0.1', port=8080)
    """
    if isinstance(value, Address):
        return value
    host, colon, port = str(value).rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65_536):
        message = "host:port, e.g. 127.0.0.1:8080"
        raise ValueError(message)
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches an address.

    Examples
    --------
    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "shop.example")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_bootstrap(value: str) -> str:
    for server in value.split(","):
        try:
            parse_address(server)
        except ValueError:
            message = "host:port, or several separated by commas"
            raise ValueError(message) from None
    return value


def _check_redis(value: str) -> str:
    if value and not value.startswith(("redis://", "rediss://", "unix://")):
        message = "a URL with redis://, rediss:// or unix://, or nothing for no cache"
        raise ValueError(message)
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        # The words of the library would hold what it took for a port: a part of the password.
        message = "a URL with a number as port; in a password write @ : / ? # % as %40 %3A %2F …"
        raise ValueError(message) from None
    unknown = sorted(dict(parse_qsl(parts.query)).keys() - _URL_OPTIONS)
    if unknown:
        allowed = ", ".join(sorted(_URL_OPTIONS))
        message = f"a URL with options among {allowed}, got {', '.join(unknown)}"
        raise ValueError(message)
    return value


def _check_tokens(value: SecretStr) -> SecretStr:
    parse_tokens(value.get_secret_value())
    return value


def _parse_until(value: object) -> Instant:
    text = str(value)
    try:
        return parse_instant(int(text) if re.fullmatch(r"-?[0-9]+", text) else text)
    except Rejected as error:
        message = "an instant: RFC 3339 with an offset (2011-12-10T00:00:00Z) or epoch ms"
        raise ValueError(message) from error


def _write_duration(span: int) -> str:
    """Write milliseconds with the largest unit that keeps them whole."""
    unit, size = next(item for item in reversed(_UNITS.items()) if span % item[1] == 0)
    return f"{span // size}{unit}" if span else "0s"


Span = Annotated[int, BeforeValidator(parse_duration), PlainSerializer(_write_duration)]
"""A setting in milliseconds, written with a unit."""

HostPort = Annotated[Address, NoDecode, BeforeValidator(parse_address), PlainSerializer(str)]
Until = Annotated[Instant, BeforeValidator(_parse_until), PlainSerializer(format_instant)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
TopicPrefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")]
Bootstrap = Annotated[str, AfterValidator(_check_bootstrap)]
CacheUrl = Annotated[str, AfterValidator(_check_redis), HOLDS_SECRET]
TokenList = Annotated[SecretStr, AfterValidator(_check_tokens)]
