"""Give a webhook's tests their topics and their endpoint."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.streams.webhook.posting import Posting
from tests.streams.webhook.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def posting(kafka: str, tmp_path: Path) -> Iterator[Posting]:
    """Give topics of their own, and whoever starts webhooks on them."""
    made = Posting(kafka, tmp_path, f"hook-{uuid.uuid4().hex[:8]}")
    yield made
    made.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give an endpoint that takes everything until it is told otherwise."""
    made = Receiver()
    yield made
    made.close()
