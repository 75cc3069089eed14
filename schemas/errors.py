"""Hold every error Rewake raises on purpose.

Responsible for the tree, the reasons of rejection and the exit codes. Must not decide when an error
is raised. Messages say what was expected, what came, and what to do.

::

    RewakeError
    ├── UsageError              the command was called wrongly              exit 2
    │   ├── RulesError          the rules file, with the path in it         exit 2
    │   └── SettingsError       a setting of the operator                   exit 2
    ├── DeliveryError           going on could lose or repeat something     exit 1
    │   ├── StateMissing        state_missing: no position, yet traces of one
    │   ├── InputTruncated      input_truncated: the log starts after the position
    │   ├── InputReset          input_reset: the log ends before the position, or is another
    │   ├── ContinuityBroken    continuity_broken: a hole the log cannot fill
    │   ├── PartitionsChanged   partitions_changed: another partition count, live state
    │   ├── LayoutChanged       layout_changed: rows of a layout that cannot be migrated
    │   ├── RulesChanged        rules_changed: rules the state cannot be brought under
    │   ├── ChangelogCorrupt    changelog_corrupt: a row that cannot be read back
    │   ├── ProducerFailed      producer_failed: outcome of a transaction unknown
    │   └── Stalled             stalled: no progress within the bound
    ├── CacheHeld               the state of another app fills the cache        exit 1
    ├── NotExplained            a worker answered, without an explanation       exit 1
    └── Rejected                one bad event: a dead letter, then on
"""
# ruff: noqa: N818 — names say what happened; the root says that they are errors.

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class RewakeError(Exception):
    """Root of every error raised on purpose.

    Parameters
    ----------
    message
        What was expected, what came, what to do.

    Examples
    --------
    >>> RewakeError("expected a topic, got none; run `rewake topics create`").code
    'error'
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UsageError(RewakeError):
    """Say that a command was called wrongly."""

    code = "usage"
    exit_code = 2


class RulesError(UsageError):
    """Say what is wrong in the rules file, and where.

    Parameters
    ----------
    path
        Dotted path of the key, e.g. ``systems.lifecycle.silent_purchase_days``.
    message
        What was expected there, what came, what to do.

    Examples
    --------
    >>> print(RulesError("engine.base_currency", "expected an ISO 4217 code, got 'quid'"))
    engine.base_currency: expected an ISO 4217 code, got 'quid'
    """

    code = "rules"

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.detail = message

    def __reduce__(self) -> tuple[type[RulesError], tuple[str, str]]:
        """Pickle by the two arguments, not by the joined message."""
        return type(self), (self.path, self.detail)


class SettingsError(UsageError):
    """Say which setting cannot be used and what it may be."""

    code = "settings"


class DeliveryError(RewakeError):
    """Say that going on could lose or repeat something: stop loudly, acknowledge nothing."""

    code = "delivery"


class StateMissing(DeliveryError):
    """Say that a partition has no position although it has been worked on before.

    Restore the changelog topic from a backup, or start over: stop the workers, delete the changelog
    topic, the consumer group and the key ``rw:epoch``, and let the inputs be read from their start.
    """

    code = "state_missing"


class InputTruncated(DeliveryError):
    """Say that the input log starts after the position: events were deleted unread.

    Retention was shorter than the workers were away. Replay what is lost from a backup, or start
    over under a new REWAKE_APP; then lengthen the retention.
    """

    code = "input_truncated"


class InputReset(DeliveryError):
    """Say that the input log ends before the position, or is another topic of the same name.

    The topic was deleted and made again, or the cluster lost records. Restore it, or start over
    under a new REWAKE_APP.
    """

    code = "input_reset"


class ContinuityBroken(DeliveryError):
    """Say that offsets are missing between two batches and the log no longer has them.

    Nothing of them was applied. Look for retention that deletes what is being read, and for a
    producer that left a transaction open; then start the worker again.
    """

    code = "continuity_broken"


class PartitionsChanged(DeliveryError):
    """Say that an input has another partition count than the live state.

    docs/how-to/change-the-partition-count.md leads from one count to another.
    """

    code = "partitions_changed"


class LayoutChanged(DeliveryError):
    """Say that stored rows have a layout that cannot be migrated by field name.

    Start the version of Rewake which wrote them, or start over under a new
    REWAKE_APP.
    """

    code = "layout_changed"


class RulesChanged(DeliveryError):
    """Say that the state was judged by rules from which these cannot take over.

    The message names what differs. Go back to the rules before, or start over under a new
    REWAKE_APP.
    """

    code = "rules_changed"


class ChangelogCorrupt(DeliveryError):
    """Say that a changelog record cannot be read back.

    Somebody else wrote to the changelog, or records of it are gone. Restore it from a backup, or
    start over under a new REWAKE_APP; let only the workers write to it.
    """

    code = "changelog_corrupt"


class ProducerFailed(DeliveryError):
    """Say that a transaction failed or its outcome is unknown.

    Start the worker again: it finds out what was committed. If it comes again, look at the broker,
    its quotas and the rights of the user.
    """

    code = "producer_failed"


class Stalled(DeliveryError):
    """Say that something made no progress within its bound.

    Start the worker again. If it comes again, look at the broker and at what else runs on the
    machine; the bound is REWAKE_STALL_TIMEOUT.
    """

    code = "stalled"


class CacheHeld(RewakeError):
    """Say that the cache is filled by another app, or from another changelog.

    Give each app a Redis database of its own, or hand this one over: stop the workers of the other
    app and delete the key ``rw:epoch``.
    """

    code = "cache_held"


class NotExplained(RewakeError):
    """Say that the owner of a partition answered, with no explanation.

    The message has the worker's words: the customer is unknown, a token with the scope ``explain``
    is asked for, or the partition is just moving. Ask again in a moment; a lookup without
    ``--explain`` answers from the cache all the same.

    Parameters
    ----------
    message
        What was expected, what came, what to do.
    status
        The HTTP status of the answer.
    detail
        Its words.
    """

    code = "not_explained"

    def __init__(self, message: str, status: int, detail: str) -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail

    def __reduce__(self) -> tuple[type[NotExplained], tuple[str, int, str]]:
        """Pickle by the arguments, not by the message alone."""
        return type(self), (self.message, self.status, self.detail)


class Reason(StrEnum):
    """Why an event was rejected; public, in the dead letter's headers and a metric's label."""

    MALFORMED_JSON = "malformed_json"
    """is no JSON object in UTF-8, or has no value at all."""
    MISSING_FIELD = "missing_field"
    """lacks a field that every event of its type has."""
    WRONG_TYPE = "wrong_type"
    """has a field of another JSON type than it should have."""
    INVALID_VALUE = "invalid_value"
    """has a value outside its range: an amount below 0, say, or one that is no number."""
    UNKNOWN_TYPE = "unknown_type"
    """is neither order, refund nor cancel."""
    UNKNOWN_CURRENCY = "unknown_currency"
    """is in a currency for which the rules have no rate."""
    MISSING_CUSTOMER = "missing_customer"
    """names no customer."""
    MISROUTED = "misrouted"
    """has another key than its customer, or lies in another partition than its key's."""
    IMPLAUSIBLE_TIMESTAMP = "implausible_timestamp"
    """is of before 1990: seconds were sent for milliseconds, most likely."""
    FUTURE_TIMESTAMP = "future_timestamp"
    """is further in the future than REWAKE_MAX_FUTURE allows."""
    TOO_LATE = "too_late"
    """is further in the past of its customer than `max_lateness_days` allows."""
    OVERSIZED = "oversized"
    """is larger than 256 KiB."""


class Rejected(RewakeError):
    """Reject one event: it becomes a dead letter and the stream goes on.

    Parameters
    ----------
    reason
        One of the public reasons.
    detail
        What was expected, what came, what to do; names the field.

    Examples
    --------
    >>> print(Rejected(Reason.INVALID_VALUE, "amount: expected 0 or more, got -1"))
    invalid_value: amount: expected 0 or more, got -1
    """

    code = "rejected"

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[Rejected], tuple[Reason, str]]:
        """Pickle by the two arguments, not by the joined message."""
        return type(self), (self.reason, self.detail)
