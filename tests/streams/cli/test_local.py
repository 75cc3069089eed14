"""`rewake local` from start to end, as a person uses it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from redis import Redis

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Rewake


@pytest.mark.server
def test_up_status_and_down_tell_what_they_did(rewake: Rewake, tmp_path: Path) -> None:
    folder = ("--dir", str(tmp_path / "servers"))
    assert rewake("local", "status", *folder).returncode == 1
    try:
        up = rewake("local", "up", *folder)
        assert up.returncode == 0, up.stderr
        kafka, redis = up.stdout.splitlines()
        assert kafka.startswith("export REWAKE_KAFKA=127.0.0.1:")
        assert redis.startswith("export REWAKE_REDIS=redis://127.0.0.1:")
        url = redis.partition("=")[2]

        # The command has returned, its pipes are closed, and what it started goes on.
        with Redis.from_url(url) as client:
            assert client.ping()
        status = rewake("local", "status", "--json", *folder)
        assert status.returncode == 0
        servers = json.loads(status.stdout)
        assert [(server["name"], server["running"]) for server in servers] == [
            ("kafka", True),
            ("redis", True),
        ]
        assert json.loads(rewake("local", "up", "--json", *folder).stdout)["redis"] == url
    finally:
        down = rewake("local", "down", *folder)
    assert down.returncode == 0
    assert rewake("local", "status", *folder).returncode == 1
    assert {path.name for path in tmp_path.iterdir()} == {"servers"}
