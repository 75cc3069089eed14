"""The catalogue of topics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemas import topics
from schemas.events import MAX_EVENT_BYTES
from schemas.topics import TOPICS, Cleanup, Direction, Topic, changelog, changelog_topic

ROOT = Path(__file__).parents[2]
NAMES = {topic.name: topic for topic in TOPICS}


def test_the_names_are_the_public_ones() -> None:
    assert list(NAMES) == [
        "commerce.purchases.v1",
        "commerce.engagements.v1",
        "customers.profiles.v1",
        "customers.consents.v1",
        "customers.surveys.v1",
        "customers.scores.v1",
        "outreach.contacts.v1",
        "customers.erasures.v1",
        "segmentation.changes.v1",
        "segmentation.cuts.v1",
        "segmentation.rules.v1",
        "segmentation.dead-letters.v1",
        "outreach.webhook-dead-letters.v1",
    ]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_name_says_domain_dataset_and_version(topic: Topic) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z]+(-[a-z]+)*\.v[1-9][0-9]*", topic.name)
    assert (topic.retention_ms is None) == (topic.cleanup is Cleanup.COMPACT)


def test_inputs_take_more_than_an_event_may_have_so_that_the_worker_can_say_oversized() -> None:
    for topic in TOPICS:
        if topic.direction is Direction.INPUT:
            assert topic.max_bytes > MAX_EVENT_BYTES
            assert topic.key == "customer id"


def test_dead_letters_take_two_mebibytes_and_so_every_input_record_with_its_headers() -> None:
    dead_letters = NAMES[topics.DEAD_LETTERS]
    assert dead_letters.max_bytes == 2 * 1024 * 1024
    assert all(dead_letters.max_bytes >= topic.max_bytes for topic in TOPICS)


def test_erasures_are_kept_longest() -> None:
    kept = {topic.name: topic.retention_ms or 0 for topic in TOPICS}
    assert max(kept, key=lambda name: kept[name]) == topics.ERASURES


def test_a_changelog_is_named_after_its_app_and_compacted() -> None:
    assert changelog("shop") == changelog_topic("shop").name == "shop-ledger-changelog"
    assert changelog_topic("shop").cleanup is Cleanup.COMPACT
    assert changelog_topic("shop").direction is Direction.STATE


def test_no_other_module_writes_a_topic_name() -> None:
    pattern = re.compile("|".join(re.escape(f'"{name}"') for name in NAMES))
    sources = [
        path
        for package in ("schemas", "segmenters", "streams")
        for path in (ROOT / package).rglob("*.py")
        if path != ROOT / "schemas" / "topics.py"
    ]
    assert len(sources) > 5
    docstrings = re.compile(r">>> .*")
    found = [
        path.relative_to(ROOT)
        for path in sources
        if pattern.search(docstrings.sub("", path.read_text()))
    ]
    assert found == []
