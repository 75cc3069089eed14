"""Look at the topics before the worker starts.

Responsible for partition counts, topic ids and the one topic that is the app's own (its changelog).
Must not read or write records.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas import topics
from schemas.errors import PartitionsChanged, UsageError
from streams import refused, topics_admin
from streams.partitioner import REPARTITION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.settings import Settings
    from streams.topics_admin import Difference


class Cluster(NamedTuple):
    """What the topics look like.

    Attributes
    ----------
    partitions
        Partition count of inputs, changes and changelog.
    dead_partitions
        Partition count of the dead-letter topic.
    topic_ids
        Input topic, and the changelog → the broker's id of it.
    """

    partitions: int
    dead_partitions: int
    topic_ids: Mapping[str, str]


def inspect(settings: Settings, inputs: Sequence[str]) -> Cluster:
    """Check the topics, and create the app's changelog if it is missing.

    Parameters
    ----------
    settings
        Where the cluster is, and the name of the app.
    inputs
        Input topics.

    Raises
    ------
    UsageError
        When a topic is missing, or the broker would delete state.
    PartitionsChanged
        When partition counts differ.
    RewakeError
        When the cluster does not answer.
    """
    changelog = topics.changelog(settings.app)
    changes, dead_letters = map(settings.topic, (topics.CHANGES, topics.DEAD_LETTERS))
    needed = [*inputs, changes, dead_letters]
    with topics_admin.connect(settings) as admin:
        refused.refuse_denied_group(admin, settings.app)
        found = _describe(admin, [*needed, changelog])
        missing = [name for name in needed if name not in found]
        if missing:
            raise UsageError(
                f"expected the topics {', '.join(missing)}, found none of that name; "
                "run `rewake topics create`"
            )
        count = len(found[inputs[0]]["partitions"])
        _compare(found, [*inputs, changes, changelog], count)
        own = replace(topics_admin.plan(settings)[-1], partitions=count)
        if changelog in found:
            _refuse_deletion(topics_admin.diff(admin, [own]))
        else:
            topics_admin.create(admin, [own])
            found |= _describe(admin, [changelog])
    ids = {name: str(found[name].get("topic_id") or "") for name in [*inputs, changelog]}
    return Cluster(count, len(found[dead_letters]["partitions"]), ids)


def _describe(admin: Any, names: list[str]) -> dict[str, dict[str, Any]]:
    found = topics_admin.describe(admin, names)
    return {name: each for name, each in found.items() if not each["error_code"]}


def _refuse_deletion(differences: Sequence[Difference]) -> None:
    """Refuse a changelog whose old records are deleted: every row has one that is its only one."""
    for difference in differences:
        if difference.what == "cleanup.policy":
            raise UsageError(
                f"{difference}; with this setting the broker deletes the state of customers who "
                "have been quiet for long: set it back before the worker starts"
            )


def _compare(found: Mapping[str, Any], names: Sequence[str], count: int) -> None:
    counts = {name: len(found[name]["partitions"]) for name in names if name in found}
    if set(counts.values()) == {count}:
        return
    listed = ", ".join(f"{name} {number}" for name, number in counts.items())
    raise PartitionsChanged(
        f"expected the same partition count on every topic, got {listed}; {REPARTITION}"
    )
