"""Say what a system is: its parameters, its two functions, and what it may declare besides.

Responsible for the shape every system has. It must not know any particular one.
"""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import msgspec

from segmenters.damping import Damping  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.money import Currencies


class Label(NamedTuple):
    """A segment's name where a person reads it."""

    zh: str
    en: str


NONE_LABEL = Label("无", "None")
UNKNOWN_LABEL = Label("未知", "Unknown")


HOOKS: Final = {
    "on_order": ("row", "p", "t", "number"),
    "on_engagement": ("row", "p", "t", "qualifies"),
    "on_void": ("row", "orders", "p", "t", "number", "order_ts", "moved"),
    "entered": ("row", "f", "p", "t", "before", "moved", "after", "clocked"),
    "renew": ("row", "p", "t"),
    "undo": ("row", "orders", "p", "deed", "clock"),
    "on_late": ("row", "orders", "p", "deed", "clock"),
    "survey": ("row", "pool", "today", "starts", "p"),
    "briefed": ("row", "f", "p"),
}
"""What a system may have besides its two functions, and what each is given: see `System`."""


class System(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One classification: exclusive and total, decided from features at an instant.

    A subclass's fields are its documented parameters, as they stand in the rules file. Besides it
    has two pure scalar functions, compiled when the rules are loaded, written as plain ifs in the
    order of the rule's text:

    ``classify(f, p, t) -> code``
        The segment at instant ``t``, as the index into ``segments``. ``f`` has the features: ``n``
        net orders, ``p0``/``p`` first and last order, ``e`` last qualifying engagement (instants;
        NEVER where there is none), ``F365``/``M365`` orders and spend in minor units for each
        window of ``windows`` (and ``P365``, profit, with the measure of that name), the system's
        own ``features``, ``aliases``, ``surveyed`` and ``borrows`` and, under the key of each
        system, the code of its segment: its own is the one before (-1 before the first judgement),
        those in ``needs`` are of this instant. ``p`` is what ``compiled`` returned.
    ``deadline(f, p, t) -> instant``
        The first instant after ``t`` at which ``classify`` may answer differently though nothing
        happens, day windows aside (the kernel knows when a day leaves a window); FAR where there is
        none. Early is allowed, late is not.

    It may further have these, compiled too, which see the customer's ``row`` (there, too, are
    ``n``, ``p0``, ``p`` and ``e``) and may write the row fields named in ``state`` and the system's
    own segment (``row.<key>``):

    ``survey(row, pool, today, starts, p) -> tuple``
        Figures from the day tiles that no window gives, one for each name in ``surveyed``.
    ``briefed(row, f, p)``
        Before a fact is followed: the systems in ``needs`` have just been judged with the fact
        included, ``f`` has their segments.
    ``on_order(row, p, t, number)``, ``on_engagement(row, p, t, qualifies)``
        After a fact was remembered, before it is judged. Orders are numbered by arrival from 1.
    ``on_void(row, orders, p, t, number, order_ts, moved)``
        After a refund or cancellation removed an order; ``moved`` says whether ``p`` did.
        ``orders`` has the customer's last ten (`segmenters.measures.orders`): the latest at
        ``row.latest``, the one before it at its ``next``, on to `segmenters.pools.END`. No hook
        may write there.
    ``entered(row, f, p, t, before, moved, after, clocked)``
        After a judgement at ``t`` moved the customer: from ``before`` to ``moved`` by the fact
        alone, and on to ``after`` by ``classify``. ``clocked``: there was no fact.
    ``renew(row, p, t)``
        When the system's terms have been altered, before it judges by the new ones: forget how it
        judged before, and write to ``row.<key>`` what holds at ``t`` by what the row keeps. One
        without it judges as if for the first time.
    ``undo(row, orders, p, deed, clock) -> bool`` and ``on_late(row, orders, p, deed, clock)``
        In place of the first three for a fact (`segmenters.facts.Deed`) that comes late; the
        customer is judged at ``clock`` after. ``undo`` sees a copy of the row, which is kept if it
        answers True; else ``on_late`` sees the row. A system without them follows late facts as
        any.
    """

    key: ClassVar[str]
    number: ClassVar[int]
    title: ClassVar[Label]
    lends: ClassVar[tuple[str, ...]] = ()
    """Names of further functions ``(row, p) -> int`` that others may borrow as features."""
    borrows: ClassVar[tuple[tuple[str, str], ...]] = ()
    """(key, function) of what needed systems lend; the feature is ``<key>_<function>``."""
    classify: ClassVar[Callable[..., int]]
    deadline: ClassVar[Callable[..., int]]

    @property
    def needs(self) -> tuple[str, ...]:
        """The systems that have to be enabled, and are judged first."""
        return ()

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments' stable identifiers; a code is an index into them."""
        raise NotImplementedError

    @property
    def labels(self) -> Mapping[str, Label]:
        """The segments' names for people."""
        raise NotImplementedError

    @property
    def windows(self) -> tuple[int, ...]:
        """The day windows whose orders and spend the system reads."""
        return ()

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures needed beyond orders, tiles and engagement."""
        return ()

    @property
    def engaged_days(self) -> int:
        """For how many days back ``survey`` counts engagements, where the system measures them."""
        return 0

    @property
    def state(self) -> tuple[tuple[Any, ...], ...]:
        """Row fields of the system's own, as numpy writes fields."""
        return ()

    @property
    def features(self) -> tuple[str, ...]:
        """Row fields that ``classify``, ``deadline`` and ``looked_at`` read, of measures, too."""
        return tuple(field[0] for field in self.state if len(field) == 2)

    @property
    def aliases(self) -> tuple[tuple[str, str], ...]:
        """Figures of windows under a name of the system's own, as (name, figure)."""
        return ()

    @property
    def surveyed(self) -> tuple[str, ...]:
        """The features that ``survey`` returns."""
        return ()

    def check(self) -> list[tuple[str, str]]:
        """Return what is wrong between parameters, as (parameter, message).

        Each alone is checked by its type.
        """
        return []

    def compiled(self, currencies: Currencies) -> Any:
        """Return the parameters as a named tuple of integers, in milliseconds and minor units."""
        raise NotImplementedError

    @staticmethod
    def looked_at(f: Any, p: Any, t: int) -> dict[str, int]:
        """Return the features the rule looked at, for the change message."""
        raise NotImplementedError


class DampedSystem(System, frozen=True, kw_only=True):
    """A system whose flips may be held back.

    Parameters
    ----------
    damping
        How long a segment holds at least, and when one that was left may be entered again.
    """

    damping: Damping | None = None


def damping_of(system: System) -> Damping | None:
    """Return how a system's flips are held back; None where they are not."""
    return system.damping if isinstance(system, DampedSystem) else None


def hooks(system: System) -> dict[str, Callable[..., Any]]:
    """Return the optional functions a system has, by name."""
    names = (*HOOKS, *system.lends)
    return {name: getattr(system, name) for name in names if hasattr(system, name)}
