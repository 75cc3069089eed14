"""Read REWAKE_WEB_TOKENS, and say what the bearer of a token may do.

Responsible for the form of the setting and for comparing in constant time. A token is kept as its
digest only. Must not know requests.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST: Final = 16
"""Characters a token has at least."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]+")
_FORM: Final = (
    f"tokens as token:scope+scope, one a line or separated by commas, each of {LEAST} or more "
    "of the characters a-z A-Z 0-9 . _ ~ + / = -, the scopes among read, explain, erase"
)


class Scope(StrEnum):
    """What a token may be used for."""

    READ = "read"
    EXPLAIN = "explain"
    ERASE = "erase"


class Token(NamedTuple):
    """One entry of the setting."""

    secret: str
    scopes: frozenset[Scope]


class Caller(NamedTuple):
    """Who asks: what limits count by, and what may be asked for."""

    name: str
    scopes: frozenset[Scope]


ANYTHING: Final = frozenset(Scope)


def parse_tokens(written: str) -> list[Token]:
    """Read the setting.

    Raises
    ------
    ValueError
        When it is something else; the message shows nothing of it.

    Examples
    --------
    >>> [token] = parse_tokens("0123456789abcdef:read+explain")
    >>> sorted(token.scopes)
    [<Scope.EXPLAIN: 'explain'>, <Scope.READ: 'read'>]
    """
    return list(_entries(written))


def _entries(written: str) -> Iterator[Token]:
    for entry in re.split(r"[\s,]+", written.strip()):
        if not entry:
            continue
        secret, _, scopes = entry.partition(":")
        names = scopes.split("+")
        fits = len(secret) >= LEAST and _TOKEN.fullmatch(secret)
        if not fits or not set(names) <= set(Scope):
            raise ValueError(_FORM)
        yield Token(secret, frozenset(map(Scope, names)))


def with_scope(written: str, scope: Scope) -> str | None:
    """Return the first token that has a scope, for asking another process of this app."""
    return next((each.secret for each in parse_tokens(written) if scope in each.scopes), None)


class Tokens:
    """The tokens in force.

    Parameters
    ----------
    written
        REWAKE_WEB_TOKENS; empty: whoever asks may ask anything.
    """

    def __init__(self, written: str) -> None:
        self._known = [
            (_digest(each.secret.encode()), Caller(f"token {number}", each.scopes))
            for number, each in enumerate(parse_tokens(written), 1)
        ]

    def __bool__(self) -> bool:
        return bool(self._known)

    def caller(self, authorization: bytes | None, address: str) -> Caller | None:
        """Say who sends this header.

        Parameters
        ----------
        authorization
            The value of ``Authorization``; None without one.
        address
            Where it comes from: the name of who has no token.

        Returns
        -------
        Caller or None
            None when tokens are asked for and this is none of them.

        Examples
        --------
        >>> tokens = Tokens("0123456789abcdef:read")
        >>> tokens.caller(b"Bearer 0123456789abcdef", "::1").name
        'token 1'
        >>> tokens.caller(b"Bearer 0123456789abcdeF", "::1") is None
        True
        """
        if not self._known:
            return Caller(address, ANYTHING)
        kind, _, sent = (authorization or b"").partition(b" ")
        if kind.lower() != b"bearer":
            return None
        digest, found = _digest(sent.strip()), None
        for known, caller in self._known:  # all of them, always: the time says nothing
            if hmac.compare_digest(known, digest):
                found = caller
        return found


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
