"""`rewake audience` says who is in some segments, writes them down, and whom to call."""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from schemas.profiles import Filler, Profile, Standing
from streams.cli import main
from streams.sinks.redis_store import Mark, RedisStore
from tests.streams.webhook.posting import Posting, control, make_change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from schemas.changes import Change
    from tests.streams.cli.conftest import Rewake

NASTY = ("=cmd|' /C calc'!A0", "00123", "顾客,一", 'say "hi"', "two\nlines", "'='", "-1")
DAY = 86_400_000


@pytest.fixture
def url(redis_url: str) -> Iterator[str]:
    with Redis.from_url(redis_url) as client:
        client.flushdb()
        yield redis_url
        client.flushdb()


def fill(url: str, profiles: Sequence[Profile], app: str = "rewake") -> None:
    """Write profiles as a worker does, and clocks that are not stale before the test ends."""

    async def work() -> None:
        store = RedisStore(url, Filler(app, "Vd9c", 3))
        await store.join()
        await store.write(profiles)
        clock = time.time_ns() // 1_000_000 + 3_600_000
        await store.publish({p: Mark(1, clock) for p in range(3)})
        await store.close()

    asyncio.run(work())


def profile(customer: str, segment: str, since: int, tier: str = "high") -> Profile:
    systems = {"lifecycle": Standing(segment, since), "value_tier": Standing(tier, 1)}
    return Profile(customer, systems, 2, 1, None, {})


def test_it_counts_shows_and_exports(rewake: Rewake, url: str, tmp_path: Path) -> None:
    fill(url, [profile(each, "silent", 1_000 + n) for n, each in enumerate(NASTY)])
    env = {"REWAKE_REDIS": url}
    counted = rewake("audience", "lifecycle=silent", "--count", **env)
    assert (counted.returncode, counted.stdout) == (0, "7\n")
    shown = rewake("audience", "lifecycle=silent,churned", "value_tier=high", **env)
    assert "7 customers: lifecycle=silent,churned value_tier=high, as of 20" in shown.stdout
    told = json.loads(rewake("audience", "lifecycle=silent", "--json", **env).stdout)
    assert (told["customers"], told["stale"], len(told["members"])) == (7, False, 5)
    assert told["members"][1]["customer_id"] == "00123"
    for name in ("out.csv", "out.csv.gz", "out.ndjson", "out.ndjson.gz"):
        made = rewake("audience", "lifecycle=silent", "--export", name, **env)
        assert made.returncode == 0, made.stderr
        assert f"7 customers written to {name}, as of 20" in made.stdout
    packed = gzip.decompress((tmp_path / "out.csv.gz").read_bytes())
    assert packed == (tmp_path / "out.csv").read_bytes()
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["customer_id"].removeprefix("'") for row in rows] == list(NASTY)
    lines = (tmp_path / "out.ndjson").read_text().splitlines()
    assert [json.loads(line)["customer_id"] for line in lines] == list(NASTY)
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".out")} == set()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lifecycle=silnet"], "did you mean silent?"),
        (["livecycle=silent"], "did you mean lifecycle?"),
        (["silent"], "expected SYSTEM=SEGMENT"),
        (["lifecycle=silent", "lifecycle=new"], "each system once"),
        (["lifecycle=silent", "--since", "soon"], "--since: expected an instant"),
        (["lifecycle=silent", "--export", "out.xls"], "--export: expected a file that ends in"),
    ],
)
def test_a_wrong_call_is_told_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    monkeypatch.setenv("REWAKE_REDIS", "redis://127.0.0.1:9/0")
    assert main(["audience", *words]) == 2
    assert said in capsys.readouterr().err


def call(customer: str, at: int, sequence: int = 2, **fields: Any) -> Change:
    return make_change(customer, sequence, at=at, seen_at=at, **fields)


def test_the_call_list_has_who_changed_by_value_with_reason_and_play_and_nobody_who_bought_since(
    rewake: Rewake, url: str, kafka: str, tmp_path: Path
) -> None:
    now = time.time_ns() // 1_000_000
    at = now - DAY
    name = f"calls-{uuid.uuid4().hex[:8]}"
    posting = Posting(kafka, tmp_path, name)
    told = [
        call("low", at),
        call("high-later", at + 2),
        call("high", at + 1),
        call("long-ago", at - 30 * DAY),
        call("by-rules", at, cause="rules", play=None),
        control(call("control", at)),
        call("bought", at),
        make_change("bought", 3, at=at + 5),
        call("bought-just-now", at),  # in the cache already, in the topic not yet
        call("came-back", at),
    ]
    asyncio.run(posting.tell(told))
    fill(
        url,
        [
            profile("low", "silent", at, "low"),
            profile("high-later", "silent", at + 2),
            profile("high", "silent", at + 1),
            profile("long-ago", "silent", at - 30 * DAY),
            profile("by-rules", "silent", at),
            profile("control", "silent", at),
            profile("bought", "silent", at),  # the cache is behind
            profile("bought-just-now", "reactivated", at + 9),
            profile("came-back", "silent", at + 9),
        ],
        app=name,
    )
    env = {
        "REWAKE_REDIS": url, "REWAKE_KAFKA": kafka, "REWAKE_APP": name,
        "REWAKE_TOPIC_PREFIX": f"{name}.",
    }  # fmt: skip
    words = ("audience", "lifecycle=silent", "--call-list", "--since", "7d")
    made = rewake(*words, "--json", **env)
    assert made.returncode == 0, made.stderr
    answer = json.loads(made.stdout)
    assert [each["customer_id"] for each in answer["calls"]] == ["high", "high-later", "low"]
    assert answer["moved_on"] == 2
    first = answer["calls"][0]
    assert "90 days without an order" in first["reason_en"]
    assert "90 天" in first["reason_zh"]
    assert (first["play_zh"], first["play_en"]) == ("沉默客户唤醒", "Wake the silent customer")
    assert (first["value_tier"], first["label_en"]) == ("high", "Silent")
    done = rewake(*words, "--lang", "zh", "--export", "calls.csv", **env)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "calls.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["customer_id"] for row in rows] == ["high", "high-later", "low"]
    assert list(rows[0])[4:7] == ["label_zh", "reason_zh", "play_zh"]
