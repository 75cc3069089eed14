"""Every change reaches an endpoint that misbehaves, in order, whatever is killed."""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from schemas.changes import encode
from tests.streams.webhook.posting import PARTITIONS, Posting, control, make_change, make_changes
from tests.streams.webhook.receiver import Answer, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from streams.local import LocalServers


def ids(receiver: Receiver) -> list[str]:
    return [took.id for took in receiver.took]


def assert_in_order(receiver: Receiver) -> None:
    """Each customer's changes came in order, where the first time a change comes counts."""
    seen: dict[str, dict[str, int]] = {}
    for took in receiver.took:
        seen.setdefault(took.customer, {}).setdefault(took.id, took.sequence)
    for told in seen.values():
        assert list(told.values()) == sorted(told.values())


async def stop(posting: Posting, number: int = -1) -> float:
    began = time.monotonic()
    posting.processes[number].send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(asyncio.to_thread(posting.processes[number].wait), 60) == 0
    return time.monotonic() - began


async def test_every_change_is_delivered_in_order_by_an_endpoint_that_misbehaves(
    posting: Posting, receiver: Receiver
) -> None:
    made = make_changes(customers=40, each=5)
    refused = {change.id for change in made if change.customer_id == "c-7"}
    moody = [
        Answer(500),
        Answer(429, (("retry-after", "1"),)),
        Answer(0),
        Answer(408, after=0.2),
    ]

    def behave(change: dict[str, Any], attempt: int) -> Answer:
        number = int(change["customer_id"][2:])
        if change["id"] in refused:
            elsewhere = Answer(302, (("location", f"http://127.0.0.1:{receiver.port}/"),))
            return Answer(400) if change["sequence"] % 2 else elsewhere
        if number == 9 and change["sequence"] == 3:
            return Answer(503)  # never
        if attempt == 1 and number % 4 == 0 and change["sequence"] < 4:
            return moody[(number // 4 + change["sequence"]) % 4]
        return Answer(after=0.01)

    receiver.behave = behave
    dying = {c.id for c in made if c.customer_id == "c-9" and c.sequence == 3}
    await posting.tell([*made, b"this is no change"])
    posting.start(receiver.url, "--open-after", "1000", "--attempts", "3")
    expected = {change.id for change in made} - refused - dying
    await posting.until(lambda: set(ids(receiver)) >= expected)
    assert sorted(ids(receiver)) == sorted(expected)
    assert_in_order(receiver)
    assert receiver.forged == []
    assert receiver.overtaking == []
    assert receiver.most_at_once > 1
    bodies = {change.id: encode(change) for change in made}
    assert all(took.body == bodies[took.id] for took in receiver.took)
    assert receiver.took[0].headers["ce-type"] == "rewake.segment.changed.v1"
    assert "ce-subject" not in receiver.took[0].headers
    await posting.until(lambda: posting.figure("rewake_webhook_dead_letters_total") == 7)
    assert posting.figure("rewake_webhook_delivered_total") == len(expected)
    assert posting.figure("rewake_webhook_retried_total") >= 3
    await posting.until(lambda: posting.figure("kafka_consumergroup_group_lag") == 0)
    await stop(posting)
    letters = dict(await posting.dead())
    assert set(letters) == {bodies[i] for i in refused | dying} | {b"this is no change"}
    said = letters[bodies[next(iter(dying))]]
    assert (said["rewake-reason"], said["rewake-status"]) == ("http_503", "503")
    assert said["rewake-attempts"] == "3"
    assert said["ce_id"] in dying
    assert letters[bodies[next(iter(refused))]]["rewake-attempts"] == "1"
    assert letters[b"this is no change"]["rewake-reason"] == "unreadable"
    committed, ends = await posting.committed()
    assert committed == ends
    for word in ("c-7", "c-9", "sesame", "a-secret-for-nobody"):
        assert word not in posting.log()


async def test_nothing_is_lost_over_kill_9_and_what_comes_twice_has_the_same_key(
    posting: Posting, receiver: Receiver
) -> None:
    made = make_changes(customers=60, each=5)
    receiver.behave = lambda _, __: Answer(after=0.03)
    await posting.tell(made)
    for fraction in (0.2, 0.5):
        posting.start(receiver.url, "--concurrency", "4")
        await posting.until(lambda n=fraction: len(set(ids(receiver))) > n * len(made))
        posting.processes[-1].kill()
        posting.processes[-1].wait(10)
    posting.start(receiver.url)
    await posting.until(lambda: len(set(ids(receiver))) == len(made))
    assert_in_order(receiver)
    bodies = {change.id: encode(change) for change in made}
    assert set(ids(receiver)) == set(bodies)
    assert all(took.body == bodies[took.id] for took in receiver.took)
    assert len(receiver.took) < 2 * len(made), "a restart goes on about where the last one was"
    await stop(posting)
    assert await posting.dead() == []


async def test_an_endpoint_that_is_away_is_left_alone_and_gets_all_when_it_is_back(
    posting: Posting, receiver: Receiver
) -> None:
    made = make_changes(customers=30, each=3)
    receiver.close()
    posting.start(receiver.url, "--open-after", "5", "--attempts", "3")
    await posting.until(lambda: posting.ask("/readyz")[0] == 200)
    await posting.tell(made)
    await posting.until(lambda: "circuit breaker" in posting.ask("/readyz")[1])
    assert posting.ask("/readyz")[0] == 503
    assert posting.ask("/healthz")[0] == 200, "to start it again would not help the endpoint"
    waiting = posting.figure("rewake_webhook_request_duration_seconds_count")
    await asyncio.sleep(4)
    # Left alone: a probe after 1, 2, 4 … s, besides what was under way.
    assert posting.figure("rewake_webhook_request_duration_seconds_count") - waiting < 10
    back = Receiver(port=receiver.port)
    try:
        await posting.until(lambda: len(set(ids(back))) == len(made))
        assert_in_order(back)
        await posting.until(lambda: posting.ask("/readyz")[0] == 200)
        assert (
            'rewake_webhook_breaker{rewake_webhook_breaker="closed"} 1.0'
            in posting.ask("/metrics")[1]
        )
        await stop(posting)
        assert await posting.dead() == [], "an outage costs no change"
        # The group was never lost meanwhile: partitions were assigned once.
        assert posting.log().count("partitions assigned") == 1
    finally:
        back.close()


async def test_a_stop_ends_what_is_under_way_and_gives_back_the_rest(
    posting: Posting, receiver: Receiver
) -> None:
    made = make_changes(customers=40, each=1)
    receiver.behave = lambda _, __: Answer(after=0.8)
    await posting.tell(made)
    posting.start(receiver.url, "--concurrency", "4")
    await posting.until(lambda: len(receiver.took) >= 6)
    assert await stop(posting) < 25
    assert len(receiver.took) < len(made)
    before = list(ids(receiver))
    receiver.behave = lambda _, __: Answer()
    posting.start(receiver.url)
    await posting.until(lambda: len(set(ids(receiver))) == len(made))
    again = [each for each in ids(receiver)[len(before) :] if each in before]
    # What was done behind one that was not comes again; what was asked to end did end.
    assert len(again) <= 4 * PARTITIONS
    await stop(posting)


async def test_processes_that_join_and_leave_share_the_partitions_and_keep_the_order(
    posting: Posting, receiver: Receiver
) -> None:
    made = make_changes(customers=60, each=5)
    receiver.behave = lambda _, __: Answer(after=0.05)
    await posting.tell(made)
    posting.start(receiver.url, "--concurrency", "2")
    await posting.until(lambda: len(receiver.took) > 20)
    posting.start(receiver.url, "--concurrency", "2", REWAKE_METRICS="127.0.0.1:0")
    await posting.until(lambda: posting.log().count("partitions assigned") >= 3)
    await posting.until(lambda: len(receiver.took) > 100)
    await stop(posting, 0)
    await posting.until(lambda: len(set(ids(receiver))) == len(made))
    assert_in_order(receiver)
    assert receiver.overtaking == []
    await stop(posting, 1)
    committed, ends = await posting.committed()
    assert committed == ends


async def test_only_what_is_selected_is_sent_and_the_control_arm_is_not(
    posting: Posting, receiver: Receiver
) -> None:
    low = make_change("low", 2, segments={"value_tier": "low"})
    rules = make_change("rules", 2, cause="rules", play=None)
    sent = make_change("sent", 2)
    made = [low, rules, sent, make_change("to", 1), control(make_change("held", 2))]
    await posting.tell(made)
    posting.start(
        receiver.url, "--to", "silent", "--value-tier", "high", "--with-play", "--system",
        "lifecycle", "--cause", "clock", "--cause", "event",
    )  # fmt: skip
    await posting.until(lambda: posting.figure("rewake_webhook_skipped_total") == len(made) - 1)
    await posting.until(lambda: ids(receiver) == [sent.id])
    await posting.until(lambda: posting.figure("kafka_consumergroup_group_lag") == 0)
    await stop(posting)


async def test_it_goes_on_by_itself_when_the_broker_was_away(
    spare_servers: LocalServers, tmp_path: Path, receiver: Receiver
) -> None:
    posting = Posting(spare_servers.start("kafka"), tmp_path, f"hook-{uuid.uuid4().hex[:8]}")
    made = make_changes(customers=30, each=2)
    try:
        await posting.tell(made[:30])
        posting.start(receiver.url)
        posting.start(receiver.url, "--name", "two", REWAKE_METRICS="127.0.0.1:0")
        await posting.until(lambda: sorted(ids(receiver)) == sorted(2 * [c.id for c in made[:30]]))
        spare_servers.kill("kafka")
        assert await stop(posting, 1) < 45, "a stop does not wait for a broker that is away"
        spare_servers.start("kafka")
        await posting.tell(made[30:])
        await posting.until(lambda: len(set(ids(receiver))) == len(made))
        assert_in_order(receiver)
        await stop(posting)
    finally:
        posting.close()


async def test_a_broker_that_stays_away_ends_it_loudly(
    tmp_path: Path, kafka: str, receiver: Receiver
) -> None:
    posting = Posting(kafka, tmp_path, f"hook-{uuid.uuid4().hex[:8]}")
    process = posting.start(receiver.url, REWAKE_KAFKA="127.0.0.1:9", REWAKE_STALL_TIMEOUT="2s")
    assert await asyncio.wait_for(asyncio.to_thread(process.wait), 60) == 1
    assert "expected Kafka at 127.0.0.1:9" in posting.log()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"REWAKE_WEBHOOK_URL": "ftp://sesame"}, "REWAKE_WEBHOOK_URL: expected the https://"),
        ({"REWAKE_WEBHOOK_SECRET": ""}, "REWAKE_WEBHOOK_SECRET: expected the secret"),
        ({"REWAKE_WEBHOOK_SECRET": "short"}, "at least 24 bytes, got 5"),
    ],
)
async def test_a_setting_that_cannot_be_used_is_named_and_not_shown(
    kafka: str, tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    posting = Posting(kafka, tmp_path, f"hook-{uuid.uuid4().hex[:8]}")
    process = posting.start("http://127.0.0.1:9/", **variables)
    assert await asyncio.wait_for(asyncio.to_thread(process.wait), 60) == 2
    assert said in posting.log()
    assert "sesame" not in posting.log()
