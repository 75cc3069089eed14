"""Put changes and profiles into words: ids, names, labels, plays, what the rule looked at.

Responsible for what leaves the engine as a message. It must not decide: every number comes from the
kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from schemas.changes import Change, Next, Words, change_id
from schemas.profiles import Profile, Standing
from schemas.vocabulary import CAUSE_WORDS, Cause, Instant
from segmenters.instants import FAR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from segmenters.batch import EventBatch
    from segmenters.ledger import Ledger, Rows
    from segmenters.rules import Rules

_HEAD: Final = 12
"""Fields of a change record before the features (`segmenters.kernel_source.out_dtype_fields`)."""

_SAID: Final = ("at", "event", "sequence", "system", "before", "after", "cause")
"""Those of them that every change tells, beside its customer."""

_CLOCK: Final = int(Cause.CLOCK)
_CORRECTION: Final = int(Cause.CORRECTION)
"""Plain numbers: to look an enumeration's member up takes as long as to make the message."""

FORGOTTEN: Final = -2
"""Stands for a segment from which a change came, and which the rules in force do not have."""


_MOVES: Final = 20_000
"""Moves that are kept; each has the segments of all systems, of which there may be very many."""


class _Move(NamedTuple):
    """What is always the same of a move between two segments of a customer who stands so."""

    key: str
    from_: str | None
    to: str
    labels: Words
    play: Words | None
    looked_at: Callable[[Any, Any, int], dict[str, Any]]
    compiled: Any
    segments: tuple[str, ...]
    others: dict[str, str | None]


class Teller:
    """Speaks of the enabled systems.

    Parameters
    ----------
    rules
        The rules in force.
    compiled
        The systems' parameters.
    features
        The kernel's tuple of features.
    former
        Per system, names of segments it has no more; customers may come from them.
    """

    def __init__(
        self,
        rules: Rules,
        compiled: Sequence[Any],
        features: Any,
        former: Sequence[Sequence[str]] = (),
    ) -> None:
        self._rules = rules
        names = former or [() for _ in rules.systems]
        self._names = [(*s.segments, *more) for s, more in zip(rules.systems, names, strict=True)]
        self._compiled = compiled
        self._features = features._make
        self._moves: dict[tuple[int, ...], _Move] = {}
        self._version = rules.version

    def changes(
        self,
        ledger: Ledger,
        records: NDArray[Any],
        batch: EventBatch | None,
        seen_at: Instant,
        told: Rows,
        following: Rows,
    ) -> list[tuple[bytes, Change]]:
        """Return the changes of an outcome, each with its record key.

        Parameters
        ----------
        records
            The kernel's change records.
        batch
            The facts that made them; None for a tick.
        told, following
            Per record and system: when the customer changes next if nothing happens, and to what
            (-1: not foreseen).
        """
        records = records.view(np.ndarray)  # a recarray's fields cost a call of Python's each
        version = self._version
        event_ids = batch.event_ids if batch is not None else ()
        features, moves = self._features, self._moves
        number = records["system"]
        place = np.arange(len(records))
        # The look ahead starts from the row as it is now: it belongs to the last change of each
        # system.
        latest = self._latest(ledger, records)
        next_code = np.where(latest, following[place, number], -1).tolist()
        next_at = told[place, number].tolist()
        changes: list[tuple[bytes, Change]] = []
        columns = zip(
            ledger.keys.at(records["row"].astype(np.int64)),
            *(records[name].tolist() for name in _SAID),
            _features_of(records, len(self._rules.systems)),
            zip(*(records[f"now_{s.key}"].tolist() for s in self._rules.systems), strict=True),
            next_code,
            next_at,
            strict=True,
        )
        for key, at, event, sequence, system, before, after, cause, seen, now, code, due in columns:
            made = (system, before, after, *now)
            move = moves.get(made) or self._move(*made)
            customer = key.decode()
            changes.append(
                (
                    key,
                    Change(
                        change_id(customer, move.key, sequence, move.from_, move.to, at),
                        sequence,
                        customer,
                        move.key,
                        move.from_,
                        move.to,
                        at,
                        seen_at,
                        CAUSE_WORDS[cause],
                        event_ids[event] if event >= 0 else None,
                        self._corrects(records[len(changes)].tolist(), customer, batch)
                        if cause == _CORRECTION
                        else None,
                        version,
                        move.labels,
                        move.play if cause <= _CLOCK else None,
                        move.looked_at(features(seen), move.compiled, at),
                        move.others,
                        Next(move.segments[code], due) if code >= 0 else None,
                        None,
                    ),
                )
            )
        return changes

    def _latest(self, ledger: Ledger, records: NDArray[Any]) -> NDArray[np.bool_]:
        latest = np.zeros(len(records), np.bool_)
        rows, number = ledger.rows.view(np.ndarray), records["system"]
        for k in set(number.tolist()):
            mine = number == k
            present = rows[f"{self._rules.systems[k].key}_sequence"][records["row"][mine]]
            latest[mine] = present == records["sequence"][mine]
        return latest

    def _move(self, number: int, before: int, after: int, *standing: int) -> _Move:
        system = self._rules.systems[number]
        segments = self._names[number]
        from_ = segments[before] if before >= 0 else None
        to = segments[after]
        others: dict[str, str] = {
            each.key: each.segments[code]
            for each, code in zip(self._rules.systems, standing, strict=True)
            if each is not system and code >= 0
        }
        move = _Move(
            system.key,
            from_,
            to,
            Words(*system.labels[to]),
            self._rules.play(system.key, from_, to, others),
            system.looked_at,
            self._compiled[number],
            segments,
            dict(others),
        )
        if len(self._moves) >= _MOVES:
            self._moves.clear()
        self._moves[number, before, after, *standing] = move
        return move

    def _corrects(self, record: Any, customer: str, batch: EventBatch | None) -> str | None:
        """Return the id of the change that a late fact makes untrue: the system's last, if any."""
        (_, previous_at, _, event, _, previous_sequence) = record[:6]
        number, before, _, previous_from, previous_clocked, _ = record[6:_HEAD]
        if batch is None or previous_sequence == 0 or batch.ts[event] > previous_at:
            return None
        if batch.ts[event] == previous_at and not previous_clocked:
            return None  # that change was made by a fact of the same instant, judged before
        if previous_from == FORGOTTEN:
            return None  # it came from a segment of other rules, which names it no more
        system = self._rules.systems[number]
        segments = system.segments
        from_ = segments[previous_from] if previous_from >= 0 else None
        return change_id(
            customer, system.key, previous_sequence, from_, segments[before], previous_at
        )

    def profiles(
        self, ledger: Ledger, rows: Rows, until: list[Instant], following: list[list[int]]
    ) -> list[Profile]:
        """Return profiles of rows.

        Parameters
        ----------
        until
            Per row: the first instant at which a segment changes without facts.
        following
            Per row and system: the segment that follows then, or -1.
        """
        systems = [(s.key, s.segments) for s in self._rules.systems]
        columns = ["sequence", "version"]
        for key, _ in systems:
            columns += [key, f"{key}_since"]
        held = ledger.rows.view(np.ndarray)
        picked = [held[name][rows].tolist() for name in columns]
        profiles = []
        for customer, end, ahead, sequence, version, *standing in zip(
            ledger.keys.at(rows), until, following, *picked, strict=True
        ):
            told = zip(systems, standing[::2], standing[1::2], strict=True)
            profiles.append(
                Profile(
                    customer.decode(),
                    {
                        key: Standing(names[code], since)
                        for (key, names), code, since in told
                        if code >= 0
                    },
                    sequence,
                    version,
                    None if end >= FAR else end,
                    {
                        key: names[c]
                        for (key, names), c in zip(systems, ahead, strict=True)
                        if c >= 0
                    },
                )
            )
        return profiles


def _features_of(records: NDArray[Any], systems: int) -> list[list[int]]:
    """Return the features of change records: the words behind the head, before the segments.

    Column by column; a whole record at a time, numpy takes three times as long.
    """
    words = records.view(np.int64).reshape(len(records), -1)
    names: Any = records.dtype.names
    offset: Any = records.dtype.fields
    first, end = offset[names[_HEAD]][1], offset[names[-systems]][1]
    features: list[list[int]] = words[:, first // words.itemsize : end // words.itemsize].tolist()
    return features
