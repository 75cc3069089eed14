"""Generate a stream of believable load: the same seed, the same bytes.

Responsible for whom events fall on and for dealing records out to partitions: customers by bounded
Zipf, 20 % purchases; or a simulated shop. How events are written, and which of them are late, come
twice or broken, stands in `streams.simulated`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from schemas.topics import PURCHASES
from schemas.vocabulary import MS_PER_DAY, Instant
from streams.partitioner import partitions_of
from streams.simulated import wire
from streams.simulated.defects import WHOLE, draw_defects, spoil
from streams.simulated.records import to_seed
from streams.simulated.shop import open_shop

if TYPE_CHECKING:
    from streams.simulated.plan import Plan

START: Final = 1_700_000_000_000
KINDS: Final = (b"product_view", b"search", b"cart", b"app_open", b"email_open", b"email_click")


class Record(NamedTuple):
    """One record as it would lie in the log."""

    key: bytes
    value: bytes


class Stream(NamedTuple):
    """Records per topic family and partition, in the order they were sent."""

    purchases: list[list[Record]]
    engagements: list[list[Record]]
    events: int
    customers: int
    until: Instant
    checksum: str


def generate(
    events: int,
    customers: int,
    *,
    skew: float = 0.8,
    days: int = 120,
    partitions: int = 4,
    seed: int = 1,
) -> Stream:
    """Generate a stream.

    Parameters
    ----------
    events
        Number of events, before duplicates.
    customers
        Number of customers to draw from; with few events not all of them appear.
    skew
        Exponent of the bounded Zipf: 0.8 usual, 1.1 for hot keys.
    days
        Span of event time.

    Examples
    --------
    >>> stream = generate(1000, 50, seed=7)
    >>> stream.checksum == generate(1000, 50, seed=7).checksum
    True
    """
    draw = np.random.default_rng(seed)
    weights = np.arange(1, customers + 1, dtype=np.float64) ** -skew
    who = draw.choice(customers, size=events, p=weights / weights.sum())
    ts = START + np.arange(events, dtype=np.int64) * (days * MS_PER_DAY // events)
    late_by, twice, broken = draw_defects(draw, events)
    ts -= late_by  # in the order of arrival, a late event is an old one
    is_purchase = draw.random(events) < 0.2
    kind = draw.integers(0, len(KINDS), events)
    pence = draw.integers(100, 20_000, events)
    keys = [b"customer-%07d" % k for k in range(customers)]
    homes = partitions_of(keys, partitions).tolist()
    purchases: list[list[Record]] = [[] for _ in range(partitions)]
    engagements: list[list[Record]] = [[] for _ in range(partitions)]
    seal = hashlib.blake2b(digest_size=8)
    columns = (who, ts, is_purchase, kind, pence, twice, broken)
    for n, (c, at, buys, k, amount, again, bad) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        key = keys[c]
        event = b"e-%09d" % n
        if buys:
            paid = wire.in_major(amount, 2)
            value = wire.order(event, key, at, b"o-%09d" % n, paid, b"GBP", b',"channel":"web"')
        else:
            rest = b',"channel":"app","object":"sku-%05d","campaign_id":"c-%03d","session":"s-%08d"'
            value = wire.engagement(event, key, at, KINDS[k], rest % (amount, k, n % 99_999_999))
        if bad != WHOLE:
            _, key, value = spoil(bad, key, value)
        seal.update(value)
        log = (purchases if buys else engagements)[homes[c]]
        log.append(Record(key, value))
        if again:
            log.append(Record(key, value))
    return Stream(purchases, engagements, events, customers, int(ts.max()), seal.hexdigest())


def simulate(plan: Plan, *, partitions: int = 4) -> Stream:
    """Make up a shop and deal its records out.

    Examples
    --------
    >>> from streams.simulated.plan import Plan
    >>> stream = simulate(Plan(customers=30, days=60))
    >>> stream.customers, sum(map(len, stream.purchases)) < sum(map(len, stream.engagements))
    (30, True)
    """
    seed = to_seed(open_shop(plan))
    purchases: list[list[Record]] = [[] for _ in range(partitions)]
    engagements: list[list[Record]] = [[] for _ in range(partitions)]
    seal = hashlib.blake2b(digest_size=8)
    keys = [message.key or b"" for message in seed.messages]
    homes = partitions_of(keys, partitions).tolist()
    for message, key, home in zip(seed.messages, keys, homes, strict=True):
        seal.update(message.value)
        log = purchases if message.topic == PURCHASES else engagements
        log[home].append(Record(key, message.value))
    events = len(seed.messages)
    return Stream(purchases, engagements, events, plan.customers, seed.until, seal.hexdigest())
