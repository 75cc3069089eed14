"""Make one request to the endpoint, and say what its end means.

Responsible for the request, and for telling delivered, try again and refused apart. Must not try
again, and must not decide where a refused change goes.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

import httpx

from schemas.errors import SettingsError
from streams.webhook.signing import headers_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST_RETRY_AFTER_S: Final = 300.0
"""An endpoint that asks for more is asked again after this."""
RETRIED: Final = frozenset({408, 425, 429})
"""Statuses below 500 that pass; all of 500 and above do, too."""
# Those that say the endpoint is not there: they say nothing of the change that was sent.
_AWAY: Final = frozenset({408, 425, 429, 502, 503, 504})

_EVENT_HEADERS: Final = ("ce_specversion", "ce_type", "ce_id", "ce_source", "ce_time")


class Parcel(NamedTuple):
    """What is posted: a change as it stands in the topic.

    Attributes
    ----------
    id
        The change's id.
    body
        Its bytes.
    headers
        Those of its record.
    """

    id: str
    body: bytes
    headers: Sequence[tuple[str, bytes]]


class Refused(Exception):  # noqa: N818 - says what happened, as all errors here do
    """The endpoint did not take a change.

    Parameters
    ----------
    reason
        One word for metrics and dead letters: ``http_503``, ``timeout``, ``network``.
    status
        The status it answered with; None without an answer.
    passing
        Whether trying again may help.
    away
        Whether the endpoint as a whole seems not to be there.
    retry_after
        Seconds it asked to be left alone for.
    """

    def __init__(
        self, reason: str, status: int | None, *, passing: bool, away: bool, retry_after: float = 0
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.passing = passing
        self.away = away
        self.retry_after = retry_after


class Endpoint:
    """Where changes are posted.

    Parameters
    ----------
    url
        Its address, http or https.
    keys
        What requests are signed with.
    abreast
        How many requests are made at a time.
    timeout
        Seconds a request may take.
    """

    def __init__(self, url: str, keys: Sequence[bytes], abreast: int, timeout: float) -> None:
        self._url = url
        self._keys = keys
        self._timeout = timeout
        # A redirect would hand a signed change to whoever is named in it. Certificates are
        # verified; proxies and certificate files of the environment count.
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            timeout=timeout,
            limits=httpx.Limits(max_connections=abreast, max_keepalive_connections=abreast),
            headers={"user-agent": "rewake-webhook", "content-type": "application/json"},
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def post(self, parcel: Parcel) -> None:
        """Post a change once.

        Raises
        ------
        Refused
            When it was not taken.
        """
        signed = headers_of(parcel.id, parcel.body, self._keys, int(time.time()))
        headers = {**event_headers(parcel.headers), **signed}
        try:
            # httpx bounds each read and write; an endpoint that drips would last for ever.
            async with asyncio.timeout(self._timeout):
                async with self._client.stream(
                    "POST", self._url, content=parcel.body, headers=headers
                ) as response:
                    # The status says it all; a body without an end is not waited for.
                    status, after = response.status_code, response.headers.get("retry-after")
        except (TimeoutError, httpx.TimeoutException) as error:
            raise Refused("timeout", None, passing=True, away=True) from error
        except httpx.TransportError as error:
            raise Refused("network", None, passing=True, away=True) from error
        if not 200 <= status < 300:
            raise Refused(
                f"http_{status}",
                status,
                passing=status >= 500 or status in RETRIED,
                away=status in _AWAY,
                retry_after=seconds_of(after),
            )


def event_headers(headers: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Return the CloudEvents headers as HTTP writes them, without the one that holds the customer.

    Examples
    --------
    >>> event_headers([("ce_type", b"rewake.segment.changed.v1"), ("ce_subject", b"c-1")])
    {'ce-type': 'rewake.segment.changed.v1'}
    """
    return {
        name.replace("_", "-"): content.decode("ascii", "replace")
        for name, content in headers
        if name in _EVENT_HEADERS
    }


def seconds_of(retry_after: str | None) -> float:
    """Read Retry-After: seconds, or the instant of an HTTP date; 0 where it says neither.

    Examples
    --------
    >>> seconds_of("7"), seconds_of("soon"), seconds_of(None), seconds_of("86400")
    (7.0, 0.0, 0.0, 300.0)
    """
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    ahead = (at - datetime.now(UTC)).total_seconds()
    return min(max(ahead, 0.0), LONGEST_RETRY_AFTER_S)


def check_url(url: str) -> str:
    """Check where changes are to be posted; return its host, which may be logged.

    Raises
    ------
    SettingsError
        When it is no address of HTTP; does not show it, for it may hold a secret.

    Examples
    --------
    >>> check_url("https://hooks.example.com/in?token=sesame")
    'hooks.example.com'
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        host = ""
    if not host or parts.scheme not in {"http", "https"}:
        raise SettingsError(
            "REWAKE_WEBHOOK_URL: expected the https:// or http:// address changes are posted to, "
            + ("got nothing" if not url else "got something else")
        )
    return host
