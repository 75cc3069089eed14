"""Make the list of customers to be called, with why and with what.

Responsible for the last change of each customer in the first condition's system, for leaving out
who moved on since, and for the order of the list. Must not know consent: who may be called is not
known here yet. Must not write, and calls nobody.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from msgspec import MsgspecError, Struct

from schemas import changes
from schemas.errors import RewakeError
from schemas.topics import CHANGES
from segmenters.phrases import Phrases
from streams.audiences.members import PAGE
from streams.webhook.selection import CONTROL, VALUE_TIER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from schemas.changes import Words
    from schemas.vocabulary import Instant
    from segmenters.rules import Rules
    from streams.audiences.conditions import Audience
    from streams.audiences.members import Member, Members
    from streams.settings import Settings

_SILENT: Final = frozenset({"rules", "cuts", "erasure"})
"""Causes that are no reason to call: nothing has happened to the customer."""
_POLL_MS: Final = 500
_REQUEST_MS: Final = 30_000


class Moved(Struct, frozen=True, gc=False):
    """What the list needs of a change."""

    at: Instant
    labels: Words
    play: Words | None
    reason: Words


class Call(NamedTuple):
    """One customer to be called."""

    member: Member
    moved: Moved
    value_tier: str


class CallList(NamedTuple):
    """The list, and what is not on it.

    Attributes
    ----------
    calls
        By value, the highest first, then by since, the longest ago first.
    moved_on
        How many changed within the span, and are in the audience no more.
    """

    calls: list[Call]
    moved_on: int


def call_list(
    settings: Settings,
    rules: Rules,
    members: Members,
    audience: Audience,
    progress: Callable[[int, int], None],
) -> CallList:
    """Find who of an audience changed within its bounds, and why.

    Raises
    ------
    RewakeError
        When the changes cannot be read.
    """
    phrases = Phrases(rules.engine.base_currency, rules.timezone)
    moved = _last_moves(settings, audience, phrases, progress)
    calls: list[Call] = []
    customers = iter(moved)
    while page := list(islice(customers, PAGE)):
        for member in members.look_up(page, audience):
            profile = member.profile
            last = moved[profile.customer_id]
            # Another stay than the one that change began: who came back has another reason.
            if profile.systems[audience.conditions[0].system].since == last.at:
                tier = profile.systems.get(VALUE_TIER)
                calls.append(Call(member, last, tier.segment if tier else ""))
    order = _ranks(rules)
    calls.sort(key=lambda c: (-order.get(c.value_tier, -1), c.moved.at, c[0].profile.customer_id))
    return CallList(calls, len(moved) - len(calls))


def _ranks(rules: Rules) -> dict[str, int]:
    for system in rules.systems:
        if system.key == VALUE_TIER:
            return {segment: rank for rank, segment in enumerate(system.segments)}
    return {}


def _last_moves(
    settings: Settings,
    audience: Audience,
    phrases: Phrases,
    progress: Callable[[int, int], None],
) -> dict[str, Moved]:
    """Return customer → their last change in the system, where that led into the audience."""
    first = audience.conditions[0]
    moves: dict[str, Moved] = {}
    for value in _changes(settings, audience.since, progress):
        try:
            change = changes.decode(value)
        except (MsgspecError, TypeError):
            continue  # no change; whoever wrote it, it tells nothing of a customer
        if change.system != first.system:
            continue
        held_out = change.holdout is not None and change.holdout.arm == CONTROL
        fits = change.to in first.segments and audience.within(change.at)
        if fits and change.cause not in _SILENT and not held_out:
            reason = phrases.numbers(change.features)
            moves[change.customer_id] = Moved(change.at, change.labels, change.play, reason)
        else:
            moves.pop(change.customer_id, None)
    return moves


def _changes(
    settings: Settings, since: Instant | None, progress: Callable[[int, int], None]
) -> Iterator[bytes]:
    """Yield the changes that were appended from an instant on, up to the present end.

    A change is appended after the instant it is of, so none of those sought is left out.
    """
    topic = settings.topic(CHANGES)
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=settings.kafka.split(","),
            isolation_level="read_committed",
            enable_auto_commit=False,
            request_timeout_ms=_REQUEST_MS,
            **settings.kafka_security(),
        )
    except KafkaError as error:
        raise RewakeError(_no_answer(settings, error)) from error
    try:
        partitions = consumer.partitions_for_topic(topic)
        if not partitions:
            raise RewakeError(f"expected topic {topic}, got none; run `rewake topics create`")
        tps = [TopicPartition(topic, partition) for partition in partitions]
        consumer.assign(tps)
        ends = consumer.end_offsets(tps)
        starts = _starts(consumer, tps, since, ends)
        for tp in tps:
            consumer.seek(tp, starts[tp])
        whole = sum(ends[tp] - starts[tp] for tp in tps)
        while True:
            # The position passes marks of transactions, which are no records.
            done = {tp: min(consumer.position(tp), ends[tp]) for tp in tps}
            progress(sum(done[tp] - starts[tp] for tp in tps), whole)
            if done == ends:
                return
            for tp, records in consumer.poll(timeout_ms=_POLL_MS).items():
                yield from (r.value for r in records if r.offset < ends[tp] and r.value)
    except KafkaError as error:
        raise RewakeError(_no_answer(settings, error)) from error
    finally:
        consumer.close()


def _starts(
    consumer: Any, tps: Sequence[TopicPartition], since: Instant | None, ends: Any
) -> dict[TopicPartition, int]:
    if since is None:
        beginnings: dict[TopicPartition, int] = consumer.beginning_offsets(tps)
        return beginnings
    found = consumer.offsets_for_times(dict.fromkeys(tps, max(since, 0)))
    return {tp: found[tp].offset if found[tp] else ends[tp] for tp in tps}


def _no_answer(settings: Settings, error: Exception) -> str:
    return (
        f"expected Kafka at {settings.kafka} to answer, got {error!r}; is it up, and is "
        "REWAKE_KAFKA right?"
    )


CALL_COLUMNS: Final = ("customer_id", "value_tier", "segment", "since")


def call_columns(languages: Sequence[str]) -> list[str]:
    """Name the columns of a call list.

    Examples
    --------
    >>> call_columns(["en"])[4:]
    ['label_en', 'reason_en', 'play_en', 'as_of', 'stale']
    """
    spoken = [f"{what}_{lang}" for lang in languages for what in ("label", "reason", "play")]
    return [*CALL_COLUMNS, *spoken, "as_of", "stale"]


def call_cells(
    call: Call, system: str, phrases: Phrases, languages: Sequence[str]
) -> dict[str, Any]:
    """Return a call's cells by column; instants to the minute, in the business time zone."""
    member, moved, tier = call
    cells: dict[str, Any] = {
        "customer_id": member.profile.customer_id,
        "value_tier": tier,
        "segment": member.profile.systems[system].segment,
        "since": phrases.minute(moved.at),
        "as_of": None if member.as_of is None else phrases.minute(member.as_of),
        "stale": member.stale,
    }
    for lang in languages:
        cells[f"label_{lang}"] = getattr(moved.labels, lang)
        cells[f"reason_{lang}"] = getattr(moved.reason, lang)
        cells[f"play_{lang}"] = getattr(moved.play, lang) if moved.play else ""
    return cells
