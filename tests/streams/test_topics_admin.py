"""The catalogue against a real cluster."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from kafka.admin import ConfigResource

from schemas.errors import RewakeError
from schemas.topics import CHANGES, PURCHASES, RULES, TOPICS, Direction
from streams.settings import Settings, load_settings
from streams.topics_admin import Difference, connect, create, diff, plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kafka import KafkaAdminClient

    from streams.local import LocalServers

APP = "admin-test"
CHANGELOG = "admin-test-ledger-changelog"


@pytest.fixture
def settings(spare_servers: LocalServers) -> Settings:
    return load_settings(None, kafka=spare_servers.up().kafka, app=APP, partitions=3)


@pytest.fixture
def admin(settings: Settings) -> Iterator[KafkaAdminClient]:
    """Connect to a cluster without any topic of the catalogue."""
    with connect(settings) as client:
        remove(client, [wanted.topic.name for wanted in plan(settings)])
        yield client


def remove(client: KafkaAdminClient, names: list[str]) -> None:
    """Delete topics and wait until the broker no longer shows them."""
    client.delete_topics(names, raise_errors=False)
    while set(names).intersection(client.list_topics()):
        time.sleep(0.05)


def test_every_topic_is_missing_at_first_and_as_planned_after_create(
    admin: KafkaAdminClient, settings: Settings
) -> None:
    plans = plan(settings)
    missing = [Difference(wanted.topic.name, "missing") for wanted in plans]
    assert diff(admin, plans) == missing
    assert create(admin, plans) == [wanted.topic.name for wanted in plans]
    assert diff(admin, plans) == []


def test_a_prefix_stands_before_every_name_but_the_changelogs() -> None:
    names = [each.topic.name for each in plan(load_settings(None, app=APP, topic_prefix="x."))]
    assert names == [*(f"x.{topic.name}" for topic in TOPICS), CHANGELOG]
    single = {
        p.topic.name for p in plan(load_settings(None, topic_prefix="x.")) if p.partitions == 1
    }
    assert single == {"x.segmentation.cuts.v1", "x.segmentation.rules.v1"}


def test_create_again_makes_only_what_went_missing(
    admin: KafkaAdminClient, settings: Settings
) -> None:
    plans = plan(settings)
    create(admin, plans)
    assert create(admin, plans) == []
    remove(admin, [CHANGES])
    assert create(admin, plans) == [CHANGES]


def test_facts_of_a_customer_find_one_partition_number_everywhere(settings: Settings) -> None:
    counts = {wanted.topic.name: wanted.partitions for wanted in plan(settings)}
    inputs = [topic.name for topic in TOPICS if topic.direction is Direction.INPUT]
    assert {counts[name] for name in [*inputs, CHANGES, CHANGELOG]} == {3}
    assert counts[RULES] == 1


def test_the_broker_keeps_its_own_time_in_every_topic(settings: Settings) -> None:
    for wanted in plan(settings):
        assert wanted.configs["message.timestamp.type"] == "LogAppendTime"


def test_the_changelog_is_compacted_and_never_expires(
    admin: KafkaAdminClient, settings: Settings
) -> None:
    create(admin, plan(settings))
    found = admin.describe_configs([ConfigResource("TOPIC", CHANGELOG)], config_filter="all")
    assert found["topic"][CHANGELOG]["cleanup.policy"]["value"] == "compact"


def test_what_differs_is_told_and_left_alone(admin: KafkaAdminClient, settings: Settings) -> None:
    configs = {"message.timestamp.type": "CreateTime", "max.message.bytes": "1048576"}
    options = {"num_partitions": 2, "replication_factor": 1, "configs": configs}
    admin.create_topics({PURCHASES: options}, wait_for_metadata=True)
    create(admin, plan(settings))
    expected = [
        Difference(PURCHASES, "partitions", "3", "2"),
        Difference(PURCHASES, "message.timestamp.type", "LogAppendTime", "CreateTime"),
    ]
    found = diff(admin, plan(settings))
    assert [difference for difference in found if difference.what != "retention.ms"] == expected
    assert str(found[0]) == "commerce.purchases.v1: expected partitions = 3, found 2"


def test_a_plan_the_broker_cannot_fulfil_is_an_error(
    admin: KafkaAdminClient, settings: Settings
) -> None:
    greedy = settings.model_copy(update={"replication": 3})
    with pytest.raises(RewakeError, match=r"expected Kafka to create .*[Rr]eplication"):
        create(admin, plan(greedy))
