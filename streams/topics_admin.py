"""Compare the catalogue of topics with a cluster, and create what is missing.

Responsible for turning `schemas.topics` into partitions and broker settings. Must not change or
delete a topic that exists: with live state that is a decision, not a repair.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError
from msgspec.structs import replace

from schemas.errors import RewakeError, UsageError
from schemas.topics import CUTS, RULES, TOPICS, Cleanup, Topic, changelog_topic
from streams import refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.settings import Settings

# Versions of cut points and rules are one short, ordered sequence.
_SINGLE: Final = frozenset({CUTS, RULES})

# Compaction never touches the active segment: a restore reads at most this much that is outdated.
_COMPACT_SEGMENT_BYTES: Final = 128 * 1024 * 1024

_CONNECT_MS: Final = 10_000
_REQUEST_MS: Final = 30_000


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """What one topic has to be on the cluster.

    Attributes
    ----------
    topic
        Its entry in the catalogue.
    partitions, replication
        Counts.
    configs
        Broker settings of the topic which matter, as the broker writes them.
    """

    topic: Topic
    partitions: int
    replication: int
    configs: dict[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which a topic on the cluster is not as planned.

    Attributes
    ----------
    topic
        Its name.
    what
        ``missing``, ``partitions`` or the name of a broker setting.
    expected, found
        As text; empty where the topic is missing.
    """

    topic: str
    what: str
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        if self.what == "missing":
            return f"{self.topic}: missing; create it with `rewake topics create`"
        return f"{self.topic}: expected {self.what} = {self.expected}, found {self.found}"


def plan(settings: Settings) -> list[TopicPlan]:
    """List every topic as it has to be for these settings, the app's changelog last.

    Inputs, changelog and changes get the same partition count, for a customer has to be found in
    the partition of one number everywhere. The broker writes the time of append into all records:
    retention by the time of the facts would delete history while it is being loaded.

    Examples
    --------
    >>> from streams.settings import load_settings
    >>> [(p.topic.name, p.partitions) for p in plan(load_settings(None, partitions=3))][-2:]
    [('outreach.webhook-dead-letters.v1', 3), ('rewake-ledger-changelog', 3)]
    """
    single = {settings.topic(name) for name in _SINGLE}
    named = [replace(topic, name=settings.topic(topic.name)) for topic in TOPICS]
    return [
        TopicPlan(
            topic=topic,
            partitions=1 if topic.name in single else settings.partitions,
            replication=settings.replication,
            configs=_configs(topic),
        )
        for topic in (*named, changelog_topic(settings.app))
    ]


def _configs(topic: Topic) -> dict[str, str]:
    configs = {
        "cleanup.policy": topic.cleanup.value,
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(topic.max_bytes),
    }
    if topic.retention_ms is not None:
        configs["retention.ms"] = str(topic.retention_ms)
    if topic.cleanup is Cleanup.COMPACT:
        configs["segment.bytes"] = str(_COMPACT_SEGMENT_BYTES)
    return configs


@contextmanager
def connect(settings: Settings) -> Iterator[KafkaAdminClient]:
    """Open an admin connection for the length of a block.

    Raises
    ------
    RewakeError
        When no broker answers in time, or it refuses a request made in the block.
    """
    security = settings.kafka_security()
    with refused.listening() as heard:
        try:
            client = KafkaAdminClient(
                bootstrap_servers=settings.kafka.split(","),
                client_id=f"{settings.app}-admin",
                bootstrap_timeout_ms=_CONNECT_MS,
                request_timeout_ms=_REQUEST_MS,
                **security,
            )
        except KafkaError as error:
            reason = heard.reason or error
            message = (
                f"expected Kafka at {settings.kafka} to answer, got {reason}; "
                f"{refused.advice(reason)}"
            )
            raise RewakeError(message) from error
    try:
        yield client
    except KafkaError as error:
        message = f"expected Kafka at {settings.kafka} to do what was asked, it said: {error}"
        raise RewakeError(message) from error
    finally:
        client.close()


def partition_counts(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, int]:
    """Return how many partitions topics have, in the order asked.

    Raises
    ------
    UsageError
        When one is missing.
    """
    described = describe(admin, names)
    found = {name: each for name, each in described.items() if not each["error_code"]}
    missing = [name for name in names if name not in found]
    if missing:
        raise UsageError(
            f"expected the topics {', '.join(missing)}, found none of that name; run `rewake "
            "topics create`, or set REWAKE_TOPIC_PREFIX to what the worker has"
        )
    return {name: len(found[name]["partitions"]) for name in names}


def create(admin: KafkaAdminClient, plans: list[TopicPlan]) -> list[str]:
    """Create the topics that are missing, and leave the others alone.

    Returns
    -------
    list of str
        Names of the topics made now, in the order of the plans.

    Raises
    ------
    RewakeError
        When the broker refuses one.
    """
    wanted = {
        entry.topic.name: {
            "num_partitions": entry.partitions,
            "replication_factor": entry.replication,
            "configs": entry.configs,
        }
        for entry in plans
    }
    # Asking for all and not first for the list: only the controller knows what exists by now.
    answer = admin.create_topics(wanted, raise_errors=False)
    codes = {entry["name"]: entry["error_code"] for entry in answer["topics"]}
    for entry in answer["topics"]:
        if entry["error_code"] not in {0, TopicAlreadyExistsError.errno}:
            said = entry["error_message"]
            message = f"expected Kafka to create {entry['name']}, it said: {said}"
            raise RewakeError(message)
    admin.wait_for_topics(list(wanted))
    return [name for name in wanted if codes[name] == 0]


def describe(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Describe topics as the broker does, those that are missing too.

    Raises
    ------
    RewakeError
        When the user may not look at one.
    """
    described: list[dict[str, Any]] = admin.describe_topics(list(names))
    refused.refuse_denied(described)
    return {each["name"]: each for each in described}


def diff(admin: KafkaAdminClient, plans: list[TopicPlan]) -> list[Difference]:
    """List where the cluster differs from the plans; an empty list means it is as it should be.

    Raises
    ------
    RewakeError
        When the user may not look at one.
    """
    names = [wanted.topic.name for wanted in plans]
    described = describe(admin, names)
    resources = [ConfigResource("TOPIC", name) for name in names]
    configs: dict[str, Any] = admin.describe_configs(resources, config_filter="all")["topic"]
    found: list[Difference] = []
    for wanted in plans:
        name = wanted.topic.name
        if described[name]["error_code"] == UnknownTopicOrPartitionError.errno:
            found.append(Difference(name, "missing"))
        else:
            partitions = len(described[name]["partitions"])
            if not configs[name]:
                raise RewakeError(
                    f"expected to be allowed to read the settings of {name}, Kafka denies "
                    f"DescribeConfigs to this user. {refused.RIGHTS}"
                )
            found += _compare(wanted, partitions, configs[name])
    return found


def _compare(wanted: TopicPlan, partitions: int, configs: dict[str, Any]) -> Iterator[Difference]:
    name = wanted.topic.name
    if partitions != wanted.partitions:
        yield Difference(name, "partitions", str(wanted.partitions), str(partitions))
    for what, expected in wanted.configs.items():
        value = str(configs[what]["value"])
        if value != expected:
            yield Difference(name, what, expected, value)
