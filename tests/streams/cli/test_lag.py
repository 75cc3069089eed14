"""`rewake lag` on a real cluster: what it prints, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from kafka import KafkaProducer

from schemas.topics import ENGAGEMENTS, PURCHASES

from .conftest import REWAKE

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Rewake

PREFIX = "lagging."


@pytest.fixture(scope="module")
def variables(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the settings of an app that has topics, and no worker."""
    found = {
        "REWAKE_KAFKA": kafka, "REWAKE_APP": "lagging", "REWAKE_TOPIC_PREFIX": PREFIX,
        "REWAKE_PARTITIONS": "2",
    }  # fmt: skip
    subprocess.run(
        [REWAKE, "topics", "create"], env=found | {"PATH": "/usr/bin:/bin"}, check=True,
        timeout=120, cwd=tmp_path_factory.mktemp("made"), capture_output=True,
    )  # fmt: skip
    return found


def test_without_events_all_is_fine_and_with_events_that_nobody_reads_it_is_not(
    rewake: Rewake, variables: dict[str, str]
) -> None:
    fine = rewake("lag", "--every", "100ms", "--json", **variables)
    assert (fine.returncode, fine.stderr) == (0, "")
    look = json.loads(fine.stdout)
    assert [(each["topic"], each["partition"]) for each in look["partitions"]] == [
        (PREFIX + topic, partition) for topic in (PURCHASES, ENGAGEMENTS) for partition in (0, 1)
    ]
    assert (look["status"], look["lag"], look["seconds"], look["rate"]) == ("OK", 0, 0, 0)

    producer = KafkaProducer(bootstrap_servers=variables["REWAKE_KAFKA"])
    for _ in range(1_234):
        producer.send(PREFIX + PURCHASES, b"{}", partition=1)
    producer.flush()
    producer.close()
    waiting = rewake("lag", "--every", "100ms", **variables)
    assert (waiting.returncode, waiting.stderr) == (1, "")
    assert "group lagging" in waiting.stdout
    (line,) = [line for line in waiting.stdout.splitlines() if f"{PREFIX}{PURCHASES}  " in line
               and "1,234" in line]  # fmt: skip
    assert line.split()[1:3] == ["1", "1,234"]
    assert line.split()[-1] == "STOP"
    assert waiting.stdout.splitlines()[-1].split()[0] == "all"


def test_watching_says_a_line_for_each_look_until_it_is_stopped(
    variables: dict[str, str], tmp_path: Path
) -> None:
    # What runs in the background of a shell has inherited that it ignores Ctrl-C.
    command = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from streams.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", command, "lag", "--watch", "--json", "--every", "100ms"],
        env=variables | {"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"},
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as watching:  # fmt: skip
        try:
            assert watching.stdout is not None
            looks = [json.loads(watching.stdout.readline()) for _ in range(3)]
            watching.send_signal(signal.SIGINT)
            _, said = watching.communicate(timeout=100)
        finally:
            watching.kill()
    assert (watching.returncode, said) == (0, "stopped\n")
    assert looks[0]["rate"] is None
    assert looks[0]["at"] < looks[1]["at"] < looks[2]["at"]


def test_topics_that_are_missing_and_a_span_without_a_unit_are_named(
    rewake: Rewake, variables: dict[str, str]
) -> None:
    nowhere = rewake("lag", **variables | {"REWAKE_TOPIC_PREFIX": "nowhere."})
    assert nowhere.returncode == 2
    assert f"expected the topics nowhere.{PURCHASES}" in nowhere.stderr
    assert nowhere.stderr.count("\n") == 1
    span = rewake("lag", "--every", "5", **variables)
    assert span.returncode == 2
    assert span.stderr.startswith("rewake: --every: expected a span with its unit")


@pytest.mark.server  # not that it needs one: it waits ten seconds for none
def test_a_broker_that_is_away_is_named(rewake: Rewake) -> None:
    away = rewake("lag", REWAKE_KAFKA="127.0.0.1:1")
    assert away.returncode == 1
    assert away.stderr.startswith("rewake: expected Kafka at 127.0.0.1:1 to answer")
