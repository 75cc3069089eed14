"""Write `docs/reference/topics.md`: every topic, from the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reference.pages import documented, table
from schemas import dead_letters, topics
from schemas.errors import Reason
from schemas.jsonschema import render
from streams.app import FAMILIES
from streams.settings import load_settings
from streams.topics_admin import plan

if TYPE_CHECKING:
    from streams.topics_admin import TopicPlan

_DAY_MS: Final = 86_400_000
_HEAD: Final = """\
# The topics

Generated from the code by `scripts/reference`. `rewake topics create` makes them, `rewake topics
diff` compares a cluster with this table. All have `message.timestamp.type=LogAppendTime`;
REWAKE_TOPIC_PREFIX goes before every name but the changelog's. Values are JSON, UTF-8. Records are
keyed as the table says and partitioned by Kafka's default partitioner (murmur2); inputs, changes
and changelog have the same number of partitions. The input topics that are not *read* yet are made
ahead of what will read them.
"""


def write() -> str:
    """Return the text of the page."""
    rows = [_row(each) for each in plan(load_settings(None))]
    headers = ("topic", "direction", "key", "what", "cleanup", "kept", "largest record", "schema")
    parts = [_HEAD, *table(headers, rows), "", "## Headers of a dead letter", ""]
    parts += table(("header", "what it says"), _headers())
    parts += ["", "## Reasons of a dead letter", ""]
    said = documented(Reason)
    parts += table(
        ("reason", "the event"), ((f"`{each.value}`", said[each.name]) for each in Reason)
    )
    return "\n".join(parts) + "\n"


def _row(planned: TopicPlan) -> tuple[str, ...]:
    topic = planned.topic
    read = ""
    if topic.direction is topics.Direction.INPUT:
        read = ", read" if topic.name in FAMILIES else ", not read yet"
    kept = "–" if topic.retention_ms is None else f"{topic.retention_ms // _DAY_MS} days"
    file = f"{topic.name}.json"
    schema = f"[{file}](../../schemas/generated/{file})" if file in render() else "–"
    state = topic.direction is topics.Direction.STATE
    name = topics.changelog("<app>") if state else topic.name
    return (
        f"`{name}`", topic.direction.value + read, topic.key, topic.what, topic.cleanup.value,
        kept, f"{topic.max_bytes // 1024} KiB", schema,
    )  # fmt: skip


def _headers() -> list[tuple[str, str]]:
    said = documented(dead_letters)
    names = {
        value: name for name, value in vars(dead_letters).items() if value in dead_letters.HEADERS
    }
    return [(f"`{each}`", said.get(names[each], "")) for each in dead_letters.HEADERS]
