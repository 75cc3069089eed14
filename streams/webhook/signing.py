"""Sign what is posted, so that the receiver knows who sent it and when.

Responsible for the three headers of Standard Webhooks and for checking them. Must not send.

The signature is the base64 of an HMAC-SHA256 over ``<id>.<timestamp>.<body>``, id being that of the
change and timestamp whole seconds since the epoch. It is made anew for each attempt. A receiver
refuses a timestamp more than `REPLAY_WINDOW_S` from its own clock.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from schemas.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
IDEMPOTENCY_KEY: Final = "idempotency-key"

REPLAY_WINDOW_S: Final = 300
"""How far a timestamp may be from the receiver's clock."""
LEAST_SECRET_BYTES: Final = 24

_ENCODED: Final = "whsec_"
_VERSION: Final = "v1,"


def keys_of(secret: str) -> list[bytes]:
    """Read the secrets a setting holds, separated by white space: while one is exchanged, two.

    A secret that begins with ``whsec_`` is base64 behind that, any other is taken as it stands.

    Raises
    ------
    SettingsError
        When there is none, or one is too short or no base64.

    Examples
    --------
    >>> keys_of("whsec_YSBzZWNyZXQgb2YgdHdlbnR5LWZvdXIu and-one-more-of-24-bytes.")
    [b'a secret of twenty-four.', b'and-one-more-of-24-bytes.']
    """
    keys = [_key(each) for each in secret.split()]
    if not keys:
        raise SettingsError(
            "REWAKE_WEBHOOK_SECRET: expected the secret that signs what is sent, got none; make "
            "one with `openssl rand -hex 32` and give it to the receiver, too"
        )
    return keys


def _key(secret: str) -> bytes:
    try:
        key = (
            base64.b64decode(secret.removeprefix(_ENCODED), validate=True)
            if secret.startswith(_ENCODED)
            else secret.encode()
        )
    except binascii.Error as error:
        raise SettingsError(
            f"REWAKE_WEBHOOK_SECRET: expected base64 behind {_ENCODED}, got something else"
        ) from error
    if len(key) < LEAST_SECRET_BYTES:
        raise SettingsError(
            f"REWAKE_WEBHOOK_SECRET: expected at least {LEAST_SECRET_BYTES} bytes, got {len(key)}; "
            "make one with `openssl rand -hex 32`"
        )
    return key


def headers_of(change_id: str, body: bytes, keys: Sequence[bytes], now_s: int) -> dict[str, str]:
    """Return the headers that vouch for a body.

    Parameters
    ----------
    now_s
        Whole seconds since the epoch.

    Examples
    --------
    >>> headers_of("ab12", b"{}", [b"a secret of at least 24 bytes"], 1)["webhook-signature"]
    'v1,bygQ2HuxQhqH+srbcpK1T9QR8NIwRRyUaLzLGTvpoeQ='
    """
    signed = b"%s.%d.%s" % (change_id.encode(), now_s, body)
    signatures = [_VERSION + _sign(key, signed) for key in keys]
    return {
        ID: change_id,
        TIMESTAMP: str(now_s),
        SIGNATURE: " ".join(signatures),
        IDEMPOTENCY_KEY: change_id,
    }


def verify(headers: Mapping[str, str], body: bytes, key: bytes, now_s: int) -> bool:
    """Say whether headers vouch for a body now.

    Examples
    --------
    >>> key = b"a secret of at least 24 bytes"
    >>> sent = headers_of("ab12", b"{}", [key], 1_000)
    >>> verify(sent, b"{}", key, 1_300), verify(sent, b"{}", key, 1_301)
    (True, False)
    >>> verify(sent, b"[]", key, 1_000)
    False
    """
    stamp = headers.get(TIMESTAMP, "")
    if not (stamp.isascii() and stamp.isdigit()) or abs(now_s - int(stamp)) > REPLAY_WINDOW_S:
        return False
    signed = b"%s.%d.%s" % (headers.get(ID, "").encode(), int(stamp), body)
    expected = (_VERSION + _sign(key, signed)).encode()
    given = headers.get(SIGNATURE, "").encode().split()
    return any(hmac.compare_digest(each, expected) for each in given)


def _sign(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
