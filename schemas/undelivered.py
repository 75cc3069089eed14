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

GROUP: Final = "rewake-group"
"""The webhook that gave the change up, by its consumer group."""

UNREADABLE: Final = "unreadable"
"""Reason of a record that is no change; the others say what the endpoint did: ``http_400``, …"""

_ORIGIN: Final = frozenset({ORIGIN_TOPIC, ORIGIN_PARTITION, ORIGIN_OFFSET})
_OF_LETTER: Final = _ORIGIN | {GROUP, REASON, DETAIL, ATTEMPTS, STATUS, REJECTED_AT}


def undelivered_headers(
    headers: Iterable[tuple[str, bytes]],
    group: str,
    reason: str,
    detail: str,
    attempts: int,
    status: int | None,
    origin: Origin,
    rejected_at: Instant,
) -> list[tuple[str, bytes]]:
    """Return the headers of the dead letter; its key and value are those of the change.

    A change that was a dead letter before keeps its origin and loses what was said of it then.

    Examples
    --------
    >>> from schemas.dead_letters import Origin
    >>> made = undelivered_headers([], "crm", "http_400", "…", 1, 400, Origin("t", 0, 7), 0)
    >>> dict(made)["rewake-status"], dict(made)["rewake-attempts"]
    (b'400', b'1')
    >>> where = Origin("letters", 0, 0)
    >>> again = undelivered_headers(made, "crm", "timeout", "…", 8, None, where, 1)
    >>> dict(again)["rewake-reason"], dict(again)["rewake-origin-topic"], len(again) < len(made)
    (b'timeout', b't', True)
    """
    of_change = [(name, said) for name, said in headers if name not in _OF_LETTER]
    came = [(name, said) for name, said in headers if name in _ORIGIN] or [
        (ORIGIN_TOPIC, origin.topic.encode()),
        (ORIGIN_PARTITION, b"%d" % origin.partition),
        (ORIGIN_OFFSET, b"%d" % origin.offset),
    ]
    added = [
        (GROUP, group.encode()),
        (REASON, reason.encode()),
        (DETAIL, detail.encode()),
        (ATTEMPTS, b"%d" % attempts),
        (REJECTED_AT, format_instant(rejected_at).encode()),
    ]
    if status is not None:
        added.append((STATUS, b"%d" % status))
    return [*of_change, *added, *came]
