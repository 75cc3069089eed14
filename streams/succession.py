"""Know under which rules a partition's rows were written, and have those in force take over.

Responsible for the changelog record that keeps these rules whole, so that rows can be read and
deadlines of before can be fired when other rules are in force, and for deciding at a takeover
whether customers have to be brought over. Must not move or judge rows: see
`segmenters.changeover`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from schemas.errors import ChangelogCorrupt, RulesChanged, RulesError
from segmenters.changeover import Changeover, kept_days
from segmenters.rules import recall, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segmenters.engine import Engine
    from segmenters.rules import Rules
    from streams.position import PositionRecord

RULES_KEY: Final = b"\xffrules"
"""Never valid UTF-8, so never a customer id."""
FORMAT: Final = 1


class RulesRecord(msgspec.Struct, frozen=True):
    """Under which rules the rows of one partition were written.

    Attributes
    ----------
    format
        Version of this record's format.
    rules
        The rules in force, in their canonical text.
    before
        Earlier rules under which rows are left: customers are being brought over.
    kept
        For how many days back all purchases are kept by day.

    Examples
    --------
    >>> record = RulesRecord(FORMAT, "{}", (), 767)
    >>> read(write(record)) == record
    True
    """

    format: int
    rules: str
    before: tuple[str, ...]
    kept: int


write = msgspec.json.Encoder().encode
"""Encode a rules record."""

_decode = msgspec.json.Decoder(RulesRecord).decode


def read(value: bytes) -> RulesRecord:
    """Decode a rules record.

    Raises
    ------
    ChangelogCorrupt
        When it cannot be read, or is of a later format.
    """
    try:
        record = _decode(value)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ChangelogCorrupt(
            f"expected a rules record in the changelog, got {value[:80]!r} ({error}); restore the "
            "changelog topic from a backup or replay"
        ) from error
    if record.format > FORMAT:
        raise ChangelogCorrupt(
            f"expected a rules record of format {FORMAT} or older, got {record.format}; run the "
            "version of rewake that wrote it, or a later one"
        )
    return record


def joined(records: Iterable[RulesRecord]) -> RulesRecord | None:
    """Return the record for rows from several partitions together; None where none had one.

    >>> joined([RulesRecord(1, "b", ("a",), 402), RulesRecord(1, "b", (), 767)])
    RulesRecord(format=1, rules='b', before=('a',), kept=402)
    """
    found = list(records)
    if not found:
        return None
    now = found[-1].rules
    texts = [text for each in found for text in (*each.before, each.rules) if text != now]
    return RulesRecord(FORMAT, now, tuple(dict.fromkeys(texts)), min(each.kept for each in found))


class Succession:
    """The rules of one partition: those of its rows, and those in force.

    Parameters
    ----------
    engine
        The partition's engine, with the rules in force; patient with rows of others.

    Attributes
    ----------
    known
        What the changelog says; None where it says nothing.
    changeover
        The customers who are to be brought over; None where there are none.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept = kept_days(engine.rules)
        self.known: RulesRecord | None = None
        self.changeover: Changeover | None = None

    def begin(self, record: PositionRecord | None, where: str) -> Changeover | None:
        """Decide, once all is read back, who has to be brought over.

        Parameters
        ----------
        record
            The position record; None before the first.
        where
            Names the partition.

        Raises
        ------
        ChangelogCorrupt
            When the record of the rules is missing, or not the one the position record names.
        RulesChanged
            When the rules in force cannot take over.
        LayoutChanged
            When a row was written under none of the rules recorded.
        """
        self.changeover = None
        if record is None or not self._engine.customers:
            return None
        laws = self._laws(record, where)
        if self.known is not None:
            self._kept = min(self.known.kept, self._kept)
        if laws[-1] is self._engine.rules and not self._engine.waiting:
            return None
        kept = self._kept if self.known is None else self.known.kept
        try:
            self.changeover = Changeover(self._engine, laws, record.clock, kept)
        except RulesChanged as error:
            raise RulesChanged(f"{where}: {error}") from error
        return self.changeover

    def _laws(self, record: PositionRecord, where: str) -> list[Rules]:
        """Return all rules under which rows may have been written, the oldest first."""
        now, known = self._engine.rules, self.known
        if known is None:  # a state of before there were such records
            if record.rules == now.version:
                return [now]
            raise RulesChanged(
                f"{where}: expected rules {record.rules}, under which the state was written, got "
                f"{now.version}, and what those were is not recorded; start once with the rules "
                "of before, then with these"
            )
        if version_of(known.rules) != record.rules:
            raise ChangelogCorrupt(
                f"{where}: expected the record of the rules {record.rules} which its position "
                f"record names, got that of {version_of(known.rules)}; records were deleted from "
                "this topic or somebody else wrote to it: restore it from a backup"
            )
        try:
            return [
                now if text == now.text else recall(text) for text in (*known.before, known.rules)
            ]
        except RulesError as error:
            raise RulesChanged(
                f"{where}: expected rules this version can read beside the state: {error}; start "
                "the version that wrote them with the new rules, then this one"
            ) from error

    def due(self) -> list[tuple[bytes, bytes]]:
        """Return the rules record with its key, if it says other things than the one written last.

        It counts as written: a transaction that fails ends the partition, and drops its state.
        """
        left = self.changeover.left if self.changeover is not None else []
        texts = tuple(law.text for law in left)
        record = RulesRecord(FORMAT, self._engine.rules.text, texts, self._kept)
        if record == self.known:
            return []
        self.known = record
        return [(RULES_KEY, write(record))]
