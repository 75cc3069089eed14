"""Make up customers' histories and rules for property tests.

Responsible for facts that hit the edges: exactly on a deadline and one ms beside it, at local
midnights and in nights with a clock change, several at one instant, more orders than a row
remembers. It knows nothing of the engine and judges nothing.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.oracle_book import CANCEL, DAY_MS, ENGAGEMENT, ORDER, REFUND, Calendar, Fact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_SYSTEMS = (
    "[systems.lifecycle]\n{lifecycle}\n[systems.monetary_tier]\n{money}\n[systems.rfm]\n{rfm}\n"
)
SMALL = """silent_purchase_days = 4
silent_engagement_days = 2
churned_purchase_days = 7
churned_engagement_days = 6
new_days = 3
reactivated_days = 2
wake_days = 1"""
SMALL_MONEY = "thresholds = { large = 100, medium = 10 }\ndown_ratio = 0.9"
SMALL_RFM = """recency_days = [1, 2, 3, 6]
frequency = [5, 4, 3, 2]
monetary = [100, 30, 10, 2]"""


def _rules(zone: str = "UTC", lifecycle: str = "", money: str = "", rfm: str = "") -> str:
    engine = f'[engine]\nbase_currency = "GBP"\nbusiness_timezone = "{zone}"\n'
    return engine + _SYSTEMS.format(lifecycle=lifecycle, money=money, rfm=rfm)


SMALL_CHURN = """high_least_days = 2
medium_least_days = 1
medium_days = 3
before_silence_days = 1
fade_days = 2
fade_events = 3
fade_pct = 50"""
SMALL_OTHERS = f"""[systems.frequency_tier]
thresholds = {{ high = 5, medium = 3 }}
[systems.monetary_tier]
{SMALL_MONEY}
[systems.aov_tier]
thresholds = {{ high = 50, medium = 9.5 }}
[systems.rfm]
{SMALL_RFM}"""
DAMPED = "damping = {{ {} }}"
OTHERS = "[systems.frequency_tier]\n[systems.monetary_tier]\n[systems.aov_tier]\n[systems.rfm]"


def pack(
    zone: str, lifecycle: str = "", value: str = "", churn: str = "", others: str = OTHERS
) -> str:
    """Write rules of all seven systems of the default pack."""
    return (
        f'[engine]\nbase_currency = "GBP"\nbusiness_timezone = "{zone}"\n'
        f"[systems.lifecycle]\n{lifecycle}\n[systems.value_tier]\n{value}\n"
        f"[systems.churn_risk]\n{churn}\n{others}\n"
    )


RULES: dict[str, str] = {
    "default": _rules(),
    "orders": _rules(
        lifecycle="silent_engagement_days = 0\nchurned_engagement_days = 0\nwake_engagements = 0\n"
        "new_days = 0\nnew_orders = 2\nreactivated_orders = 1"
    ),
    "cadence": _rules(
        lifecycle="[systems.lifecycle.cadence]\nquantile = 50\nsilent_pct = 200\n"
        "churned_pct = 400\nmin_gaps = 3\nsilent_days = [14, 365]\nchurned_days = [28, 730]"
    ),
    "london": _rules("Europe/London"),
    "sao_paulo": _rules("America/Sao_Paulo", SMALL, SMALL_MONEY, SMALL_RFM),
    "map_b": _rules(rfm='map = "B"'),
    "map_c": _rules(rfm='map = "C"'),
    "small": _rules("Europe/London", SMALL, SMALL_MONEY, SMALL_RFM + '\nmap = "B"'),
    "small_counts": _rules(
        lifecycle=SMALL + "\nnew_orders = 3\nreactivated_orders = 2\nwake_engagements = 3",
        money=SMALL_MONEY,
        rfm=SMALL_RFM,
    ),
    "small_cadence": _rules(
        lifecycle=SMALL + "\nnew_orders = 2\nreactivated_orders = 1\n"
        "[systems.lifecycle.cadence]\nquantile = 80\nsilent_pct = 150\nchurned_pct = 250\n"
        "min_gaps = 3\nsilent_days = [1, 30]\nchurned_days = [2, 60]",
        money=SMALL_MONEY,
        rfm=SMALL_RFM + '\nmap = "C"',
    ),
    "pack": pack("Europe/London"),
    "pack_counts": pack(
        "Europe/London",
        SMALL + "\nnew_orders = 3\nreactivated_orders = 2\nwake_engagements = 2",
        value="thresholds = { high = 100, mid = 10 }",
        churn=SMALL_CHURN.replace("fade_days = 2", "fade_days = 30"),
        others=SMALL_OTHERS,
    ),
    "small_pack": pack(
        "Europe/London",
        SMALL + "\nby_value = { high = [3, 1], mid = [5, 2], low = [4, 0] }",
        value='basis = "profit"\nthresholds = { high = 40, mid = 4 }',
        churn=SMALL_CHURN,
        others=SMALL_OTHERS,
    ),
    "damped": pack(
        "America/Sao_Paulo",
        SMALL,
        value="thresholds = { high = 100, mid = 10 }\n" + DAMPED.format("dwell_days = 2"),
        churn=SMALL_CHURN + "\n" + DAMPED.format("dwell_days = 1, cooldown_days = 3"),
        others=SMALL_OTHERS.replace(
            "[systems.rfm]", DAMPED.format('reentry = "never"') + "\n[systems.rfm]"
        )
        + "\n"
        + DAMPED.format("cooldown_days = 4"),
    ),
}
"""Rules files by name, as TOML text."""

OFFSET_DAYS = (0, 1, 2, 3, 4, 6, 7, 14, 28, 30, 60, 90, 120, 180, 365)
AMOUNTS = (
    0, 1, 199, 200, 899, 900, 999, 1_000, 1_001, 3_000, 8_999, 9_000, 10_000, 19_999, 20_000,
    89_999, 90_000, 99_999, 100_000, 300_000, 899_999, 900_000, 999_999, 1_000_000,
)  # fmt: skip
# Clocks change in London on 2018-03-25 and 2018-10-28, in Sao Paulo (at midnight) on 2018-02-18
# and 2018-11-04.
STARTS = tuple(
    int(datetime(*day, 12, 34, 56, 789_000, tzinfo=UTC).timestamp() * 1000)
    for day in ((2018, 1, 15), (2018, 2, 16), (2018, 3, 23), (2018, 10, 27), (2018, 11, 2))
)
ZONES = ("UTC", "Europe/London", "America/Sao_Paulo")


def systems_of(rules: str) -> dict[str, Any]:
    """Parse the `[systems]` tables of a rules text."""
    return dict(tomllib.loads(rules)["systems"])


def timezone_of(rules: str) -> str:
    """Name the time zone of a rules text."""
    return str(tomllib.loads(rules)["engine"].get("business_timezone", "UTC"))


@cache
def calendar_of(zone: str) -> Calendar:
    """Share one calendar per zone between examples."""
    return Calendar(zone)


@dataclass(frozen=True)
class Move:
    """Describe one fact relative to the facts made up before it."""

    act: str
    back: int
    days: int
    zone: str
    shift: int
    amount: int
    target: int
    part: int


MOVES = st.builds(
    Move,
    act=st.sampled_from((
        "order", "order", "order", "burst", "refund", "refund", "void", "unlinked", "cancel",
        "engagement", "engagement", "browse", "idle", "repeat", "again",
    )),
    back=st.sampled_from((0, 0, 0, 1, 2, 5)),
    days=st.sampled_from(OFFSET_DAYS),
    zone=st.sampled_from(("", "", *ZONES)),
    shift=st.sampled_from((0, 0, 0, -1, 1, 999, 3_600_000, -3_600_000)),
    amount=st.sampled_from(AMOUNTS),
    target=st.sampled_from((0, 0, 1, 2, 3, 9, 10, 11)),
    part=st.sampled_from((100, 100, 50, 1, 150)),
)  # fmt: skip


class _Story:
    """Turn moves into the facts of one customer."""

    def __init__(self, customer: str, start: int) -> None:
        self.customer = customer
        self.start = start
        self.facts: list[Fact] = []

    def instant(self, move: Move) -> int:
        """Place a move: whole days after an earlier fact, or at a local midnight, then shifted."""
        earlier = self.facts[-1 - move.back % len(self.facts)].ts if self.facts else self.start
        if not move.zone:
            return earlier + move.days * DAY_MS + move.shift
        calendar = calendar_of(move.zone)
        return calendar.start(calendar.day(earlier) + move.days) + move.shift

    def add(self, ts: int, kind: int, amount: int = 0, order_id: str | None = None) -> None:
        number = len(self.facts)
        profit = amount * 2 // 5 - 7 if kind == ORDER else None  # a small order costs money
        self.facts.append(
            Fact(
                self.customer, ts, kind, amount, order_id, f"{self.customer}-{number}",
                profit=profit,
            )
        )  # fmt: skip

    def play(self, move: Move) -> None:
        ts = self.instant(move)
        acts: dict[str, Callable[[int, Move], None]] = {
            "order": self.order, "burst": self.burst, "again": self.order_again,
            "engagement": self.engage, "browse": self.browse, "idle": self.idle,
            "repeat": self.repeat, "unlinked": self.refund_unlinked,
        }  # fmt: skip
        acts.get(move.act, self.take_back)(ts, move)

    def order(self, ts: int, move: Move) -> None:
        # Few files name their orders everywhere: now and then one has no id.
        name = None if move.part == 1 else f"o{len(self.facts)}"
        self.add(ts, ORDER, move.amount, name)

    def order_again(self, ts: int, move: Move) -> None:
        names = [fact.order_id for fact in self.facts if fact.kind == ORDER and fact.order_id]
        self.add(ts, ORDER, move.amount, names[-1] if names else "o")

    def burst(self, ts: int, move: Move) -> None:
        for place in range(2 + 2 * move.target):
            step = place * (move.days % 5) * DAY_MS // 2
            self.add(ts + step, ORDER, move.amount, f"o{len(self.facts)}")

    def engage(self, ts: int, move: Move) -> None:
        self.add(ts, ENGAGEMENT)
        if move.part == 50:
            self.add(ts + move.days * 3_600_000, ENGAGEMENT)

    def browse(self, ts: int, move: Move) -> None:
        """Engage on several days, so that there is something to fade."""
        for place in range(4 + move.target):
            self.add(ts + place * (1 + move.days % 3) * DAY_MS // 2, ENGAGEMENT)

    def idle(self, ts: int, _: Move) -> None:
        self.add(ts, ENGAGEMENT)
        self.facts[-1] = replace(self.facts[-1], qualifies=False)

    def repeat(self, _: int, move: Move) -> None:
        # Redelivered at once: what comes back later than the next fact is a late arrival.
        if self.facts:
            self.facts.append(self.facts[-1 - move.back % len(self.facts)])

    def refund_unlinked(self, ts: int, move: Move) -> None:
        self.add(ts, REFUND, move.amount, None if move.part == 100 else "unheard-of")

    def take_back(self, ts: int, move: Move) -> None:
        """Refund a part or cancel; "void" refunds the whole order."""
        orders = [fact for fact in self.facts if fact.kind == ORDER and fact.order_id]
        if not orders:
            return self.refund_unlinked(ts, move)
        order = orders[-1 - move.target % len(orders)]
        if move.act == "cancel":
            return self.add(ts, CANCEL, 0, order.order_id)
        part = 100 if move.act == "void" else move.part
        return self.add(ts, REFUND, order.amount * part // 100, order.order_id)


def in_applied_order(facts: Iterable[Fact]) -> list[Fact]:
    """Sort by ts; at one instant purchases come first, each topic as it stands."""
    return sorted(facts, key=lambda fact: (fact.ts, fact.kind == ENGAGEMENT))


def in_replay_order(facts: Iterable[Fact]) -> list[Fact]:
    """Sort as a replay file is sorted: ts, kind, event id."""
    return sorted(facts, key=lambda f: (f.ts, f.kind, (f.event_id or "").encode()))


@st.composite
def histories(draw: st.DrawFn, customers: int = 3, moves: int = 25) -> list[Fact]:
    """Make up facts of up to `customers` customers, in the order in which they are applied.

    Event ids are unique but for redeliveries, which repeat a whole fact.
    """
    facts: list[Fact] = []
    for number in range(draw(st.integers(1, customers))):
        story = _Story(f"客{number}" if number else "c", draw(st.sampled_from(STARTS)))
        for move in draw(st.lists(MOVES, min_size=1, max_size=moves)):
            story.play(move)
        facts += story.facts
    return in_applied_order(facts)


def rules_texts(names: Sequence[str] = tuple(RULES)) -> st.SearchStrategy[str]:
    """Choose one of the rules by name."""
    return st.sampled_from(names).map(RULES.__getitem__)


@st.composite
def ends(draw: st.DrawFn, facts: Sequence[Fact]) -> int:
    """Choose where time ends: at the last fact or whole days, give or take a ms, after one."""
    if not facts:
        return STARTS[0]
    fact = draw(st.sampled_from(facts))
    days = draw(st.sampled_from((0, *OFFSET_DAYS, 366, 400)))
    end = fact.ts + days * DAY_MS + draw(st.sampled_from((-1, 0, 1)))
    return max(end, facts[-1].ts)


@st.composite
def ticked(draw: st.DrawFn, facts: Sequence[Fact]) -> list[Fact | int]:
    """Put ticks (the clock, ms) between facts, none of them above a fact yet to come."""
    arrivals: list[Fact | int] = []
    before = STARTS[0]
    for fact in facts:
        if draw(st.integers(0, 3)) == 0:
            arrivals.append(draw(st.sampled_from((fact.ts, fact.ts - 1, (before + fact.ts) // 2))))
        arrivals.append(fact)
        before = fact.ts
    return arrivals


@st.composite
def late_arrivals(draw: st.DrawFn, facts: Sequence[Fact]) -> list[Fact | int]:
    """Hold some facts up, so that they come after later ones and after ticks that passed them."""
    held = list(facts)
    if held:
        places = st.integers(0, len(held) - 1)
        for place, on in draw(st.lists(st.tuples(places, st.integers(1, 8)), max_size=5)):
            held.insert(place + on, held.pop(place))
    arrivals: list[Fact | int] = []
    newest = STARTS[0]
    for fact in held:
        arrivals.append(fact)
        newest = max(newest, fact.ts)
        if draw(st.integers(0, 2)) == 0:
            days = draw(st.sampled_from((0, 0, 1, 3, 7, 30, 90, 180)))
            arrivals.append(newest + days * DAY_MS + draw(st.sampled_from((-2_000, 0, 1))))
    return arrivals
