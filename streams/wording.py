"""Say instants, changes and answers in words a person reads at once.

Responsible for sentences. Must not decide, and must not print.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.instants import format_instant
from schemas.vocabulary import MS_PER_DAY

if TYPE_CHECKING:
    from schemas.changes import Change
    from schemas.vocabulary import Instant
    from segmenters.rules import Rules
    from streams.reader import Answer

_UNITS: Final = (("days", MS_PER_DAY), ("hours", 3_600_000), ("minutes", 60_000))


def instant_in_words(instant: Instant | None) -> str:
    """Write an instant without the zeros nobody reads; UTC.

    Examples
    --------
    >>> instant_in_words(1298967960000), instant_in_words(1298967960007), instant_in_words(None)
    ('2011-03-01 08:26', '2011-03-01 08:26:00.007', 'never')
    """
    if instant is None:
        return "never"
    written = format_instant(instant).replace("T", " ").removesuffix("Z").removesuffix(".000")
    return written.removesuffix(":00") if written.count(":") == 2 else written


def span_in_words(ms: int) -> str:
    """Say a span roughly, in its largest unit.

    Examples
    --------
    >>> span_in_words(12_000), span_in_words(7_200_000), span_in_words(400 * 86_400_000)
    ('12 seconds', '2 hours', '400 days')
    """
    for unit, size in _UNITS:
        if ms >= 2 * size:
            return f"{ms // size:,} {unit}"
    return f"{ms // 1000} seconds"


def change_in_words(change: Change) -> str:
    """Say who moved from where to where, when, and what made it.

    Examples
    --------
    >>> from schemas.changes import Change, Words
    >>> features = {"n": 4, "p": 1291191960000, "days_without_order": 90}
    >>> print(change_in_words(Change(
    ...     "", 7, "17850", "lifecycle", "active", "silent", 1298967960000, 0, "clock", None, None,
    ...     "", Words("沉默客户", "Silent"), features=features)))
    17850: active → silent at 2011-03-01 08:26, 90 days without an order
    """
    moved = f"{change.from_} → {change.to}" if change.from_ else change.to
    why = _why(change) if change.system == "lifecycle" else ""
    return f"{change.customer_id}: {moved} at {instant_in_words(change.at)}{why and ', '}{why}"


def _why(change: Change) -> str:
    features = change.features
    if change.cause not in {"event", "clock"}:
        return change.cause
    if change.to in {"silent", "churned"}:
        return f"{features.get('days_without_order')} days without an order"
    if change.cause == "clock":
        return f"{change.from_} long enough"
    ordered = features.get("p") == change.at
    if change.to == "reactivated":
        return "ordered again" if ordered else "engaged again"
    if change.to == "prospect":
        return "no order left" if change.from_ else "no order yet"
    return f"order number {features.get('n')}" if ordered else "an order was taken back"


def answer_in_words(answer: Answer, rules: Rules, now: Instant) -> list[str]:
    """Say what the cache holds of a customer, and as of when it is right; one entry a line."""
    profile = answer.profile
    if profile is None:
        return [_unknown(answer)]
    labels = {system.key: system.labels for system in rules.systems}
    width = max(map(len, profile.systems), default=0)
    lines = [f"customer {answer.customer_id}"]
    for system, standing in profile.systems.items():
        label = labels.get(system, {}).get(standing.segment)
        called = f"  {label.zh} / {label.en}" if label else ""
        since = instant_in_words(standing.since)
        lines.append(f"  {system:<{width}}  {standing.segment}{called}, since {since}")
    lines.append(f"  {_as_of(answer, now)}")
    until = instant_in_words(profile.valid_until)
    if answer.overdue:
        lines += [
            f"  overdue: {system} should have become {segment} at {until}"
            for system, segment in answer.overdue.items()
        ]
    elif profile.valid_until is not None:
        lines += [
            f"  next: {system} becomes {segment} at {until}, unless something happens before"
            for system, segment in profile.next.items()
        ]
    else:
        lines.append("  next: nothing, unless something happens")
    return lines


def _unknown(answer: Answer) -> str:
    expected = f"rewake: expected a profile of customer {answer.customer_id}, the cache"
    if answer.as_of is None:
        return f"{expected} has none and {_no_clock(answer)}"
    as_of = instant_in_words(answer.as_of)
    stale = " (STALE: the worker stands still or lags)" if answer.stale else ""
    return (
        f"{expected} knows no order or engagement of such a customer as of {as_of}{stale}; "
        "check the id"
    )


def _as_of(answer: Answer, now: Instant) -> str:
    """Say up to when the answer holds, and what is wrong with it if something is."""
    if answer.as_of is None:
        return f"STALE: {_no_clock(answer)}"
    as_of = f"as of {instant_in_words(answer.as_of)}"
    if answer.until is not None:
        if answer.as_of >= answer.until:
            return f"{as_of}, the end of the replayed history"
        return f"{as_of}; the replay goes on up to {instant_in_words(answer.until)}"
    if not answer.stale:
        return f"{as_of}, up to date"
    behind = now - answer.as_of
    found = f"STALE: right {as_of}, {span_in_words(behind)} ago: the worker stands still or lags"
    if behind < MS_PER_DAY:
        return found
    return (
        f"{found}. Was it a replay of history? Then set REWAKE_CLOCK=event and REWAKE_UNTIL as the "
        "worker has them"
    )


def _no_clock(answer: Answer) -> str:
    if answer.partition is None:
        return "was never filled, or was flushed; does a worker run against this Redis?"
    return (
        f"no clock of partition {answer.partition} is published; does a worker run against this "
        "Redis, and is it still writing all customers?"
    )
