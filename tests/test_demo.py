"""The demo as a newcomer runs it: what comes over Kafka and Redis is what the oracle says.

Every run is a real one: servers, worker, data as they are committed.
"""

from __future__ import annotations

import csv
import fcntl
import gzip
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil
import pytest
from kafka import KafkaConsumer, TopicPartition
from redis import Redis

from schemas.changes import change_id
from schemas.dead_letters import read_verdict
from schemas.profiles import CLOCK_KEY, CUSTOMER_PREFIX, from_hash
from schemas.topics import CHANGES, DEAD_LETTERS, ENGAGEMENTS, PURCHASES
from segmenters.rules import DEFAULT_PACK
from streams.local import LocalServers
from streams.partitioner import partitions_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[1]
REWAKE = Path(sys.executable).with_name("rewake")
PARTITIONS = 4


class Played(NamedTuple):
    """A finished run whose servers still serve, beside what the oracle says of the same file."""

    shop: str
    folder: Path
    summary: dict[str, Any]
    kafka: str
    redis: str
    oracle: list[dict[str, Any]]


def rows_of(shop: str) -> list[dict[str, str]]:
    with gzip.open(ROOT / "data" / shop / "events.csv.gz", "rt", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def processes_of(folder: Path) -> list[str]:
    """List every process that has to do with a folder: by its command, folder or files."""
    found = []
    for process in psutil.process_iter():
        try:
            traces = [*process.cmdline(), process.cwd()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if any(str(folder) in trace for trace in traces):
            found.append(f"{process.pid} {' '.join(traces)}")
    return found


@pytest.fixture(scope="module", params=["online_retail", "complete_journey"])
def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Played]:
    """Run the demo once, with two workers, and the oracle beside it; keep the servers."""
    shop = request.param
    home = tmp_path_factory.mktemp(shop)
    folder, told = home / "demo", home / "oracle.json"
    data = ROOT / "data" / shop
    oracle = [sys.executable, "-m", "tests.oracle_on_file", data / "rules.toml"]
    with subprocess.Popen([*oracle, data / "events.csv.gz", told], cwd=ROOT) as beside:
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
                json.loads(told.read_text()),
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


FIELDS = ("customer_id", "system", "from", "to", "at", "cause", "sequence")


def test_the_changes_are_exactly_those_of_the_oracle_each_once(played: Played) -> None:
    records = read_back(played.kafka, CHANGES)
    changes = [json.loads(record.value) for record in records]
    heard = sorted(tuple(str(change[name]) for name in FIELDS) for change in changes)
    expected = sorted(tuple(str(change[name]) for name in FIELDS) for change in played.oracle)
    assert len(expected) > 40_000
    assert heard == expected
    assert len({change["id"] for change in changes}) == len(changes)


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
    for change in played.oracle:
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
    loaded = len(read_back(played.kafka, PURCHASES)) + len(read_back(played.kafka, ENGAGEMENTS))
    assert loaded == len(rows) == played.summary["events"]


def test_the_summary_says_what_happened(played: Played) -> None:
    summary = played.summary
    moves = Counter((c["system"], c["from"], c["to"]) for c in played.oracle)
    told = {(m["system"], m["from"], m["to"]): m["changes"] for m in summary["moves"]}
    assert told == moves
    assert summary["changes"] == len(played.oracle)
    assert summary["customers"] == len({change["customer_id"] for change in played.oracle})
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


# In front of a terminal, and when things go wrong ------------------------------------------------


class Terminal:
    """A demo that believes a person sits in front of it."""

    def __init__(self, *words: str, cwd: Path) -> None:
        self.said = ""
        self.pid, self._screen = pty.fork()
        if self.pid == 0:  # pragma: no cover - the child
            os.chdir(cwd)
            os.execve(REWAKE, ["rewake", *words], {**os.environ, "TERM": "xterm-256color"})
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))

    def read_until(self, text: str, seconds: float) -> None:
        """Read on until a text has been said."""
        bound = time.monotonic() + seconds
        while text not in self.said:
            assert time.monotonic() < bound, (
                f"expected {text!r}, the screen says: {self.said[-3000:]}"
            )
            ready, _, _ = select.select([self._screen], [], [], 0.2)
            if ready:
                try:
                    self.said += os.read(self._screen, 1 << 16).decode(errors="replace")
                except OSError:  # the demo has closed its terminal
                    assert text in self.said, self.said[-3000:]

    def press_ctrl_c(self) -> int:
        """End it as a person does, and return its exit code."""
        os.write(self._screen, b"\x03")
        return self.wait()

    def wait(self) -> int:
        """Read to the end and return the exit code."""
        while True:
            try:
                if not (said := os.read(self._screen, 1 << 16)):
                    break
                self.said += said.decode(errors="replace")
            except OSError:
                break
        os.close(self._screen)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_person_watches_looks_somebody_up_and_ends_it(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    terminal = Terminal("demo", "--dir", str(folder), cwd=tmp_path)
    try:
        terminal.read_until("starting Redis and Kafka", 30)
        terminal.read_until("25,900 events lie in Kafka", 240)
        terminal.read_until("Rewake reads the history of a British online gift shop", 60)
        terminal.read_until("沉默客户 Silent", 60)
        terminal.read_until("days without an order", 120)
        terminal.read_until("2011-12-09 12:50, the end", 240)
        terminal.read_until("Ctrl-C here ends everything", 60)
        exported = (folder / "env").read_text().replace("export ", "").split()
        environ = dict(line.split("=", 1) for line in exported)
        answer = subprocess.run(
            [REWAKE, "lookup", "17850"],
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=tmp_path,
        )
        assert answer.returncode == 0, answer.stderr
        assert "as of 2011-12-09 12:50, the end of the replayed history" in answer.stdout
        again = subprocess.run(
            [REWAKE, "demo", "--once", "--dir", folder],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert again.returncode == 2
        assert "expected no other demo in" in again.stderr
    finally:
        code = terminal.press_ctrl_c()
    assert code == 0, terminal.said[-3000:]
    assert "Traceback" not in terminal.said
    assert processes_of(folder) == []


def wait_for_worker(folder: Path, demo: subprocess.Popen[str]) -> int:
    """Return the worker's pid as soon as there is one."""
    while demo.poll() is None:
        for process in psutil.process_iter():
            try:
                if process.cmdline()[-1:] == ["worker"] and process.cwd() == str(folder):
                    return process.pid
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        time.sleep(0.1)
    raise AssertionError(demo.communicate())


def test_a_worker_that_dies_is_told_of_and_nothing_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with subprocess.Popen(
        [REWAKE, "demo", "--once", "--dir", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        os.kill(wait_for_worker(folder, demo), signal.SIGKILL)
        said, wrong = demo.communicate(timeout=60)
    assert (demo.returncode, said) == (1, "")
    assert "rewake: expected the worker to run, it ended with code -9; its log, " in wrong
    assert "worker.log, says:" in wrong
    assert "Traceback" not in wrong
    assert processes_of(folder) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_demo_told_to_end_while_servers_start_leaves_nothing(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    folder = tmp_path / "demo"
    with subprocess.Popen(
        [REWAKE, "demo", "--once", "--dir", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as demo:
        while not (folder / "servers" / "kafka").is_dir() and demo.poll() is None:
            time.sleep(0.05)
        time.sleep(2)
        demo.send_signal(number)
        _, wrong = demo.communicate(timeout=60)
    assert demo.returncode == code, wrong
    assert b"Traceback" not in wrong
    assert processes_of(folder) == []


def test_a_demo_that_was_killed_is_cleared_up_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    demo = subprocess.Popen(
        [REWAKE, "demo", "--once", "--dir", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_worker(folder, demo)
    demo.kill()
    demo.communicate()
    assert len(processes_of(folder)) == 4, "servers, worker and page are orphans now"
    done = subprocess.run(
        [REWAKE, "demo", "--once", "--dir", folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert "rejected 3,710: 3,707 missing_customer, 3 unknown_type\n" in done.stdout
    assert "4,339 customers in segments, 80,226 changes (each once, none missing)" in done.stdout
    assert "as of 2011-12-09 12:50, the end of the replayed history" in done.stdout
    assert processes_of(folder) == []


def test_a_folder_of_somebody_elses_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = subprocess.run(
        [REWAKE, "demo", "--once", "--dir", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "expected an empty folder or that of an earlier demo" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_real_shop_and_a_simulated_one_at_once_are_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [REWAKE, "demo", "--synthetic", "--data", "online_retail", "--dir", tmp_path / "d"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "expected --data or --synthetic, got both (--data online_retail)" in done.stderr


def test_data_that_is_not_there_is_refused_with_what_there_is(tmp_path: Path) -> None:
    done = subprocess.run(
        [REWAKE, "demo", "--data", "moon", "--dir", tmp_path / "d"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "expected online_retail or complete_journey, got 'moon'" in done.stderr
