"""Local servers: real ones, which serve, survive and end as told."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from kafka import KafkaAdminClient
from redis import Redis

from schemas.errors import RewakeError, UsageError
from streams.local import LocalServers, down, status
from streams.local.aot_cache import make_aot_cache
from streams.local.jars import ensure_jars
from streams.local.kafka_server import KafkaServer

if TYPE_CHECKING:
    from pathlib import Path


def topics(address: str) -> list[str]:
    admin = KafkaAdminClient(bootstrap_servers=address)
    try:
        return list(admin.list_topics())
    finally:
        admin.close()


def test_both_servers_answer_on_the_loopback_only(spare_servers: LocalServers) -> None:
    endpoints = spare_servers.up()
    assert topics(endpoints.kafka) is not None
    with Redis.from_url(endpoints.redis) as client:
        assert client.ping()
    for server in spare_servers.status():
        listening = psutil.Process(server.pid).net_connections(kind="inet")
        hosts = {entry.laddr.ip for entry in listening if entry.status == psutil.CONN_LISTEN}
        assert {host.removeprefix("::ffff:") for host in hosts} == {"127.0.0.1"}


def test_up_again_changes_nothing(spare_servers: LocalServers) -> None:
    before = spare_servers.up(), spare_servers.status()
    assert (spare_servers.up(), spare_servers.status()) == before


def test_a_topic_that_nobody_created_does_not_appear(spare_servers: LocalServers) -> None:
    admin = KafkaAdminClient(bootstrap_servers=spare_servers.up().kafka)
    admin.describe_topics(["misspelt.topic.v1"])
    admin.close()
    assert "misspelt.topic.v1" not in topics(spare_servers.up().kafka)


def test_a_killed_broker_comes_back_on_its_port_with_its_data(spare_servers: LocalServers) -> None:
    address = spare_servers.up().kafka
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics({"kept.topic.v1": {"num_partitions": 1, "replication_factor": 1}})
    admin.close()
    spare_servers.kill("kafka")
    assert [(s.name, s.running) for s in spare_servers.status()] == [
        ("kafka", False),
        ("redis", True),
    ]
    assert spare_servers.start("kafka") == address
    assert "kept.topic.v1" in topics(address)


def broker_of(servers: LocalServers) -> psutil.Process:
    return psutil.Process(next(s.pid for s in servers.status() if s.name == "kafka"))


def test_a_broker_takes_its_classes_from_the_cache_beside_the_jars(tmp_path: Path) -> None:
    cache = make_aot_cache(print)
    servers = LocalServers(tmp_path)
    try:
        servers.start("kafka")
        assert str(cache) in {mapped.path for mapped in broker_of(servers).memory_maps()}
    finally:
        servers.down()


def test_a_storage_is_formatted_once_and_copied_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = KafkaServer(print)
    kept = ensure_jars(print) / f"formatted-for-{os.getpid()}"
    monkeypatch.setattr("streams.local.kafka_server._FORMATTED", kept.name)
    try:
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            server.prepare(tmp_path / name, [1, 2])
            assert kept.is_dir()
    finally:
        shutil.rmtree(kept)
    for name in ("meta.properties", "bootstrap.checkpoint"):
        first, second = (tmp_path / each / "data" / name for each in ("first", "second"))
        assert first.read_bytes() == second.read_bytes() != b""


def test_a_cache_that_does_not_fit_is_refused_by_java_and_the_broker_serves(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.aot"
    damaged.write_bytes(make_aot_cache(print).read_bytes()[: 1 << 20])
    servers = LocalServers(tmp_path, None, KafkaServer(print, flags=(f"-XX:AOTCache={damaged}",)))
    try:
        assert topics(servers.start("kafka")) == []
        assert "aot" in (tmp_path / "kafka" / "server.log").read_text()
    finally:
        servers.down()


def test_a_restarted_redis_is_empty_and_writes_nothing(spare_servers: LocalServers) -> None:
    url = spare_servers.up().redis
    with Redis.from_url(url, decode_responses=True) as client:
        assert client.config_get("appendonly") == {"appendonly": "no"}
        assert client.config_get("save") == {"save": ""}
        client.set("rw:epoch", "1")
    spare_servers.stop("redis")
    assert spare_servers.start("redis") == url
    with Redis.from_url(url) as client:
        assert client.dbsize() == 0


def test_a_frozen_redis_answers_after_it_was_resumed(spare_servers: LocalServers) -> None:
    url = spare_servers.up().redis
    with Redis.from_url(url) as client:
        assert client.ping()
        spare_servers.pause("redis")
        pid = next(s.pid for s in spare_servers.status() if s.name == "redis")
        bound = time.monotonic() + 30  # on a busy machine it takes a signal when its turn comes
        try:
            while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
                assert time.monotonic() < bound
                time.sleep(0.01)
        finally:
            spare_servers.resume("redis")
        assert client.ping()


def test_a_server_whose_port_was_taken_says_so_instead_of_moving(tmp_path: Path) -> None:
    servers = LocalServers(tmp_path)
    port = int(servers.start("redis").split(":")[-1].removesuffix("/0"))
    servers.stop("redis")
    with socket.create_server(("127.0.0.1", port)), pytest.raises(RewakeError, match=str(port)):
        servers.start("redis")


def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    data = tmp_path / "kafka" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("version=1\ncluster.id=another\nnode.id=7\n")
    with pytest.raises(
        RewakeError, match=r"(?s)expected kafka to serve, it ended.*Stored node id 7"
    ):
        LocalServers(tmp_path).start("kafka")


def test_down_leaves_a_process_alone_that_got_the_recorded_pid(tmp_path: Path) -> None:
    record = {"ports": [19092, 19093], "pid": os.getpid(), "started": 1.0, "log_begin": 0}
    (tmp_path / "servers.json").write_text(json.dumps({"kafka": record}))
    down(tmp_path)
    assert [server.running for server in status(tmp_path)] == [False, False]


def test_a_folder_without_servers_has_no_endpoints_and_nothing_to_stop(tmp_path: Path) -> None:
    down(tmp_path / "never")
    assert not (tmp_path / "never").exists()
    with pytest.raises(UsageError, match="none were started"):
        LocalServers(tmp_path / "never").endpoints()
