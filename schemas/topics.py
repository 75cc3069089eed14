"""Catalogue every Kafka topic: the only place where a topic name is written.

Responsible for names, keys, direction, cleanup and size. Must not talk to a broker.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

_KIB: Final = 1024
_DAY_MS: Final = 86_400_000


class Direction(StrEnum):
    """Who writes a topic."""

    INPUT = "input"
    OUTPUT = "output"
    STATE = "state"


class Cleanup(StrEnum):
    """What the broker does with old records."""

    DELETE = "delete"
    COMPACT = "compact"


class Topic(msgspec.Struct, frozen=True):
    """One topic of the catalogue.

    Attributes
    ----------
    name
        ``<domain>.<dataset>.v<major>``; lower case, hyphens inside words.
    key
        What the record key is.
    what
        What the records say.
    cleanup, retention_ms
        ``delete`` keeps records this long, ``compact`` keeps the last one per key (retention None).
    direction
        Who writes it.
    max_bytes
        Largest record the topic takes (``max.message.bytes``).
    """

    name: str
    key: str
    what: str
    cleanup: Cleanup
    direction: Direction
    max_bytes: int
    retention_ms: int | None = None


PURCHASES: Final = "commerce.purchases.v1"
ENGAGEMENTS: Final = "commerce.engagements.v1"
PROFILES: Final = "customers.profiles.v1"
CONSENTS: Final = "customers.consents.v1"
SURVEYS: Final = "customers.surveys.v1"
SCORES: Final = "customers.scores.v1"
CONTACTS: Final = "outreach.contacts.v1"
ERASURES: Final = "customers.erasures.v1"
CHANGES: Final = "segmentation.changes.v1"
CUTS: Final = "segmentation.cuts.v1"
RULES: Final = "segmentation.rules.v1"
DEAD_LETTERS: Final = "segmentation.dead-letters.v1"
WEBHOOK_DEAD_LETTERS: Final = "outreach.webhook-dead-letters.v1"

INPUTS: Final = (PURCHASES, ENGAGEMENTS)
"""The inputs that a worker reads, in rank order."""

_MONTH: Final = 30 * _DAY_MS
_CUSTOMER: Final = "customer id"


def _input(name: str, what: str, retention_ms: int = _MONTH) -> Topic:
    # Inputs take records above the 256 KiB an event may have, so that the worker can say so in a
    # dead letter instead of the broker refusing them to a producer nobody watches.
    size = 1024 * _KIB
    return Topic(name, _CUSTOMER, what, Cleanup.DELETE, Direction.INPUT, size, retention_ms)


TOPICS: Final[tuple[Topic, ...]] = (
    _input(PURCHASES, "orders, refunds, cancellations"),
    _input(ENGAGEMENTS, "engagements: visits, opens, clicks"),
    _input(PROFILES, "attributes of a customer"),
    _input(CONSENTS, "consent per purpose and channel"),
    _input(SURVEYS, "answers to surveys"),
    _input(SCORES, "scores of outside models"),
    _input(CONTACTS, "outreach contacts made"),
    _input(ERASURES, "erase this person", 3650 * _DAY_MS),
    Topic(
        CHANGES,
        _CUSTOMER,
        "segment changes, the product",
        Cleanup.DELETE,
        Direction.OUTPUT,
        1024 * _KIB,
        _MONTH,
    ),
    Topic(CUTS, "name", "versioned cut points", Cleanup.COMPACT, Direction.OUTPUT, 1024 * _KIB),
    Topic(RULES, "name", "rules in force", Cleanup.COMPACT, Direction.OUTPUT, 1024 * _KIB),
    Topic(
        DEAD_LETTERS,
        "original key",
        "rejected events with reason and origin",
        Cleanup.DELETE,
        Direction.OUTPUT,
        2048 * _KIB,
        _MONTH,
    ),
    Topic(
        WEBHOOK_DEAD_LETTERS,
        _CUSTOMER,
        "changes a webhook could not deliver, with reason and origin",
        Cleanup.DELETE,
        Direction.OUTPUT,
        2048 * _KIB,
        _MONTH,
    ),
)
"""Every topic with a fixed name; the changelog's depends on the app, see `changelog`."""


def changelog(app: str) -> str:
    """Name the changelog topic of an app.

    Examples
    --------
    >>> changelog("rewake")
    'rewake-ledger-changelog'
    """
    return f"{app}-ledger-changelog"


def changelog_topic(app: str) -> Topic:
    """Describe the changelog topic of an app as a catalogue entry."""
    return Topic(
        changelog(app),
        _CUSTOMER,
        "state: one row and its tiles per customer, one position per partition",
        Cleanup.COMPACT,
        Direction.STATE,
        1024 * _KIB,
    )
