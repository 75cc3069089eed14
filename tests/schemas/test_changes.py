"""Changes on the wire: value, id, CloudEvents headers."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from schemas.changes import (
    Change,
    Holdout,
    Next,
    Words,
    change_id,
    cloudevent_headers,
    decode,
    encode,
)

GOLDEN = Path(__file__).parent / "golden"
SILENT = Change(
    id="",
    sequence=2,
    customer_id="客户-1",
    system="lifecycle",
    from_="active",
    to="silent",
    at=1306743960000,
    seen_at=1306743961250,
    cause="clock",
    event_id=None,
    corrects=None,
    rules_version="5f0c1d2e3a4b5c6d",
    labels=Words("沉默", "silent"),
    play=Words("挽留/唤醒", "win back"),
    features={"recency_days": 90, "orders": 3, "share": 0.25},
    segments={"value_tier": "high", "channel": None},
    next=Next("churned", 1314519960000),
    holdout=Holdout("win-back", "control"),
)
SILENT = msgspec.structs.replace(
    SILENT, id=change_id("客户-1", "lifecycle", 2, "active", "silent", 1306743960000)
)
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)
anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
identity = st.tuples(
    anything, words, st.integers(1, 2**53), st.none() | words, words, st.integers(0, 2**53)
)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | anything
labels = st.builds(Words, anything, anything)
changes = st.builds(
    Change,
    id=words,
    sequence=st.integers(1, 2**53),
    customer_id=anything,
    system=words,
    from_=st.none() | words,
    to=words,
    at=st.integers(631_152_000_000, 7_258_118_399_999),
    seen_at=st.integers(0, 2**53),
    cause=st.sampled_from(["event", "clock", "rules", "cuts", "correction", "erasure"]),
    event_id=st.none() | anything,
    corrects=st.none() | words,
    rules_version=words,
    labels=labels,
    play=st.none() | labels,
    features=st.dictionaries(words, scalars | st.floats(allow_nan=False, allow_infinity=False)),
    segments=st.dictionaries(words, st.none() | words),
    next=st.none() | st.builds(Next, words, st.integers(0, 2**53)),
    holdout=st.none() | st.builds(Holdout, words, words),
)


def test_the_golden_change_has_these_bytes() -> None:
    assert encode(SILENT) + b"\n" == (GOLDEN / "change.json").read_bytes()


def test_the_golden_change_has_these_headers() -> None:
    headers = {name: value.decode() for name, value in cloudevent_headers(SILENT, "/rewake")}
    assert headers == json.loads((GOLDEN / "change_headers.json").read_text())


def test_every_field_is_there_in_the_published_order_even_when_empty() -> None:
    first = msgspec.structs.replace(
        SILENT, from_=None, play=None, next=None, holdout=None, features={}, segments={}
    )
    assert list(json.loads(encode(first))) == [
        "id",
        "sequence",
        "customer_id",
        "system",
        "from",
        "to",
        "at",
        "seen_at",
        "cause",
        "event_id",
        "corrects",
        "rules_version",
        "labels",
        "play",
        "features",
        "segments",
        "next",
        "holdout",
    ]


@given(changes)
def test_a_change_survives_the_wire(change: Change) -> None:
    assert decode(encode(change)) == change


def test_a_consumer_may_meet_fields_of_a_later_version() -> None:
    later = json.loads(encode(SILENT)) | {"mood": "good"}
    assert decode(json.dumps(later).encode()) == SILENT


def test_numbers_that_come_out_of_arrays_are_written_as_numbers() -> None:
    change = msgspec.structs.replace(
        SILENT, features={"orders": np.int64(3), "share": np.float64(0.25), "vip": np.bool_(True)}
    )
    assert json.loads(encode(change))["features"] == {"orders": 3, "share": 0.25, "vip": True}


@given(identity, identity)
def test_two_changes_share_an_id_only_when_they_are_the_same(
    one: tuple[str, str, int, str | None, str, int], two: tuple[str, str, int, str | None, str, int]
) -> None:
    assert (change_id(*one) == change_id(*two)) == (one == two)


def test_the_id_does_not_depend_on_who_found_the_change_or_when() -> None:
    assert change_id("客户-1", "lifecycle", 2, "active", "silent", 1306743960000) == SILENT.id


def test_the_id_can_be_computed_elsewhere_from_its_description() -> None:
    text = "lifecycle\n1\n\nnew\n1298967960000\nc-1"
    expected = blake2b(text.encode(), digest_size=16).hexdigest()
    assert change_id("c-1", "lifecycle", 1, None, "new", 1298967960000) == expected


@pytest.mark.parametrize("position", range(6))
def test_every_part_counts_towards_the_id(position: int) -> None:
    parts: list[object] = ["c-1", "lifecycle", 2, "active", "silent", 1298967960000]
    others: list[object] = ["c-2", "rfm", 3, "new", "churned", 1298967960001]
    changed = [*parts[:position], others[position], *parts[position + 1 :]]
    assert change_id(*changed) != change_id(*parts)  # type: ignore[arg-type]


@given(changes)
def test_the_cloudevents_library_reads_back_what_was_told(change: Change) -> None:
    headers = cloudevent_headers(change, "/rewake")
    assert len(dict(headers)) == len(headers)
    message = KafkaMessage(dict(headers), change.customer_id.encode(), encode(change))
    event = from_binary(message, JSONFormat(), CloudEvent)
    assert event.get_specversion() == "1.0"
    assert event.get_type() == "rewake.segment.changed.v1"
    assert event.get_source() == "/rewake"
    assert event.get_id() == change.id
    assert event.get_subject() == change.customer_id
    assert event.get_datacontenttype() == "application/json"
    time = event.get_time()
    assert time is not None
    assert round(time.timestamp() * 1000) == change.at
    assert msgspec.convert(event.get_data(), Change) == change
