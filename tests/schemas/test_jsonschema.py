"""The committed JSON Schemas are those of the structs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import schemas
from schemas import jsonschema, topics

GENERATED = Path(schemas.__file__).parent / "generated"
ANEW = (
    "python -c 'import pathlib, schemas.jsonschema as s; "
    '[pathlib.Path("schemas/generated", n).write_bytes(t) for n, t in s.render().items()]\''
)


@pytest.mark.parametrize("name", sorted(jsonschema.render()))
def test_the_committed_document_is_the_generated_one(name: str) -> None:
    assert (GENERATED / name).read_bytes() == jsonschema.render()[name], f"write anew: {ANEW}"


def test_nothing_else_is_committed_there() -> None:
    assert {path.name for path in GENERATED.iterdir()} == set(jsonschema.render())


def test_documents_are_named_after_the_topics_of_the_catalogue() -> None:
    names = {topic.name for topic in topics.TOPICS}
    assert {name.removesuffix(".json") for name in jsonschema.render()} <= names


def test_a_purchase_requires_what_the_interfaces_promise() -> None:
    definitions = jsonschema.generate(topics.PURCHASES)["$defs"]
    common = {"type", "event_id", "customer_id", "ts"}
    assert set(definitions["Order"]["required"]) == common | {"order_id", "amount", "currency"}
    assert set(definitions["Refund"]["required"]) == common | {"amount", "currency"}
    assert set(definitions["Cancel"]["required"]) == common | {"order_id"}


def test_amounts_are_numbers_or_strings_and_unknown_fields_pass() -> None:
    order = jsonschema.generate(topics.PURCHASES)["$defs"]["Order"]
    assert order["properties"]["amount"]["type"] == ["number", "string"]
    assert order.get("additionalProperties", True) is True


def test_references_lead_somewhere() -> None:
    for document in jsonschema.render().values():
        parsed = json.loads(document)
        text = document.decode()
        for name in parsed["$defs"]:
            assert f"#/$defs/{name}" in text
        assert text.count('"$ref"') == text.count("#/$defs/")
