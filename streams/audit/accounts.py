"""Say what is known of a customer, in a form in which two accounts can be compared.

Responsible for the account, for taking one from changelog rows and one from the oracle's customer.
Must not compare, and must not read a topic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from schemas.errors import DeliveryError
from segmenters.engine import Engine
from segmenters.instants import FAR, NEVER
from segmenters.oracle.book import ORDER
from segmenters.pools import END

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.changes import Change
    from schemas.vocabulary import Instant
    from segmenters.oracle.customer import Customer
    from segmenters.rules import Rules

Told: TypeAlias = tuple[str, str | None, str, int, str]
"""One change: system, from, to, at, cause."""


class Account(NamedTuple):
    """What is known of a customer as of the clock.

    Attributes
    ----------
    figures
        ``orders_ever`` (those taken back included), ``orders``; ``first_purchase``,
        ``last_purchase`` and ``last_engagement`` (instants or None); per window ``orders_365d`` and
        ``spend_365d`` (minor units).
    segments
        System → segment and since.
    sequence
        How many changes there have been.
    changes
        Sequence → change, as far as they are known.
    """

    figures: Mapping[str, int | None]
    segments: Mapping[str, tuple[str, Instant]]
    sequence: int
    changes: Mapping[int, Told]


class Holding(NamedTuple):
    """What the state holds of one customer.

    Attributes
    ----------
    stored
        As the row stands; no changes in it.
    settled
        With the deadlines before the clock fired that its next tick would fire, and their changes.
    version
        The row's version.
    until
        The ``valid_until`` last told, None for never; of the row as it stands.
    """

    stored: Account
    settled: Account
    version: int
    until: Instant | None


class Clock(NamedTuple):
    """Up to where time has passed for a partition; ``inclusive``: and at that instant."""

    instant: Instant
    inclusive: bool


def told(change: Change) -> Told:
    """Take from a change what an account says of it."""
    return (change.system, change.from_, change.to, change.at, change.cause)


def of_customer(customer: Customer, at: Instant, windows: Sequence[int]) -> Account:
    """Take the oracle's account.

    Parameters
    ----------
    customer
        Settled to the clock.
    at
        The instant whose local day is the last of the windows.
    windows
        In days.
    """
    book, today = customer.book, customer.rules.calendar.day(at)
    figures: dict[str, int | None] = {
        "orders_ever": sum(fact.kind == ORDER for fact in customer.facts),
        "orders": book.orders,
        "first_purchase": book.first if book.net else None,
        "last_purchase": book.last,
        "last_engagement": book.engaged,
    }
    for days in windows:
        figures[f"orders_{days}d"] = book.orders_within(days, today)
        figures[f"spend_{days}d"] = book.spend_within(days, today)
    since = {change["system"]: change["at"] for change in customer.changes}
    return Account(
        figures,
        {system: (segment, since[system]) for system, segment in customer.told.items()},
        customer.sequence,
        {
            change["sequence"]: (
                change["system"], change["from"], change["to"], change["at"], change["cause"],
            )
            for change in customer.changes
        },
    )  # fmt: skip


def of_rows(
    rules: Rules,
    rows: Mapping[bytes, bytes],
    clock: Clock,
    days: Mapping[bytes, int],
) -> tuple[dict[bytes, Holding], dict[bytes, DeliveryError]]:
    """Take accounts from the changelog rows of one partition.

    Parameters
    ----------
    rules
        The rules the rows were written under.
    rows
        Customer id → changelog value.
    clock
        Of the position record.
    days
        Customer id → the local day that is the last of the windows.

    Returns
    -------
    tuple
        Holdings, and for rows that cannot be read what is wrong with them.
    """
    engine = Engine(rules)
    unreadable: dict[bytes, DeliveryError] = {}
    for key, value in rows.items():
        try:
            engine.load_rows([key], [value])
        except DeliveryError as error:
            unreadable[key] = error
    engine.wind()
    keys = [key for key in rows if key not in unreadable]
    places = dict(zip(keys, engine.find_rows(keys).tolist(), strict=True))
    if not keys:
        return {}, unreadable
    stored = {key: _account(engine, place, days[key], {}) for key, place in places.items()}
    marks = {key: _mark(engine, place) for key, place in places.items()}
    pending = _settle(engine, clock)
    settled = {
        key: _account(engine, place, days[key], pending.get(key, {}))
        for key, place in places.items()
    }
    return {key: Holding(stored[key], settled[key], *marks[key]) for key in keys}, unreadable


def _settle(engine: Engine, clock: Clock) -> dict[bytes, dict[int, Told]]:
    """Fire what is due and not yet told: a commit may lie between a fact and its next tick."""
    pending: dict[bytes, dict[int, Told]] = {}
    more = True
    while more:
        outcome = engine.tick(clock.instant, clock.inclusive)
        for key, change in outcome.build_changes(clock.instant):
            pending.setdefault(key, {})[change.sequence] = told(change)
        more = outcome.more
    return pending


def _mark(engine: Engine, place: int) -> tuple[int, Instant | None]:
    row = engine.ledger.rows[place]
    return int(row.version), None if row.until >= FAR else int(row.until)


def _account(engine: Engine, place: int, today: int, changes: Mapping[int, Told]) -> Account:
    row = engine.ledger.rows[place]
    figures: dict[str, int | None] = {
        "orders_ever": int(row.ordered),
        "orders": int(row.n),
        "first_purchase": _instant(row.p0),
        "last_purchase": _instant(row.p),
        "last_engagement": _instant(row.e),
    }
    for days in engine.layout.windows:
        orders, spend = _window(engine, row, today, days)
        figures[f"orders_{days}d"], figures[f"spend_{days}d"] = orders, spend
    segments = {
        system.key: (system.segments[row[system.key]], int(row[f"{system.key}_since"]))
        for system in engine.rules.systems
        if row[system.key] >= 0
    }
    return Account(figures, segments, int(row.sequence), changes)


def _window(engine: Engine, row: Any, today: int, days: int) -> tuple[int, int]:
    """Add up the orders and spend of the tiles in a window."""
    orders = spend = 0
    place = int(row.head)
    while place != END:
        tile = engine.ledger.tiles.cells[place]
        if 0 <= today - tile.day < days:
            orders, spend = orders + int(tile.orders), spend + int(tile.spend)
        place = int(tile.next)
    return orders, spend


def _instant(value: Any) -> Instant | None:
    return None if value == NEVER else int(value)
