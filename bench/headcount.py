"""Time passes over a ledger that count customers and revenue by segment.

Responsible for the ledger and for the figures. Must not print.
"""

from __future__ import annotations

import time
from typing import Final, NamedTuple

import numpy as np

from schemas.vocabulary import MS_PER_DAY, Kind
from segmenters.batch import EventBatch
from segmenters.engine import Engine
from segmenters.rules import defaults

START: Final = 1_700_000_000_000
ORDERS: Final = 3
"""Orders of each customer, a hundred days apart: so many day tiles are walked."""
_BATCH: Final = 100_000


class Figures(NamedTuple):
    """What passes took of the processor, in milliseconds.

    Attributes
    ----------
    whole
        The quickest whole pass: others may use the machine, too.
    slice_median
        Half of the slices took less.
    """

    customers: int
    whole: float
    slice_median: float


def measure(customers: int, passes: int = 3) -> Figures:
    """Fill a ledger of the default pack, then pass over it."""
    engine = _filled(customers)
    clock = START + 300 * MS_PER_DAY
    wholes, slices = [], []
    for _ in range(passes):
        headcount, more = engine.headcount(clock), True
        begun = time.process_time()
        while more:
            before = time.process_time()
            more = headcount.step()
            slices.append(time.process_time() - before)
        wholes.append(time.process_time() - begun)
    return Figures(customers, min(wholes) * 1_000, float(np.median(slices)) * 1_000)


def _filled(customers: int) -> Engine:
    engine, chance, number = Engine(defaults()), np.random.default_rng(1), 1
    for order in range(ORDERS):
        who = chance.permutation(customers)
        for first in range(0, customers, _BATCH):
            names = [b"c-%d" % each for each in who[first : first + _BATCH].tolist()]
            size = len(names)
            ids = list(range(number, number + size))
            number += size
            day = START + order * 100 * MS_PER_DAY
            ts = np.sort(day + chance.integers(0, 90 * MS_PER_DAY, size)).tolist()
            amounts = chance.integers(100, 90_000, size).tolist()
            engine.apply(
                EventBatch.from_columns(
                    names, ts, [int(Kind.ORDER)] * size, amounts, ids, ids, [False] * size,
                    [str(each) for each in ids],
                )
            )  # fmt: skip
    return engine
