"""Hold what came of a shop to what must have come of it.

Responsible for the comparison of changes, rows and segments once the workers have stopped and all
has been read, and for the figures of it. It reads no topic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from segmenters.rules import loads
from tests.faults.exactness import (
    compare,
    differing,
    essence,
    expect,
    restored,
    states,
    undisturbed,
)

if TYPE_CHECKING:
    from tests.faults.shop import Shop

LEAST_BY_CLOCK = 10
"""Fewer deadlines that fell due meanwhile would prove nothing about time."""


class Outcome(NamedTuple):
    """What a workload came to; no difference was found.

    Attributes
    ----------
    facts, changes
        How many, history included.
    by_clock
        Changes made by deadlines that fell due while the shop was open.
    dropped
        Changes the consumer that reads uncommitted has seen again.
    segments
        Customer → system → segment.
    """

    facts: int
    changes: int
    by_clock: int
    dropped: int
    segments: dict[str, dict[str, str]]

    @property
    def figures(self) -> dict[str, int]:
        """The numbers alone, for `tests.faults.figures.note`."""
        return dict(zip(self._fields[:4], self[:4], strict=True))


def verdict(shop: Shop) -> Outcome:
    """Compare everything; fail with the first few differences."""
    clocks = [0 if record is None else record.clock for record in shop.changelog.records]
    clock_of = {name: clocks[shop.trade.home(name)] for name in shop.trade.names}
    expected = expect([deed.fact for deed in shop.deeds], shop.rules, clock_of)
    for consumer in shop.consumers:
        told = {c: [essence(change) for change in taken] for c, taken in consumer.told.items()}
        found = compare(told, expected.changes)
        who = "read committed" if consumer.committed else "by the recipe"
        assert not found, f"changes {who} differ from the oracle's: {found}"
    _compare_states(shop, clocks, expected.segments)
    changes = [change for taken in expected.changes.values() for change in taken]
    by_clock = sum(change[3] >= shop.opened and change[4] == "clock" for change in changes)
    assert by_clock > LEAST_BY_CLOCK, "hardly any deadline fell due: nothing was proved about time"
    dropped = sum(consumer.dropped for consumer in shop.consumers)
    return Outcome(len(shop.deeds), len(changes), by_clock, dropped, expected.segments)


def _compare_states(shop: Shop, clocks: list[int], segments: dict[str, dict[str, str]]) -> None:
    rules = loads(shop.rules)
    wanted = undisturbed(shop.deeds, rules, shop.partitions, clocks)
    for number, clock in enumerate(clocks):
        state = states(restored(shop.changelog.rows[number], rules, clock))
        wrong = differing(state, states(wanted[number]))
        few = list(wrong.items())[:3]
        assert not wrong, f"partition {number}, {len(wrong)} states are wrong: {few}"
        for customer, known in state.items():
            shown = {name: each.segment for name, each in known["profile"][0].items()}
            assert shown == segments.get(customer, {}), f"segments of {customer} are wrong"
