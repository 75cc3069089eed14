"""Say what must have come of a workload, and compare it with what did.

Responsible for the oracle's changes and segments up to a clock, for the rows of an engine that was
given the same facts without any fault, and for counting the differences. It reads no topic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from segmenters.engine import Engine
from segmenters.pools import END
from streams.decode import Decoder
from streams.runs import join
from tests.oracle import Customer, Rules
from tests.properties.histories import systems_of, timezone_of
from tests.streams.runs import Record
from tests.streams.workbench import INPUTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segmenters.pools import Pool
    from segmenters.rules import Rules as EngineRules
    from tests.faults.trade import Deed
    from tests.oracle_book import Fact

Told = tuple[Any, ...]
"""One change as far as the oracle says: system, from, to, at, cause, sequence."""

_CHANGE = ("system", "from", "to", "at", "cause", "sequence")
_FREE = {"version", "looked", "until", "head", "latest"}
"""Row fields that depend on how facts were batched and when somebody looked, not on the facts."""
_NO_BOUND = 1 << 60


@dataclass
class Expected:
    """What the oracle says of customers."""

    changes: dict[str, list[Told]] = field(default_factory=dict)
    segments: dict[str, dict[str, str]] = field(default_factory=dict)


def expect(facts: Iterable[Fact], rules: str, clock_of: Mapping[str, int]) -> Expected:
    """Ask the oracle for all changes, deadlines before each customer's clock included.

    Parameters
    ----------
    facts
        In ts order per customer; one with an event id seen before counts once.
    rules
        Text of the rules file.
    clock_of
        Customer → clock of its partition.
    """
    judge = Rules(systems_of(rules), timezone_of(rules))
    customers: dict[str, Customer] = {}
    for fact in facts:
        customer = customers.get(fact.customer)
        if customer is None:
            customer = customers[fact.customer] = Customer(judge, fact.customer, remembered=8)
        if not customer.repeats(fact):
            customer.apply(fact)
    expected = Expected()
    for name, customer in customers.items():
        customer.settle(clock_of[name])
        if customer.changes:
            expected.changes[name] = [essence(change) for change in customer.changes]
            expected.segments[name] = dict(customer.told)
    return expected


def essence(change: Mapping[str, Any]) -> Told:
    """Take from a change what the oracle speaks of, too."""
    return tuple(change[name] for name in _CHANGE)


@dataclass
class Differences:
    """How what was told differs from what should have been."""

    lost: list[tuple[str, Told]] = field(default_factory=list)
    doubled: list[tuple[str, Told]] = field(default_factory=list)
    wrong: list[tuple[str, Told]] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.wrong or self.disordered)

    def __str__(self) -> str:
        parts = []
        for name in ("lost", "doubled", "wrong", "disordered"):
            found = getattr(self, name)
            if found:
                parts.append(f"{len(found)} {name}: {found[:5]}")
        return "; ".join(parts) or "none"


def compare(told: Mapping[str, Sequence[Told]], expected: Mapping[str, list[Told]]) -> Differences:
    """Compare changes customer by customer: each once, in order, gap-free."""
    found = Differences()
    for customer in {*told, *expected}:
        got, wanted = list(told.get(customer, ())), expected.get(customer, [])
        if got == wanted:
            continue
        found.doubled += [(customer, change) for change in set(got) if got.count(change) > 1]
        found.lost += [(customer, change) for change in wanted if change not in got]
        found.wrong += [(customer, change) for change in got if change not in wanted]
        if sorted(got, key=str) == sorted(wanted, key=str):
            found.disordered.append(customer)
    return found


def undisturbed(
    deeds: Sequence[Deed], rules: EngineRules, partitions: int, clocks: Sequence[int]
) -> list[Engine]:
    """Give each partition's facts to an engine in memory, and let time pass to its clock."""
    decoders = {
        topic: Decoder(family, partitions, rules.currencies, rules.qualifying, rules.profits)
        for topic, family in zip(INPUTS, ("purchase", "engagement"), strict=True)
    }
    engines = [Engine(rules) for _ in range(partitions)]
    for number, engine in enumerate(engines):
        runs = []
        for offset, deed in enumerate(deeds):
            event = deed.event
            if event.partition == number:
                record = Record(offset, key=event.key, value=event.value)
                decode = decoders[event.topic].decode
                runs.append(decode([record], offset, offset + 1, number, _NO_BOUND))
                assert not runs[-1].rejections, "a fact of the workload was refused"
        if runs:
            run = join(runs)
            engine.apply(run.batch())
        while engine.tick(clocks[number]).more:
            pass
    return engines


def restored(values: Mapping[bytes, bytes], rules: EngineRules, clock: int) -> Engine:
    """Decode changelog rows as a recovery does."""
    engine = Engine(rules)
    engine.load_rows(list(values), list(values.values()))
    engine.wind()
    outcome = engine.tick(clock)
    assert not outcome.build_changes(0), "a deadline before the partition's clock was not fired"
    return engine


def states(engine: Engine) -> dict[str, dict[str, Any]]:
    """Give all that is known of each customer: measures, tiles, segments, what follows when."""
    ledger = engine.ledger
    names = [name for name in ledger.rows.dtype.names if name not in _FREE]
    profiles = engine.profiles(np.arange(engine.customers)) if engine.customers else []
    found = {}
    for number, key in enumerate(ledger.keys.at(np.arange(len(ledger)))):
        row = ledger.rows[number]
        state: dict[str, Any] = {name: row[name].tolist() for name in names}
        state["tiles"] = _chained(ledger.tiles, int(row["head"]))
        state["orders"] = _chained(ledger.orders, int(row["latest"]))
        profile = profiles[number]
        state["profile"] = (profile.systems, profile.sequence, profile.valid_until, profile.next)
        found[key.decode()] = state
    return found


def _chained(pool: Pool, place: int) -> list[dict[str, int]]:
    """Give what a chain holds, its links apart."""
    names = [name for name in pool.cells.dtype.names if name != "next"]
    found = []
    while place != END:
        cell = pool.cells[place]
        found.append({name: int(cell[name]) for name in names})
        place = int(cell.next)
    return found


def differing(left: dict[str, dict[str, Any]], right: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Name the customers whose states differ, and in what."""
    found: dict[str, Any] = {}
    for customer in {*left, *right}:
        one, two = left.get(customer, {}), right.get(customer, {})
        if one != two:
            found[customer] = {
                name: (one.get(name), two.get(name))
                for name in {*one, *two}
                if one.get(name) != two.get(name)
            }
    return found
