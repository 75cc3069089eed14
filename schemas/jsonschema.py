"""Generate the JSON Schemas of what travels over Kafka from the structs.

Responsible for the documents committed under ``schemas/generated``. Must not write files: the
command does, and a test compares.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from schemas import topics
from schemas.changes import Change
from schemas.events import Cancel, Engagement, Order, Refund

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_SHAPES: Final[dict[str, tuple[str, tuple[type, ...]]]] = {
    topics.PURCHASES: ("A purchase event: order, refund or cancellation", (Order, Refund, Cancel)),
    topics.ENGAGEMENTS: ("An engagement event", (Engagement,)),
    topics.CHANGES: ("A segment change", (Change,)),
}


def generate(topic: str) -> dict[str, Any]:
    """Generate the JSON Schema (2020-12) of the values of a topic.

    Raises
    ------
    KeyError
        When values of the topic have no struct yet.

    Examples
    --------
    >>> generate("commerce.engagements.v1")["$ref"]
    '#/$defs/Engagement'
    """
    title, shapes = _SHAPES[topic]
    refs, definitions = msgspec.json.schema_components(shapes, ref_template="#/$defs/{name}")
    document: dict[str, Any] = {"$schema": DIALECT, "title": title}
    if len(shapes) == 1:
        document |= refs[0]
    else:
        document["oneOf"] = list(refs)
    return document | {"$defs": definitions}


def render() -> dict[str, bytes]:
    """Render every document: file name → UTF-8 JSON, indented, ending in a line feed."""
    return {
        f"{topic}.json": msgspec.json.format(msgspec.json.encode(generate(topic)), indent=2) + b"\n"
        for topic in _SHAPES
    }
