"""Say that the cache cannot be written: at once, now and then, and when it is over.

Responsible for the log lines and for what an operator can do. Must not decide what happens next.
"""

from __future__ import annotations

import re
import time
from typing import Final

import structlog

_log: Final = structlog.get_logger(__name__)

EVERY_S: Final = 60.0
"""Seconds between two lines on a trouble that goes on."""

_ADVICE: Final = (
    ("WRONGTYPE", "keys below rw: hold something else: find them with SCAN and TYPE, delete them"),
    ("OOM|OutOfMemory", "Redis is full: raise maxmemory, or give the cache a Redis of its own"),
    ("READONLY|ReadOnly", "REWAKE_REDIS points to a replica: point it to the primary"),
    ("mismatch", "use a host in REWAKE_REDIS which the certificate of Redis is for"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "name the authority of the certificate of Redis: REWAKE_REDIS=rediss://…?ssl_ca_certs=FILE",
    ),
    ("NOAUTH|WRONGPASS|Authentication", "user or password in REWAKE_REDIS are refused"),
    (
        "NOPERM|NoPermission|permission",
        "the user in REWAKE_REDIS lacks a right: docs/security.md lists them",
    ),
    ("MISCONF", "Redis cannot save to its disk: make room there"),
    ("CROSSSLOT", "the cache needs one Redis, not a cluster: set REWAKE_REDIS to a single one"),
    ("CacheHeld", "the message says how to hand it over"),
    ("Connection|Timeout|OSError", "is Redis up, is REWAKE_REDIS right?"),
)


def advice(error: object) -> str:
    """Say what to do about an error, or about a server's words.

    Examples
    --------
    >>> advice("OOM command not allowed when used memory > 'maxmemory'.")
    'Redis is full: raise maxmemory, or give the cache a Redis of its own'
    """
    said = f"{type(error).__name__} {error}"
    for pattern, what in _ADVICE:
        if re.search(pattern, said):
            return what
    return "look at the error; what is not written is tried again"


class Trouble:
    """One kind of trouble, from its first sign to its end.

    Parameters
    ----------
    event
        What is logged while it lasts.
    """

    def __init__(self, event: str) -> None:
        self._event = event
        self._count = 0
        self._since = self._told = self._last = 0.0

    def note(self, error: object, **details: object) -> None:
        """Take note of a sign of it."""
        now = time.monotonic()
        if not self._count or now - self._last >= EVERY_S:
            self._count, self._since, self._told = 0, now, now - EVERY_S
        self._count += 1
        self._last = now
        if now - self._told >= EVERY_S:
            self._told = now
            said = str(error) if isinstance(error, str) else f"{type(error).__name__}: {error}"
            _log.error(
                self._event,
                error=said,
                do=advice(error),
                times=self._count,
                meanwhile="the engine goes on, lookups say stale",
                **details,
            )

    def over(self) -> None:
        """Take note that all is well."""
        if self._count:
            seconds = round(time.monotonic() - self._since, 1)
            _log.info(f"{self._event}: over", times=self._count, seconds=seconds)
            self._count = 0
