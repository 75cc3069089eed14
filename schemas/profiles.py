"""Define a customer's profile as the cache keeps it, the key names, and the reader's rule.

Responsible for the fields of the Redis hash, for saying who fills a cache, and for saying when an
answer is stale. Must not talk to Redis, and must not read a clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import MsgspecError, Struct, json

from schemas.errors import RewakeError
from schemas.vocabulary import Instant  # noqa: TC001 — msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Mapping

CLOCK_KEY: Final = "rw:clock"
"""Hash: partition → its published clock, epoch ms."""
APPLIED_KEY: Final = "rw:applied"
"""Hash: partition → changelog offset the cache has reached."""
EPOCH_KEY: Final = "rw:epoch"
"""String: who fills the cache, and which filling it is (`Epoch`); lost when it was flushed."""
WRITER_PREFIX: Final = "rw:writer:"
"""String per worker: the number of its last write; behind it when the cache has lost writes."""
OWNERS_KEY: Final = "rw:owners"
"""Partition → worker address, with a time to live."""
SUMS_KEY: Final = "rw:sums"
"""Hash: partition → its customers and their revenue by segment (`Sums`), as JSON."""
CUSTOMER_PREFIX: Final = "rw:c:"
"""Hash per customer: the profile, see below; behind the prefix stands the customer's id."""
MEMBERS_PREFIX: Final = "rw:m:"
"""Sorted set per segment, ``rw:m:<system>:<segment>``: its customers by since."""

STALE_AFTER_MS: Final = 10_000
"""How old a clock, or how far past ``valid_until``, an answer may be."""

EPOCH_FIELD: Final = "epoch"
"""Field of a customer's hash: token of the filling that wrote it; no other's may be believed."""

_SINCE: Final = ".since"

FIELDS: Final = {
    "seq": "sequence of the last change told of the customer",
    "version": "version of the row this was made from; it grows with every write",
    "valid_until": "first instant at which a segment changes if nothing happens; empty: never",
    "next": "what follows then, ``system=segment``, several apart by commas",
    EPOCH_FIELD: "token of the filling that wrote it; another's must not be believed",
}
"""What the fields beside the systems' own say."""

RESERVED_FIELDS: Final = frozenset(FIELDS)
"""Hash fields that no system may be named after."""


class Standing(Struct, frozen=True, gc=False):
    """The segment a customer has in one system, and since when."""

    segment: str
    since: Instant


class Profile(Struct, frozen=True):
    """What a lookup returns for one customer.

    Attributes
    ----------
    customer_id
        The customer.
    systems
        System → segment and since.
    sequence
        Sequence of the last change told; 0 before the first.
    version
        Version of the row this was made from.
    valid_until
        First instant at which a segment would change without facts; None when none will.
    next
        System → the segment that follows at ``valid_until``.
    """

    customer_id: str
    systems: dict[str, Standing]
    sequence: int
    version: int
    valid_until: Instant | None = None
    next: dict[str, str] = {}


class Sums(Struct, frozen=True):
    """What one partition's customers add up to, by segment.

    Attributes
    ----------
    clock
        The partition's clock as of which it is so.
    systems
        System → segment → customers in it, and their revenue: net spend on the last 365 local days,
        in minor units of the base currency. Segments without customers are there, too.

    Examples
    --------
    >>> read_sums(b'{"clock":7,"systems":{"lifecycle":{"new":[2,995]}}}').systems["lifecycle"]
    {'new': (2, 995)}
    """

    clock: Instant
    systems: dict[str, dict[str, tuple[int, int]]]


write_sums: Final = json.Encoder().encode
"""Write `Sums` as the value of its field below `SUMS_KEY`."""

_decode_sums: Final = json.Decoder(Sums).decode


def read_sums(written: str | bytes) -> Sums:
    """Read what stands in a field below `SUMS_KEY`.

    Raises
    ------
    RewakeError
        When it says anything else.
    """
    try:
        return _decode_sums(written)
    except MsgspecError as error:
        message = (
            f"expected {SUMS_KEY} to hold sums by segment, got {written[:80]!r} ({error}); delete "
            f"{SUMS_KEY} to have it rewritten"
        )
        raise RewakeError(message) from error


class Filler(NamedTuple):
    """Who fills a cache.

    Attributes
    ----------
    app
        REWAKE_APP.
    changelog
        The broker's id of the app's changelog topic: state begun anew is another's.
    partitions
        Partition count of that state.
    """

    app: str
    changelog: str
    partitions: int

    def __str__(self) -> str:
        return f"{self.app} {self.changelog or '-'} {self.partitions}"


class Epoch(NamedTuple):
    """One filling of a cache: offsets, clocks and versions mean something within it only.

    Attributes
    ----------
    filler
        Who fills it.
    token
        Which filling it is.

    Examples
    --------
    >>> epoch = Epoch(Filler("shop", "Vd9c", 4), "5f0a")
    >>> str(epoch)
    'shop Vd9c 4 5f0a'
    >>> read_epoch("shop Vd9c 4 5f0a") == epoch
    True
    """

    filler: Filler
    token: str

    def __str__(self) -> str:
        return f"{self.filler} {self.token}"


def read_epoch(written: str) -> Epoch:
    """Read what is under `EPOCH_KEY`.

    Raises
    ------
    RewakeError
        When it says anything else.
    """
    parts = written.split(" ")
    if len(parts) != 4 or not parts[2].isdecimal():
        message = (
            f"expected {EPOCH_KEY} to say app, changelog, partitions and token, got {written!r}; "
            f"if nothing else uses this Redis, delete {EPOCH_KEY} to have the cache rewritten"
        )
        raise RewakeError(message)
    app, changelog, partitions, token = parts
    return Epoch(Filler(app, "" if changelog == "-" else changelog, int(partitions)), token)


def customer_key(customer_id: str) -> str:
    """Name the hash of one customer.

    Examples
    --------
    >>> customer_key("c-1")
    'rw:c:c-1'
    """
    return CUSTOMER_PREFIX + customer_id


def members_key(system: str, segment: str) -> str:
    """Name the sorted set of the members of a segment, by since.

    Examples
    --------
    >>> members_key("lifecycle", "silent")
    'rw:m:lifecycle:silent'
    """
    return f"{MEMBERS_PREFIX}{system}:{segment}"


def to_hash(profile: Profile) -> dict[str, str]:
    """Write a profile as the fields of its Redis hash.

    Every field is always there, so that a write replaces all of an older one: ``valid_until`` and
    ``next`` are empty when nothing follows; ``next`` reads ``system=segment,…``.
    """
    fields: dict[str, str] = {}
    for system, standing in profile.systems.items():
        fields[system] = standing.segment
        fields[system + _SINCE] = str(standing.since)
    fields["seq"] = str(profile.sequence)
    fields["version"] = str(profile.version)
    fields["valid_until"] = "" if profile.valid_until is None else str(profile.valid_until)
    fields["next"] = ",".join(f"{system}={segment}" for system, segment in profile.next.items())
    return fields


def from_hash(customer_id: str, fields: Mapping[str, str]) -> Profile:
    """Read a profile back from the fields of its Redis hash.

    Raises
    ------
    RewakeError
        When a field that every profile has is absent or no number.
    """
    try:
        systems = {
            name: Standing(segment, int(fields[name + _SINCE]))
            for name, segment in fields.items()
            if name not in RESERVED_FIELDS and not name.endswith(_SINCE)
        }
        until = fields["valid_until"]
        following = (pair.split("=", 1) for pair in fields["next"].split(",") if pair)
        return Profile(
            customer_id,
            systems,
            int(fields["seq"]),
            int(fields["version"]),
            int(until) if until else None,
            {system: segment for system, segment in following},  # noqa: C416
        )
    except (KeyError, ValueError) as error:
        message = (
            f"expected the cached profile under {CUSTOMER_PREFIX}… to have seq, version, "
            f"valid_until, next and a .since per system, got {error!r}; delete {EPOCH_KEY} to "
            "have the cache rewritten"
        )
        raise RewakeError(message) from error


def is_stale(profile: Profile, clock: Instant | None, now: Instant) -> bool:
    """Say whether an answer can no longer be vouched for.

    Parameters
    ----------
    profile
        The cached profile.
    clock
        Published clock of the customer's partition; None when there is none.
    now
        The reader's wall clock.

    Examples
    --------
    >>> profile = Profile("c-1", {}, 1, 1, valid_until=20_000)
    >>> is_stale(profile, 29_000, 30_000), is_stale(profile, 30_000, 30_001)
    (False, True)
    """
    if clock is None or now - clock > STALE_AFTER_MS:
        return True
    return profile.valid_until is not None and now > profile.valid_until + STALE_AFTER_MS
