"""What docker-compose.yml starts comes up: the broker's properties, our variables and commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from kafka import KafkaAdminClient

from streams.local import LocalServers, kafka_server
from streams.local.endpoints import HOST, free_port
from tests.composed import ROOT, SERVICES, environment, properties, seconds


@pytest.mark.server
@pytest.mark.timeout(400)
def test_a_broker_with_these_properties_comes_up_with_both_listeners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    containers = free_port()
    moved = {
        "CONTAINERS://0.0.0.0:19092": f"CONTAINERS://{HOST}:{containers}",
        "CONTAINERS://kafka:19092": f"CONTAINERS://{HOST}:{containers}",
        "HOST://0.0.0.0:9092": "HOST://{host}:{port}",
        "HOST://127.0.0.1:9092": "HOST://{host}:{port}",
        "CONTROLLER://0.0.0.0:29093": "CONTROLLER://{host}:{controller_port}",
        "kafka:29093": "{host}:{controller_port}",
        "/var/lib/kafka/data": "{data}",
    }
    text = "".join(f"{name}={value}\n" for name, value in properties().items())
    for there, here in moved.items():
        assert there in text
        text = text.replace(there, here)
    monkeypatch.setattr(kafka_server, "_PROPERTIES", text)
    servers = LocalServers(tmp_path, print)
    try:
        on_host = servers.start("kafka")
        for bootstrap in (on_host, f"{HOST}:{containers}"):
            # Whoever comes in by one listener is told the address of that one.
            admin = KafkaAdminClient(bootstrap_servers=bootstrap)
            (broker,) = admin.describe_cluster()["brokers"]
            assert f"{broker['host']}:{broker['port']}" == bootstrap
            admin.close()
    finally:
        servers.down()


@pytest.mark.timeout(300)
def test_with_these_variables_and_commands_a_worker_becomes_healthy_and_stops_in_time(
    kafka: str, redis_url: str, tmp_path: Path
) -> None:
    elsewhere = {
        "REWAKE_KAFKA": kafka,
        "REWAKE_REDIS": redis_url.replace("/0", "/3"),
        "REWAKE_TOPIC_PREFIX": "composed.",
        "REWAKE_APP": "composed",
        "REWAKE_RULES": str(ROOT / "rules" / "default.toml"),
        "REWAKE_METRICS": f"0.0.0.0:{free_port()}",
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        "PATH": os.environ["PATH"],
    }
    rewake = Path(sys.executable).with_name("rewake")
    run = partial(subprocess.run, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    made = run([rewake, *SERVICES["topics"]["command"]], env=environment("topics") | elsewhere)
    assert made.returncode == 0, made.stderr

    service = SERVICES["worker"]
    variables = environment("worker") | elsewhere
    with (tmp_path / "worker.log").open("w+") as log:
        worker = subprocess.Popen(
            [rewake, *service["command"]], cwd=tmp_path, env=variables, stdout=log, stderr=log
        )
        try:
            probe = [rewake, *service["healthcheck"]["test"][2:]]
            patience = time.monotonic() + seconds(service["healthcheck"]["start_period"])
            while (asked := run(probe, env=variables)).returncode != 0:
                said = (tmp_path / "worker.log").read_text()
                assert worker.poll() is None, said
                assert time.monotonic() < patience, f"{asked.stderr}\n{said}"
                time.sleep(0.5)
            assert asked.stdout == "ok\n"
            worker.terminate()
            assert worker.wait(seconds(service["stop_grace_period"])) == 0
        finally:
            worker.kill()
            worker.wait()
    logged = [json.loads(line) for line in (tmp_path / "worker.log").read_text().splitlines()]
    assert logged[0]["event"] == "worker starting"
    assert logged[-1] == logged[-1] | {"event": "worker stopped", "code": 0}


@pytest.mark.timeout(300)
def test_with_these_variables_the_service_answers_who_has_a_token_and_starts_for_nobody_else(
    redis_url: str, tmp_path: Path
) -> None:
    port = free_port()
    elsewhere = {
        "REWAKE_KAFKA": f"{HOST}:1", "REWAKE_REDIS": redis_url.replace("/0", "/3"),
        "REWAKE_RULES": str(ROOT / "rules" / "default.toml"), "REWAKE_WEB": f"0.0.0.0:{port}",
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        "PATH": os.environ["PATH"],
    }  # fmt: skip
    rewake = Path(sys.executable).with_name("rewake")
    service = SERVICES["serve"]
    open_to_all = subprocess.run(
        [rewake, *service["command"]], env=environment("serve") | elsewhere, cwd=tmp_path,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert open_to_all.returncode == 2
    assert "REWAKE_WEB_TOKENS" in open_to_all.stderr

    variables = environment("serve") | elsewhere | {"REWAKE_WEB_TOKENS": "open-sesame-open:read"}
    with (tmp_path / "serve.log").open("w+") as log:
        serve = subprocess.Popen(
            [rewake, *service["command"]], cwd=tmp_path, env=variables, stdout=log, stderr=log
        )
    try:
        probe = [rewake, *service["healthcheck"]["test"][2:]]
        patience = time.monotonic() + 120
        run = partial(subprocess.run, env=variables, capture_output=True, text=True, timeout=60)
        while run(probe).returncode != 0:
            assert serve.poll() is None, (tmp_path / "serve.log").read_text()
            assert time.monotonic() < patience
            time.sleep(0.5)
        with pytest.raises(HTTPError, match="401") as refused:
            urlopen(f"http://{HOST}:{port}/v1/systems", timeout=10)
        refused.value.close()
        serve.terminate()
        assert serve.wait(seconds(service["stop_grace_period"])) == 0
    finally:
        serve.kill()
        serve.wait()
