"""Wrap a rejected event as a dead letter that can be submitted again.

Responsible for the header names and for cutting what the topic would refuse. Must not produce.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.instants import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.errors import Rejected
    from schemas.vocabulary import Instant

REASON: Final = "rewake-reason"
DETAIL: Final = "rewake-detail"
ORIGIN_TOPIC: Final = "rewake-origin-topic"
ORIGIN_PARTITION: Final = "rewake-origin-partition"
ORIGIN_OFFSET: Final = "rewake-origin-offset"
REJECTED_AT: Final = "rewake-rejected-at"
TRUNCATED: Final = "truncated"
