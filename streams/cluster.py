"""Look at the topics before the worker starts.

Responsible for partition counts, topic ids and the one topic that is the app's own (its changelog).
Must not read or write records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

from schemas import topics
from schemas.errors import PartitionsChanged, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ANSWER_MS: Final = 20_000


class Cluster(NamedTuple):
    """What the topics look like.

    Attributes
    ----------
    partitions
        Partition count of inputs, changes and changelog.
    dead_partitions
        Partition count of the dead-letter topic.
    topic_ids
        Input topic → the broker's id of it.
    """

    partitions: int
    dead_partitions: int
    topic_ids: Mapping[str, str]


def inspect(
    app: str, inputs: Sequence[str], replication: int, connection: Mapping[str, Any]
) -> Cluster:
    """Check the topics and create the app's changelog if it is missing.

    Parameters
    ----------
    app
        Name of the app.
    inputs
        Input topics.
    replication
        Replication factor of a changelog that is created.
    connection
        Keyword arguments of kafka-python's admin client.

    Raises
    ------
    UsageError
        When a topic is missing or the cluster does not answer.
    PartitionsChanged
        When partition counts differ.
    """
    changelog = topics.changelog(app)
    try:
        admin = KafkaAdminClient(request_timeout_ms=ANSWER_MS, **connection)
    except (KafkaError, OSError) as error:
        raise _unreachable(connection, error) from error
    try:
        found = _describe(admin, [*inputs, topics.CHANGES, topics.DEAD_LETTERS, changelog])
        missing = [name for name in (*inputs, topics.CHANGES, topics.DEAD_LETTERS) if name not in found]
        if missing:
            raise UsageError(
                f"expected the topics {', '.join(missing)}, found none of that name; "
                "run `rewake topics create`"
            )
        count = len(found[inputs[0]]["partitions"])
        if changelog not in found:
            _create(admin, changelog, count, replication)
        _compare(found, [*inputs, topics.CHANGES, changelog], count)
    except KafkaError as error:
        raise _unreachable(connection, error) from error
    finally:
        admin.close()
    ids = {name: str(found[name].get("topic_id") or "") for name in inputs}
    return Cluster(count, len(found[topics.DEAD_LETTERS]["partitions"]), ids)


def _describe(admin: Any, names: list[str]) -> dict[str, dict[str, Any]]:
    described = admin.describe_topics(names)
    return {each["name"]: each for each in described if not each["error_code"]}


def _compare(found: Mapping[str, Any], names: Sequence[str], count: int) -> None:
    counts = {name: len(found[name]["partitions"]) for name in names if name in found}
    if set(counts.values()) == {count}:
        return
    listed = ", ".join(f"{name} {number}" for name, number in counts.items())
    raise PartitionsChanged(
        f"expected the same partition count on every topic, got {listed}; customers move between "
        "partitions when a count changes: start over with a new REWAKE_APP and topics of one count, "
        "replaying the inputs"
    )


def _create(admin: Any, name: str, partitions: int, replication: int) -> None:
    entry = next(iter([topics.changelog_topic("")]))
    configs = {"cleanup.policy": "compact", "max.message.bytes": str(entry.max_bytes)}
    topic = NewTopic(name, partitions, replication, topic_configs=configs)
    admin.create_topics([topic], timeout_ms=ANSWER_MS)


def _unreachable(connection: Mapping[str, Any], error: Exception) -> UsageError:
    servers = connection.get("bootstrap_servers")
    return UsageError(
        f"expected a Kafka cluster at {servers}, got {error!r}; check REWAKE_KAFKA and that it runs"
    )
