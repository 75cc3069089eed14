"""The readers of docs/how-to/look-up.md, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from schemas.profiles import STALE_AFTER_MS
from tests.streams.serving.conftest import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.streams.serving.conftest import Cache

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "look-up.md"


@pytest.fixture
def segments(cache: Cache) -> Iterator[Callable[..., Any]]:
    """Give the Python reader of the page, bound to a cache."""
    [source] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(source, str(PAGE), "exec"), names)  # the page's own text
    with Redis.from_url(cache.url, decode_responses=True) as redis:
        yield lambda *given, **more: names["segments"](redis, *given, **more)


def test_the_reader_on_the_page_answers_by_the_readers_rule(
    segments: Callable[..., Any], cache: Cache
):
    moment = now()
    cache.tick(moment)
    cache.put("c", "silent", valid_until=moment + 60_000)
    cache.put("for good", "churned")
    assert segments("nobody") is None
    wanted = {"lifecycle": "silent", "value_tier": None}
    assert segments("c", now_ms=moment) == {"stale": False, "segments": wanted}
    assert not segments("c", now_ms=moment + STALE_AFTER_MS)["stale"]
    assert segments("c", now_ms=moment + STALE_AFTER_MS + 1)["stale"]
    cache.tick(moment + 200_000)
    assert not segments("c", now_ms=moment + 60_000 + STALE_AFTER_MS)["stale"]
    assert segments("c", now_ms=moment + 60_000 + STALE_AFTER_MS + 1)["stale"]
    assert not segments("for good", now_ms=moment + 200_000)["stale"]


def test_the_reader_on_the_page_believes_no_filling_but_the_present(
    segments: Callable[..., Any], cache: Cache
):
    cache.put("c")
    cache.redis.hdel("rw:clock", "1")
    assert segments("c")["stale"]
    cache.redis.set("rw:epoch", "rewake Vd9c 2 other")
    assert segments("c") is None
    cache.redis.delete("rw:epoch")
    assert segments("c") is None


def test_the_page_names_every_key_and_field_of_the_cache(cache: Cache):
    cache.put("c", valid_until=1, next={"lifecycle": "silent"})
    page = PAGE.read_text(encoding="utf-8")
    fields = {each.decode() for each in cache.redis.hkeys("rw:c:c")}
    for field in fields - {"lifecycle", "lifecycle.since"}:
        assert f"`{field}`" in page
    for key in ("rw:c:", "rw:clock", "rw:epoch", "rw:m:", "rw:sums", "rw:owners:", "rw:applied"):
        assert key in page
