"""The demo as a newcomer runs it: what comes over Kafka and Redis is what the oracle says.

Every run is a real one: servers, worker, data as they are committed. The oracle takes minutes for a
shop; it is asked of an eighth of the customers, with --full of all, and a replay tells of the rest.
"""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections import Counter, defaultdict
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from kafka import KafkaConsumer, TopicPartition
from redis import Redis

from schemas.changes import change_id, encode
from schemas.dead_letters import read_verdict
from schemas.profiles import CLOCK_KEY, CUSTOMER_PREFIX, from_hash
from schemas.topics import CHANGES, DEAD_LETTERS, ENGAGEMENTS, PURCHASES
from segmenters.rules import DEFAULT_PACK, load
from streams.history import read_history
from streams.local import LocalServers
from streams.partitioner import partitions_of
from streams.replay import replay
from tests.demos import REWAKE, processes_of
from tests.oracle_on_file import is_in

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[1]
PARTITIONS = 4


class Played(NamedTuple):
    """A finished run whose servers still serve, beside what is to be said of the same file.

    A replay says it of all customers, the oracle of a share of them.
    """

    shop: str
    folder: Path
    summary: dict[str, Any]
    kafka: str
    redis: str
    replayed: list[dict[str, Any]]
    oracle: list[dict[str, Any]]
    share: tuple[int, int]


def rows_of(shop: str) -> list[dict[str, str]]:
    with gzip.open(ROOT / "data" / shop / "events.csv.gz", "rt", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def replayed_of(data: Path) -> list[dict[str, Any]]:
    rules = load(data / "rules.toml")
    changes, _ = replay(read_history([data / "events.csv.gz"], rules).facts, rules)
    return [json.loads(encode(change)) for change in changes]


@pytest.fixture(scope="module", params=["online_retail", "complete_journey"])
def played(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Iterator[Played]:
    """Run the demo once, with two workers, and the oracle beside it; keep the servers."""
    shop = request.param
    home = tmp_path_factory.mktemp(shop)
    folder, told = home / "demo", home / "oracle.json"
    data = ROOT / "data" / shop
    share = (0, 1) if pytestconfig.getoption("full") else (0, 8)
    oracle = [sys.executable, "-m", "tests.oracle_on_file", data / "rules.toml"]
    asked = [*oracle, data / "events.csv.gz", told, *map(str, share)]
    with subprocess.Popen(asked, cwd=ROOT) as beside:
        try:
            done = subprocess.run(
                [
                    *(REWAKE, "demo", "--once", "--json", "--keep", "--workers", "2"),
                    *("--data", shop, "--dir", folder),
                ],
                capture_output=True,
                text=True,
                timeout=400,
                check=False,
                cwd=home,
            )
            assert done.returncode == 0, done.stderr
            assert beside.wait() == 0
            servers = LocalServers(folder / "servers").endpoints()
            yield Played(
                shop,
                folder,
                json.loads(done.stdout),
                servers.kafka,
                servers.redis,
                replayed_of(data),
                json.loads(told.read_text()),
                share,
            )
        finally:
            beside.kill()
            LocalServers(folder / "servers").down()
            assert processes_of(folder) == []


@cache
def read_back(kafka: str, topic: str) -> tuple[Any, ...]:
    """Read a whole topic as somebody else would: another client, read committed, to its end."""
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer = KafkaConsumer(
        bootstrap_servers=kafka, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    found: list[Any] = []
    try:
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(200, max_records=10_000).values():
                found += records
    finally:
        consumer.close()
    return tuple(found)


def held(kafka: str, topic: str) -> int:
    """Count a topic's records by their offsets; nobody writes inputs in transactions."""
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    with closing(KafkaConsumer(bootstrap_servers=kafka)) as consumer:
        return sum(consumer.end_offsets(partitions).values())


FIELDS = ("customer_id", "system", "from", "to", "at", "cause", "sequence")


def test_the_changes_are_exactly_those_of_the_oracle_each_once(played: Played) -> None:
    records = read_back(played.kafka, CHANGES)
    changes = [json.loads(record.value) for record in records]
    asked = [change for change in changes if is_in(change["customer_id"], *played.share)]
    assert in_fields(asked) == in_fields(played.oracle)
    assert in_fields(changes) == in_fields(played.replayed)
    assert len(played.replayed) > 40_000
    assert len(played.oracle) > 5_000
    assert len({change["id"] for change in changes}) == len(changes)


def in_fields(changes: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return sorted(tuple(str(change[name]) for name in FIELDS) for change in changes)


def test_each_customers_changes_stand_in_one_partition_in_order_without_gaps(
    played: Played,
) -> None:
    sequences, instants, homes = defaultdict(list), defaultdict(list), defaultdict(set)
    for record in read_back(played.kafka, CHANGES):
        change = json.loads(record.value)
        customer = change["customer_id"]
        assert record.key == customer.encode()
        sequences[customer].append(change["sequence"])
        instants[customer].append(change["at"])
        homes[record.partition].add(record.key)
        moved = [change[name] for name in ("customer_id", "system", "sequence", "from", "to", "at")]
        assert change["id"] == change_id(*moved)
    for customer, counted in sequences.items():
        assert counted == list(range(1, len(counted) + 1)), customer
        assert instants[customer] == sorted(instants[customer]), customer
    for partition, keys in homes.items():
        assert set(partitions_of(list(keys), PARTITIONS).tolist()) == {partition}


def test_redis_holds_exactly_the_final_segments_of_all_customers(played: Played) -> None:
    final: dict[str, dict[str, tuple[str, int]]] = defaultdict(dict)
    sequences: dict[str, int] = {}
    for change in played.replayed:
        customer = change["customer_id"]
        final[customer][change["system"]] = (change["to"], change["at"])
        sequences[customer] = max(sequences.get(customer, 0), change["sequence"])
    held, counted = {}, {}
    with Redis.from_url(played.redis, decode_responses=True) as client:
        for key in client.scan_iter(CUSTOMER_PREFIX + "*", count=5_000):
            customer = key.removeprefix(CUSTOMER_PREFIX)
            profile = from_hash(customer, client.hgetall(key))
            held[customer] = {
                system: (standing.segment, standing.since)
                for system, standing in profile.systems.items()
            }
            counted[customer] = profile.sequence
        clocks = client.hgetall(CLOCK_KEY)
    # Somebody who only ever sent something back has no segment, and nothing to be told.
    told = {customer: segments for customer, segments in held.items() if segments}
    assert told == dict(final)
    assert {customer: counted[customer] for customer in told} == sequences
    until = str(played.summary["until"])
    assert clocks == {str(number): until for number in range(PARTITIONS)}


def test_the_dead_letters_are_exactly_the_rows_without_a_customer(played: Played) -> None:
    guests = [row for row in rows_of(played.shop) if not row["customer_id"]]
    letters = read_back(played.kafka, DEAD_LETTERS)
    refs = Counter(json.loads(letter.value)["event_id"] for letter in letters)
    assert refs == Counter(row["ref"] for row in guests)
    reasons = Counter(str(read_verdict(letter.headers).reason) for letter in letters)
    # Three of them are bad-debt bookings: no type of event, whoever the customer.
    booked = sum(row["type"] == "adjustment" for row in guests)
    expected = {"missing_customer": len(guests) - booked, "unknown_type": booked}
    assert reasons == {reason: count for reason, count in expected.items() if count}
    assert {read_verdict(letter.headers).origin.topic for letter in letters} <= {PURCHASES}


def test_everything_was_loaded_guests_included(played: Played) -> None:
    rows = rows_of(played.shop)
    loaded = held(played.kafka, PURCHASES) + held(played.kafka, ENGAGEMENTS)
    assert loaded == len(rows) == played.summary["events"]


def test_the_summary_says_what_happened(played: Played) -> None:
    summary = played.summary
    moves = Counter((c["system"], c["from"], c["to"]) for c in played.replayed)
    told = {(m["system"], m["from"], m["to"]): m["changes"] for m in summary["moves"]}
    assert told == moves
    assert summary["changes"] == len(played.replayed)
    assert summary["customers"] == len({change["customer_id"] for change in played.replayed})
    assert (summary["missing"], summary["repeated"]) == (0, 0)
    assert sum(summary["rejected"].values()) == sum(
        not r["customer_id"] for r in rows_of(played.shop)
    )
    assert sum(summary["segments"]["lifecycle"].values()) == summary["customers"]
    assert summary["events_per_second"] > 0
    assert len(summary["lookups"]) >= 2
    for looked_up in summary["lookups"]:
        assert looked_up["as_of"] == summary["until"]
        assert set(looked_up["segments"]) == set(DEFAULT_PACK)


def test_no_process_is_left_but_the_servers_that_were_to_be_kept(played: Played) -> None:
    left = processes_of(played.folder)
    assert len(left) == 2, left
    assert sum("redis-server" in each for each in left) == 1
    assert sum("kafka.Kafka" in each for each in left) == 1


def test_a_simulated_shop_is_shown_as_a_replay_of_its_file_has_it(tmp_path: Path) -> None:
    def rewake(*words: str) -> dict[str, Any]:
        done = subprocess.run(
            [REWAKE, *words, "--json"],
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        loaded: dict[str, Any] = json.loads(done.stdout)
        return loaded

    shown = rewake(
        "demo", "--once", "--synthetic", "--workers", "2", "--dir", str(tmp_path / "demo")
    )
    made = rewake("simulate", "--seed", "4", "--out", "shop.csv.gz")
    rewake("replay", "shop.csv.gz", "--out", "changes.jsonl")
    assert (shown["data"], shown["events"]) == ("simulated", made["records"])
    assert (shown["missing"], shown["repeated"]) == (0, 0)
    assert shown["rejected"] == {"missing_field": 1, "future_timestamp": 1}
    assert made["malformed"] == 2
    changes = map(json.loads, (tmp_path / "changes.jsonl").read_text().splitlines())
    final = {(each["system"], each["customer_id"]): each["to"] for each in changes}
    replayed = Counter((system, segment) for (system, _), segment in final.items())
    for system, sizes in shown["segments"].items():
        # A late fact may leave somebody in another class than if it had come in time.
        apart = sum(abs(size - replayed[system, segment]) for segment, size in sizes.items())
        assert apart <= 4, system
    assert processes_of(tmp_path) == []
