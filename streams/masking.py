"""Keep secrets out of everything that is shown: settings, errors and logs.

Responsible for which settings hold secrets, what these are, and for text without them. Must not
decide what is shown or logged.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, get_args
from urllib.parse import quote, unquote

from pydantic import SecretStr

from streams.setting_values import HOLDS_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

MASK: Final = "********"

_LEAST: Final = 4
"""Shorter words are left: they stand in other words, and protect nothing."""

# Rather too much than too little: up to the last @, whatever an unescaped password has in it.
_IN_URL: Final = re.compile(r"(?<=://)(?P<user>[^:@/]*):(?P<secret>.*)(?=@)", re.DOTALL)
_IN_QUERY: Final = re.compile(r"(?P<name>[?&](?:ssl_)?password=)(?P<secret>[^&]*)")
# What a login sends, as kafka-python shows it at debug level: a password, or proof of one.
_LOGIN_BYTES: Final = re.compile(r"auth_bytes=b(['\"]).*?(?<!\\)\1")


def is_secret(field: FieldInfo) -> bool:
    """Say whether a setting may hold a secret."""
    kinds = (field.annotation, *get_args(field.annotation))
    return SecretStr in kinds or HOLDS_SECRET in field.metadata


def mask_url(url: str) -> str:
    """Return a URL without its password.

    Examples
    --------
    >>> mask_url("rediss://worker:se/sa@me@cache:6379/0")
    'rediss://worker:********@cache:6379/0'
    >>> mask_url("redis://cache:6379/0?password=sesame&db=1")
    'redis://cache:6379/0?password=********&db=1'
    """
    return _IN_QUERY.sub(rf"\g<name>{MASK}", _IN_URL.sub(rf"\g<user>:{MASK}", url))


def secrets_in(settings: BaseSettings) -> list[str]:
    """List every word of the settings that must not be shown, the longest first.

    Of a setting with several secrets, apart by commas or lines, each is one, and so is what stands
    before its colon; of a URL its password is. Each stands here in every form it may be met in.
    """
    found: set[str] = set()
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if not is_secret(field) or not value:
            continue
        if isinstance(value, SecretStr):
            found |= _pieces(value.get_secret_value())
        else:
            matches = (*_IN_URL.finditer(str(value)), *_IN_QUERY.finditer(str(value)))
            found |= {match["secret"] for match in matches}
    forms = {form for word in found for form in _forms(word) if len(form) >= _LEAST}
    return sorted(forms, key=lambda form: (-len(form), form))


def _pieces(value: str) -> set[str]:
    words = [value, *re.split(r"[\s,]+", value)]
    return {*words, *(word.rpartition(":")[0] for word in words)}


def _forms(word: str) -> Iterable[str]:
    for meant in (word, unquote(word)):
        yield meant
        yield quote(meant, safe="")
        yield repr(meant)[1:-1]
        yield repr(meant.encode())[2:-1]
        yield json.dumps(meant)[1:-1]


def mask(text: str, secrets: Iterable[str]) -> str:
    """Return a text without these words, and without what a login to Kafka sends.

    Examples
    --------
    >>> mask("SaslAuthenticateRequest(auth_bytes=b'x', version=2) as sesame", ["sesame"])
    'SaslAuthenticateRequest(auth_bytes=********, version=2) as ********'
    """
    for secret in secrets:
        text = text.replace(secret, MASK)
    return _LOGIN_BYTES.sub(f"auth_bytes={MASK}", text)
