"""Name the columns in which facts reach the engine.

Responsible for their types and lengths. It must not decode anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class EventBatch(NamedTuple):
    """Facts of one partition in the order they are applied; all columns have the same length.

    Attributes
    ----------
    customers
        Customer ids, UTF-8.
    ts
        int64, epoch milliseconds.
    kind
        int8, `schemas.vocabulary.Kind`.
    amount
        int64, minor units of the base currency; 0 for cancellations and engagements.
    order, event
        int64 digests of order id and event id; 0 where there is none.
    qualifies
        bool, engagements: the kind counts for the lifecycle.
    event_ids
        The event ids in words, for the changes they make; None where there is none.
    profit
        int64, minor units: an order's profit, where a system asks for it; else 0.
    """

    customers: Sequence[bytes]
    ts: NDArray[np.int64]
    kind: NDArray[np.int8]
    amount: NDArray[np.int64]
    order: NDArray[np.int64]
    event: NDArray[np.int64]
    qualifies: NDArray[np.bool_]
    event_ids: Sequence[str | None]
    profit: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of facts."""
        return len(self.ts)

    @classmethod
    def from_columns(
        cls,
        customers: Sequence[bytes],
        ts: Sequence[int],
        kind: Sequence[int],
        amount: Sequence[int],
        order: Sequence[int],
        event: Sequence[int],
        qualifies: Sequence[bool],
        event_ids: Sequence[str | None],
        profit: Sequence[int] | None = None,
    ) -> EventBatch:
        """Build a batch from plain sequences; without profit none is made.

        Examples
        --------
        >>> batch = EventBatch.from_columns([b"c"], [0], [0], [1250], [7], [9], [False], ["e-1"])
        >>> len(batch), batch.amount
        (1, array([1250]))
        """
        return cls(
            customers,
            np.asarray(ts, np.int64),
            np.asarray(kind, np.int8),
            np.asarray(amount, np.int64),
            np.asarray(order, np.int64),
            np.asarray(event, np.int64),
            np.asarray(qualifies, np.bool_),
            event_ids,
            np.zeros(len(ts), np.int64) if profit is None else np.asarray(profit, np.int64),
        )
