"""The containers' files say what the product really has: settings, commands, ports, properties."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest
import typer.main
import yaml

from streams.cli import app
from streams.local import jars, kafka_server
from streams.settings import Settings, load_settings, unknown_variables
from tests.composed import COMPOSE, ROOT, SERVICES, TEXT, environment, properties, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

OURS: Final = ("topics", "worker", "serve", "audit", "webhook")
PROFILES: Final = {
    "serve": "ui", "audit": "observability", "prometheus": "observability",
    "grafana": "observability", "webhook": "webhook",
}  # fmt: skip
"""Services that run on demand, and by what name they are asked for."""
LISTENING: Final = {
    "listeners",
    "advertised.listeners",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "controller.quorum.voters",
    "log.dirs",
}
"""Properties that say where a broker listens and writes; a native one does so elsewhere."""


def listeners(name: str) -> dict[str, tuple[str, int]]:
    """Read a list of listeners as name -> (host, port)."""
    found = re.findall(r"(\w+)://([\w.]+):(\d+)", properties()[name])
    return {listener: (host, int(port)) for listener, host, port in found}


def published(service: str) -> dict[int, tuple[str, int]]:
    """Return a service's ports as port inside -> (address, port) on the host."""
    found = [re.fullmatch(r"([\d.]+):(\d+):(\d+)", port) for port in SERVICES[service]["ports"]]
    return {int(each[3]): (each[1], int(each[2])) for each in found if each}


def compose() -> list[str] | None:
    """Find a Compose that reads the file; CI installs one, other machines stay as they are."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    if os.environ.get("CI") and os.geteuid() == 0 and shutil.which("apt-get"):
        for words in (["update"], ["install", "-y", "--no-install-recommends", "docker-compose"]):
            subprocess.run(["apt-get", "-q", *words], capture_output=True, timeout=200, check=False)
    return ["docker-compose"] if shutil.which("docker-compose") else None


@pytest.mark.timeout(500)
def test_compose_reads_the_file_as_these_tests_do(request: pytest.FixtureRequest) -> None:
    command = compose()
    if command is None:
        capture = request.config.pluginmanager.getplugin("capturemanager")
        said = "\nno docker-compose here: docker-compose.yml was read by a YAML parser alone\n"
        with capture.global_and_fixture_disabled():
            sys.stderr.write(said)
        return
    profiles = [f"--profile={name}" for name in sorted(set(PROFILES.values()))]
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [*command, "-f", str(COMPOSE), *profiles, "config"],
        capture_output=True, text=True, timeout=60, check=False, env=bare, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)
    assert set(read["services"]) == set(SERVICES)
    for name, service in read["services"].items():
        mine = SERVICES[name]
        assert (
            {key: str(value) for key, value in service["environment"].items()}
            == (environment(name))
            if "environment" in mine
            else "environment" not in service
        )
        for key in ("image", "restart"):
            assert service[key] == mine[key]
        assert service.get("command") == mine.get("command")
        assert [port.removesuffix("/tcp") for port in service.get("ports", [])] == mine.get(
            "ports", []
        )
    assert set(read["volumes"]) == set(yaml.safe_load(TEXT)["volumes"])


@pytest.mark.parametrize("service", OURS)
def test_every_variable_is_a_setting_and_has_a_value_it_may_have(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = environment(service)
    assert [name for name in variables if not name.startswith("REWAKE_")] == []
    assert unknown_variables(variables) == []
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(env_file=None)
    assert settings.kafka == "kafka:19092"
    for name in re.findall(r"\$\{(\w+)", TEXT):
        assert name == "RULES" or unknown_variables({name: ""}) == []


@pytest.mark.parametrize("service", OURS)
def test_every_command_exists(service: str) -> None:
    commands: list[list[str]] = [SERVICES[service]["command"]]
    probe = SERVICES[service].get("healthcheck")
    if probe is not None:
        assert probe["test"][:2] == ["CMD", "rewake"]
        commands.append(probe["test"][2:])
    for words in commands:
        here: Any = typer.main.get_command(app)
        for before, word in zip(["", *words], words, strict=False):
            if word.startswith("--"):
                assert word in {option for each in here.params for option in each.opts}
            elif not before.startswith("--"):  # else it is the option's value
                assert word in here.commands
                here = here.commands[word]


def test_services_find_each_other_by_name_and_the_host_finds_them_where_rewake_looks() -> None:
    inside, outside = listeners("listeners"), listeners("advertised.listeners")
    assert {name: port for name, (_, port) in inside.items() if name != "CONTROLLER"} == {
        name: port for name, (_, port) in outside.items()
    }
    worker = environment("worker")
    assert worker["REWAKE_KAFKA"] == "{}:{}".format(*outside["CONTAINERS"])
    assert outside["CONTAINERS"][0] == "kafka"
    fields = Settings.model_fields
    assert "{}:{}".format(*outside["HOST"]) == fields["kafka"].default
    assert published("kafka") == {outside["HOST"][1]: outside["HOST"]}
    assert worker["REWAKE_REDIS"] == "redis://valkey:6379/0"
    assert fields["redis"].default == "redis://{}:{}/0".format(*published("valkey")[6379])
    port = int(worker["REWAKE_METRICS"].rpartition(":")[2])
    assert published("worker") == {port: (fields["metrics"].default.host, port)}
    web = int(environment("serve")["REWAKE_WEB"].rpartition(":")[2])
    assert published("serve") == {web: (fields["web"].default.host, web)}
    assert f"EXPOSE {port} {web}\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_controller_listens_where_it_is_looked_for() -> None:
    voters = properties()["controller.quorum.voters"]
    assert voters == f"{properties()['node.id']}@kafka:{listeners('listeners')['CONTROLLER'][1]}"
    known = dict(
        pair.split(":") for pair in properties()["listener.security.protocol.map"].split(",")
    )
    assert known.keys() == listeners("listeners").keys()
    assert properties()["inter.broker.listener.name"] in listeners("advertised.listeners")


def native() -> dict[str, str]:
    lines = kafka_server._PROPERTIES.splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_broker_has_the_properties_of_the_embedded_one() -> None:
    assert {name: value for name, value in properties().items() if name not in LISTENING} == {
        name: value for name, value in native().items() if name not in LISTENING
    }


def test_images_are_pinned_and_the_broker_is_the_embedded_one() -> None:
    for name in set(SERVICES).difference(OURS):
        assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", SERVICES[name]["image"])
    embedded = re.search(r"kafka_[\d.]+:([\d.]+)", jars.COORDINATES)
    assert embedded is not None
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{embedded[1]}"
    assert SERVICES["valkey"]["image"].startswith("valkey/valkey:8.")


def test_a_worker_is_given_longer_to_stop_than_it_takes_and_asked_no_sooner_than_it_answers() -> (
    None
):
    most = next(meta.le for meta in Settings.model_fields["shutdown_timeout"].metadata
                if hasattr(meta, "le"))  # fmt: skip
    worker = SERVICES["worker"]
    assert seconds(worker["stop_grace_period"]) * 1_000 > most == 30_000
    assert seconds(worker["healthcheck"]["timeout"]) > 5
    assert {name for name, service in SERVICES.items() if service["restart"] == "no"} == {"topics"}
    assert {service["restart"] for service in SERVICES.values()} == {"no", "unless-stopped"}


def test_whoever_is_waited_for_can_say_that_it_is_ready() -> None:
    for service in SERVICES.values():
        for other, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_started":
                assert SERVICES[other]["restart"] == "unless-stopped"
            elif wanted["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]
            else:
                assert wanted["condition"] == "service_completed_successfully"
                assert SERVICES[other]["restart"] == "no"


def mounts(service: str) -> Mapping[str, str]:
    return {each.split(":")[1]: each.split(":")[0] for each in SERVICES[service].get("volumes", [])}


def test_what_is_mounted_exists_and_lies_where_it_is_looked_for() -> None:
    declared = set(yaml.safe_load(TEXT)["volumes"])
    used: set[str] = set()
    for service in SERVICES:
        for source in mounts(service).values():
            if source.startswith("."):
                assert (ROOT / source).exists()
            else:
                used.add(source)
    assert used == declared
    assert properties()["log.dirs"] in mounts("kafka")
    for ours in ("prometheus.yml", "alerts.yml"):  # where the image looks, and beside it
        assert mounts("prometheus")[f"/etc/prometheus/{ours}"] == f"./streams/ops/{ours}"
    shown = mounts("grafana")
    assert shown["/etc/grafana/provisioning"] == "./streams/ops/grafana/provisioning"
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert shown[home] == "./streams/ops/grafana/rewake.json"
    for service in OURS:
        assert environment(service)["REWAKE_RULES"] in mounts(service)
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    cache = re.search(r"XDG_CACHE_HOME=(\S+)", image)
    assert cache is not None
    assert cache[1] in mounts("worker")


def test_what_runs_on_demand_has_a_profile_and_nobody_else_waits_for_it() -> None:
    asked_for = {name: service["profiles"] for name, service in SERVICES.items()
                 if "profiles" in service}  # fmt: skip
    assert asked_for == {name: [profile] for name, profile in PROFILES.items()}
    for name, service in SERVICES.items():
        waited_for = set(service.get("depends_on", {})).intersection(PROFILES)
        assert all(PROFILES[each] == PROFILES.get(name) for each in waited_for)


def test_prometheus_scrapes_the_services_at_the_ports_they_listen_on() -> None:
    scraped = yaml.safe_load((ROOT / "streams" / "ops" / "prometheus.yml").read_text("utf-8"))
    where = dict.fromkeys(("worker", "audit", "webhook"), "REWAKE_METRICS") | {
        "serve": "REWAKE_WEB"
    }
    found = {}
    for job in scraped["scrape_configs"]:
        (discovery,) = job["dns_sd_configs"]
        (service,) = discovery["names"]
        assert job["job_name"] == f"rewake-{service}"
        found[service] = discovery["port"]
    listening = {
        service: int(environment(service)[variable].rpartition(":")[2])
        for service, variable in where.items()
    }
    assert found == listening
    source = ROOT / "streams" / "ops" / "grafana" / "provisioning" / "datasources" / "rewake.yml"
    (prometheus,) = yaml.safe_load(source.read_text("utf-8"))["datasources"]
    assert prometheus["url"] == f"http://prometheus:{next(iter(published('prometheus')))}"
