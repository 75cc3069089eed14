"""Compare accounts, and say of a customer: equal, impossible to say and why, or drift.

Responsible for what counts as a difference and for what excuses one. Pure. Must not read anything.

An account that comes out equal needs no excuse. One that does not is a drift only where nothing
else can explain it: the facts are all there, the rules were always these, and every order in which
the facts may have come says the same.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.errors import RewakeError
from schemas.instants import format_instant
from schemas.profiles import from_hash

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from schemas.changes import Change
    from schemas.vocabulary import Instant
    from streams.audit.accounts import Account, Holding, Told

STATE: Final = "state"
CHANGES: Final = "changes"
CACHE: Final = "cache"


class Skip(StrEnum):
    """Why nothing can be said of a customer, or of its cached profile."""

    UNKNOWN = "unknown"
    LOG_START = "log_start"
    RULES = "rules"
    ARRIVAL = "arrival"
    TOO_MANY = "too_many"
    LETTERS = "letters"
    CACHE_BEHIND = "cache_behind"
    CACHE_MOVED_ON = "cache_moved_on"
    CACHE_AWAY = "cache_away"


class Difference(NamedTuple):
    """One thing that is not as it must be.

    Attributes
    ----------
    where
        ``state``, ``changes`` or ``cache``.
    field
        What of it.
    expected, found
        In words.
    """

    where: str
    field: str
    expected: str
    found: str


# ---- the state against a recount


def differences(expected: Account, found: Account) -> list[Difference]:
    """List where an account differs from the one expected; of the changes told the first alone."""
    listed: list[Difference] = []
    for name, figure in expected.figures.items():
        _note(listed, STATE, name, _figure(name, figure), _figure(name, found.figures.get(name)))
    listed += stands_wrong(expected, found)
    _note(listed, STATE, "sequence", str(expected.sequence), str(found.sequence))
    for sequence in sorted(expected.changes.keys() & found.changes.keys()):
        wanted, got_change = expected.changes[sequence], found.changes[sequence]
        _note(listed, CHANGES, f"change {sequence}", _change(wanted), _change(got_change))
        if wanted != got_change:
            break
    return listed


def stands_wrong(expected: Account, found: Account) -> list[Difference]:
    """List where segments differ from those expected."""
    listed: list[Difference] = []
    for system in {**expected.segments, **found.segments}:
        segment, since = expected.segments.get(system, ("none", None))
        got, got_since = found.segments.get(system, ("none", None))
        _note(listed, STATE, system, segment, got)
        _note(listed, STATE, f"{system}.since", _when(since), _when(got_since))
    return listed


def certain(
    expected: Account, others: Sequence[tuple[Account, bool]], found: Account
) -> list[Difference]:
    """List the differences that no late fact can explain.

    Parameters
    ----------
    expected
        What must have come of facts in time.
    others
        What may have come of them late, and whether any fact was late then.
    found
        What is there.
    """
    listed = differences(expected, found)
    if not any(late or account != expected for account, late in others):
        return listed
    # What is counted does not depend on when it came; what was told of it does.
    figures = [each for each in listed if each.where == STATE and each.field in expected.figures]
    return [
        each for each in figures if all(each in differences(other, found) for other, _ in others)
    ]


def whatever_the_rules(expected: Account, listed: Sequence[Difference]) -> list[Difference]:
    """Keep the differences in what is counted under any rules.

    Where a customer's first changes are gone, nothing tells whether the rules were always these.
    """
    counted = expected.figures.keys() - {"last_engagement"}
    return [each for each in listed if each.where == STATE and each.field in counted]


# ---- the state against the changes told


def told_wrongly(stored: Account, told: Sequence[Change], complete: bool) -> list[Difference]:
    """List where the changes told do not fit the state, whatever the facts were.

    Parameters
    ----------
    stored
        The row as it stands.
    told
        The customer's changes that are still there, in the order of their log. Those later than
        the row are left out: they were told after it was read.
    complete
        Whether the topic still has its first record.
    """
    listed: list[Difference] = []
    mine = [change for change in told if change.sequence <= stored.sequence]
    sequences = [change.sequence for change in mine]
    for sequence in sorted(set(sequences)):
        times = sequences.count(sequence)
        _note(listed, CHANGES, f"change {sequence}", "told once", _times(times))
    if sequences != sorted(sequences) and len(set(sequences)) == len(sequences):
        _note(listed, CHANGES, "order", "ascending sequences", f"{sequences}")
    begin = 1 if complete else min(sequences, default=stored.sequence + 1)
    for sequence in sorted(set(range(begin, stored.sequence + 1)) - set(sequences)):
        _note(listed, CHANGES, f"change {sequence}", "told once", "never told")
    last = {change.system: change for change in mine}
    for system, change in last.items():
        segment, since = stored.segments.get(system, ("none", 0))
        wanted = f"{segment} since {_when(since)}"
        _note(listed, CHANGES, f"last of {system}", wanted, f"{change.to} since {_when(change.at)}")
    return listed


# ---- the state against the cache


def cached_wrongly(
    customer_id: str,
    holding: Holding | None,
    fields: Mapping[str, str],
    audiences: Mapping[str, Collection[str]],
) -> list[Difference] | Skip:
    """List where a cached profile does not fit the state that the cache has reached.

    Parameters
    ----------
    customer_id
        The customer.
    holding
        What the state holds; None for nothing.
    fields
        The customer's hash in Redis; empty where there is none.
    audiences
        System → segments whose sets of members have the customer.
    """
    known = holding is not None and bool(holding.stored.segments)
    if not fields or holding is None or not known:
        listed: list[Difference] = []
        there = "a profile" if fields else "none"
        _note(listed, CACHE, "profile", "a profile" if known else "none", there)
        return listed
    try:
        profile = from_hash(customer_id, fields)
    except RewakeError as error:
        return [Difference(CACHE, "profile", "every field of one", str(error))]
    if profile.version > holding.version:
        return Skip.CACHE_MOVED_ON
    listed = []
    stored = holding.stored
    for system in {**stored.segments, **profile.systems}:
        segment, since = stored.segments.get(system, ("none", None))
        standing = profile.systems.get(system)
        got, got_since = (standing.segment, standing.since) if standing else ("none", None)
        _note(listed, CACHE, system, segment, got)
        _note(listed, CACHE, f"{system}.since", _when(since), _when(got_since))
        members = ",".join(sorted(audiences.get(system, ()))) or "none"
        _note(listed, CACHE, f"audience of {system}", segment, members)
    _note(listed, CACHE, "seq", str(stored.sequence), str(profile.sequence))
    if holding.until is not None and (profile.valid_until or holding.until) < holding.until:
        until = f"{_when(holding.until)} or later"
        _note(listed, CACHE, "valid_until", until, _when(profile.valid_until))
    return listed


# ---- excuses


def judged_by_other_rules(told: Iterable[Change], version: str) -> bool:
    """Say whether a customer was ever judged under other rules, as far as its changes tell."""
    return any(change.cause == "rules" or change.rules_version != version for change in told)


def may_lack_facts(
    told: Iterable[Change],
    events: Collection[str],
    expected: Account,
    found: Account,
    log_whole: bool,
    changes_whole: bool,
) -> bool:
    """Say whether facts that are not in the log may explain a difference.

    Retention deletes the oldest, and a state that was moved to other topics has left its log
    behind. None is missing where the customer's first change is still there and the event that made
    it is still in the log; but for a refund before it, which is remembered silently.

    Parameters
    ----------
    told
        The customer's changes that are still there.
    events
        Ids of its events in the log, of the time since when all inputs are there.
    expected, found
        The accounts that differ.
    log_whole, changes_whole
        Whether inputs and changes begin with their first record.
    """
    more = (found.figures["orders_ever"] or 0) - (expected.figures["orders_ever"] or 0)
    first = next((change for change in told if change.sequence == 1), None)
    if first is not None and first.event_id in events:
        return not log_whole and _spent_less(expected, found)
    if more < 0:
        return False  # the log has an order that the state has not
    return more > 0 or not log_whole or changes_whole


def _spent_less(expected: Account, found: Account) -> bool:
    """Say whether the spend alone differs, and is less than expected."""
    spend = {name for name in expected.figures if name.startswith("spend_")}
    others = expected.figures.keys() - spend
    return all(expected.figures[name] == found.figures[name] for name in others) and any(
        (found.figures[name] or 0) < (expected.figures[name] or 0) for name in spend
    )


# ---- words


def _note(listed: list[Difference], where: str, field: str, expected: str, found: str) -> None:
    if expected != found:
        listed.append(Difference(where, field, expected, found))


def _figure(name: str, figure: int | None) -> str:
    return _when(figure) if name.startswith(("first_", "last_")) else str(figure)


def _when(instant: Instant | None) -> str:
    if instant is None:
        return "none"
    try:
        return format_instant(instant)
    except OverflowError:  # of no calendar: whatever stands where an instant should
        return str(instant)


def _times(times: int) -> str:
    return "told once" if times == 1 else f"told {times} times"


def _change(change: Told) -> str:
    system, from_, to, at, cause = change
    return f"{system}: {from_ or 'none'} → {to} at {_when(at)}, {cause}"
