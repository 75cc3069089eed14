"""Generate a stream of believable load: the same seed, the same bytes.

Responsible for records as producers would send them. Customers by bounded Zipf; 20 % purchases;
1 % out of order by up to 10 minutes, 0.1 % by up to 2 days; 0.01 % exact duplicates; 0.001 %
malformed.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

import numpy as np

from schemas.vocabulary import MS_PER_DAY, Instant
from streams.partitioner import partitions_of

START: Final = 1_700_000_000_000
KINDS: Final = ("product_view", "search", "cart", "app_open", "email_open", "email_click")
BAD: Final = b'{"event_id": "broken", "customer_id": '


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
    late = draw.random(events)
    ts -= np.where(late < 0.01, draw.integers(0, 600_000, events), 0)
    ts -= np.where(late < 0.001, draw.integers(0, 2 * MS_PER_DAY, events), 0)
    is_purchase = draw.random(events) < 0.2
    kind = draw.integers(0, len(KINDS), events)
    pence = draw.integers(100, 20_000, events)
    twice = draw.random(events) < 0.0001
    broken = draw.random(events) < 0.00001
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
        if bad:
            value = BAD
        elif buys:
            value = (
                b'{"event_id":"e-%09d","customer_id":"%s","ts":%d,"type":"order","order_id":"o-%09d",'
                b'"amount":"%d.%02d","currency":"GBP","channel":"web"}'
                % (n, key, at, n, amount // 100, amount % 100)
            )
        else:
            value = (
                b'{"event_id":"e-%09d","customer_id":"%s","ts":%d,"kind":"%s","channel":"app",'
                b'"object":"sku-%05d","campaign_id":"c-%03d","session":"s-%08d"}'
                % (n, key, at, KINDS[k].encode(), amount, k, n % 99_999_999)
            )
        seal.update(value)
        log = (purchases if buys else engagements)[homes[c]]
        log.append(Record(key, value))
        if again:
            log.append(Record(key, value))
    return Stream(purchases, engagements, events, customers, int(ts.max()), seal.hexdigest())
