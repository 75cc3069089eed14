"""Wrap a change that could not be delivered as a dead letter of its webhook.

Responsible for the headers. Must not produce, and must not decide that a change is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.dead_letters import (
    DETAIL,
    ORIGIN_OFFSET,
    ORIGIN_PARTITION,
    ORIGIN_TOPIC,
    REASON,
    REJECTED_AT,
)
from schemas.instants import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.dead_letters import Origin
    from schemas.vocabulary import Instant

ATTEMPTS: Final = "rewake-attempts"
STATUS: Final = "rewake-status"
"""Only where the endpoint answered: the status of its last answer."""

UNREADABLE: Final = "unreadable"
"""Reason of a record that is no change; the others say what the endpoint did: ``http_400``, …"""


def undelivered_headers(
    headers: Iterable[tuple[str, bytes]],
    reason: str,
    detail: str,
    attempts: int,
    status: int | None,
    origin: Origin,
    rejected_at: Instant,
) -> list[tuple[str, bytes]]:
    """Return the headers of the dead letter; its key and value are those of the change.

    Examples
    --------
    >>> from schemas.dead_letters import Origin
    >>> made = undelivered_headers([], "http_400", "…", 1, 400, Origin("t", 0, 7), 0)
    >>> dict(made)["rewake-status"], dict(made)["rewake-attempts"]
    (b'400', b'1')
    """
    added = [
        (REASON, reason.encode()),
        (DETAIL, detail.encode()),
        (ATTEMPTS, b"%d" % attempts),
        (ORIGIN_TOPIC, origin.topic.encode()),
        (ORIGIN_PARTITION, b"%d" % origin.partition),
        (ORIGIN_OFFSET, b"%d" % origin.offset),
        (REJECTED_AT, format_instant(rejected_at).encode()),
    ]
    if status is not None:
        added.append((STATUS, b"%d" % status))
    return [*headers, *added]
