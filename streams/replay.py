"""Run a history through the engine without a broker.

Responsible for batching, the end of time, and the order and form of the output lines. It must not
decide anything: the same engine decides here and in the stream.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import IO, TYPE_CHECKING, Final, NamedTuple

import msgspec

from segmenters.engine import Engine
from streams.history import Fact, to_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from schemas.changes import Change
    from schemas.vocabulary import Instant
    from segmenters.rules import Rules

BATCH: Final = 10_000


class Summary(NamedTuple):
    """What a replay did.

    Attributes
    ----------
    facts
        How many were applied.
    left_out
        How many lie beyond the end of time.
    customers
        How many the engine knows in the end.
    moves
        (system, from, to) → changes.
    until
        The end of time; None without facts.
    """

    facts: int
    left_out: int
    customers: int
    moves: Counter[tuple[str, str | None, str]]
    until: Instant | None


def replay(
    facts: Sequence[Fact],
    rules: Rules,
    until: Instant | None = None,
    progress: Callable[[int, int], None] = lambda _done, _whole: None,
) -> tuple[list[Change], Summary]:
    """Return all changes of a history, ordered by instant, customer id and sequence.

    Parameters
    ----------
    facts
        In the order of `streams.history.read_history`.
    rules
        The rules in force.
    until
        The end of time: later facts are left out, and deadlines up to and including it fire. By
        default the largest ts.
    progress
        Called with facts applied and facts in all.

    Examples
    --------
    >>> from schemas.vocabulary import Kind
    >>> from segmenters.rules import loads
    >>> day = 86_400_000
    >>> one = Fact(10_000 * day, Kind.ORDER, "1", "c", 500, "", "")
    >>> facts = [one, one._replace(ts=10_100 * day, ref="2")]
    >>> changes, _ = replay(facts, loads("[systems.lifecycle]"))
    >>> [change.to for change in changes]
    ['new', 'active', 'silent', 'reactivated']
    """
    given = len(facts)
    if until is not None:
        facts = [fact for fact in facts if fact.ts <= until]
    elif facts:
        until = max(fact.ts for fact in facts)
    engine = Engine(rules)
    changes: list[Change] = []
    done = 0
    for chunk in _chunks(facts):
        outcome = engine.apply(to_batch(chunk, rules))
        changes += [change for _, change in outcome.build_changes(chunk[-1].ts)]
        done += len(chunk)
        progress(done, len(facts))
    if until is not None:
        changes += _let_time_pass(engine, until)
    changes.sort(key=lambda change: (change.at, change.customer_id.encode(), change.sequence))
    moves = Counter((change.system, change.from_, change.to) for change in changes)
    return changes, Summary(done, given - done, engine.customers, moves, until)


def write_lines(changes: Sequence[Change], out: IO[bytes]) -> None:
    """Write one JSON object a line."""
    encode = msgspec.json.Encoder().encode_into
    buffer = bytearray()
    for change in changes:
        encode(change, buffer)
        buffer += b"\n"
        out.write(buffer)


def _let_time_pass(engine: Engine, until: Instant) -> list[Change]:
    """Fire every deadline up to and including the end."""
    changes: list[Change] = []
    more = True
    while more:
        outcome = engine.tick(until, inclusive=True)
        changes += [change for _, change in outcome.build_changes(until)]
        more = outcome.more
    return changes


def _chunks(facts: Sequence[Fact]) -> Iterator[list[Fact]]:
    stream = iter(facts)
    while chunk := list(islice(stream, BATCH)):
        yield chunk
