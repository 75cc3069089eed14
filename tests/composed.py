"""What docker-compose.yml says, read for the tests that hold it to the product."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import yaml

ROOT: Final = Path(__file__).parents[1]
COMPOSE: Final = ROOT / "docker-compose.yml"
TEXT: Final = COMPOSE.read_text(encoding="utf-8")
SERVICES: Final = yaml.safe_load(
    re.sub(r"\$\{\w+:-([^}]*)\}", lambda found: found[1] or "''", TEXT)
)["services"]
NO_PROPERTIES: Final = {"KAFKA_HEAP_OPTS"}
"""Variables that the image's scripts read themselves."""


def properties() -> dict[str, str]:
    """Translate the broker's environment as its image does."""
    return {
        name.removeprefix("KAFKA_").lower().replace("_", "."): str(value)
        for name, value in SERVICES["kafka"]["environment"].items()
        if name.startswith("KAFKA_") and name not in NO_PROPERTIES
    }


def environment(service: str) -> dict[str, str]:
    return {name: str(value or "") for name, value in SERVICES[service]["environment"].items()}


def seconds(span: str) -> int:
    return int(span.removesuffix("s"))
