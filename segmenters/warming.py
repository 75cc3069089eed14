"""Compile the kernel of a set of rules before it is needed.

Responsible for calling every compiled entry point once. Compiling takes seconds, loading it again
less; a worker must have that behind it before it joins a group whose members answer for it.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

from schemas.vocabulary import MS_PER_DAY, Kind
from segmenters.batch import EventBatch
from segmenters.engine import Engine
from segmenters.ledger import FIRST_CAPACITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmenters.rules import Rules

_CUSTOMER = b"c"


def warm_up(rules: Rules) -> None:
    """Run one customer through all doors of a throw-away engine.

    Examples
    --------
    >>> from segmenters.rules import loads
    >>> warm_up(loads("[systems.monetary_tier]"))
    """
    with _nothing_collected():
        _run_through(rules)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Keep the collector off: it would look over all that numba builds, an eighth of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _run_through(rules: Rules) -> None:
    engine = Engine(rules)
    outcome = engine.apply(
        EventBatch.from_columns(
            [_CUSTOMER, _CUSTOMER],
            [0, 1],
            [Kind.ORDER, Kind.ENGAGEMENT],
            [1, 0],
            [1, 0],
            [1, 2],
            [False, True],
            ["1", "2"],
        )
    )
    outcome.build_changes(0)
    rows = engine.dump_rows(outcome.dirty)
    engine.profiles(outcome.profile_rows)
    engine.ledger.refresh[:1] = 0  # as if the profile's end were near
    engine.tick(400 * MS_PER_DAY)
    engine.headcount(0).step()
    restored = Engine(rules)
    restored.load_rows([key for key, _ in rows], [value for _, value in rows])
    restored.wind()
    restored.ledger.rows_of([b"%d" % number for number in range(FIRST_CAPACITY)])  # it grows
