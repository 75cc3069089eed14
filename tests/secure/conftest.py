"""Give the tests of logins their servers, and a `rewake` that is run as its users run it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from segmenters.kernel import cache_folder
from tests import forked
from tests.secure.authority import Authority
from tests.secure.servers import SecureKafka, SecureRedis, grants, redis_rules

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

REWAKE = Path(sys.executable).with_name("rewake")
USERS = ("worker", "reader", "serve")
"""Of Redis."""
WITHIN_S = 150.0
"""Bound for a command that is refused: generous, it measures the machine as well."""


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give the authority which the servers' certificates come from."""
    return Authority(tmp_path_factory.mktemp("authority"), "Rewake tests")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give an authority nobody knows."""
    return Authority(tmp_path_factory.mktemp("stranger"), "Somebody else")


@pytest.fixture(scope="module")
def secure_kafka(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[SecureKafka]:
    """Give a broker with logins, whose users have what docs/security.md says, and no more."""
    server = SecureKafka(tmp_path_factory.mktemp("secure-kafka"), authority)
    try:
        who = {grant.who for grant in grants()}
        server.add_users(*who)
        for user in who:
            server.allow(user, *(grant for grant in grants() if grant.who == user))
        yield server
    finally:
        server.servers.down()


@pytest.fixture(scope="module")
def secure_redis(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, redis_url: str
) -> Iterator[SecureRedis]:
    """Give a Redis behind TLS, whose users may do what docs/security.md says, and no more."""
    with Redis.from_url(redis_url) as client:
        client.flushdb()  # other tests have used it, for other apps
    server = SecureRedis(tmp_path_factory.mktemp("secure-redis"), authority, redis_url)
    try:
        for user in USERS:
            server.add_user(user, redis_rules(user))
        yield server
    finally:
        server.remove_users(*USERS)
        server.close()


def environment(folder: Path, variables: dict[str, str]) -> dict[str, str]:
    """Return the variables of a process: these settings and no others."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "REWAKE_CACHE_DIR": str(cache_folder().parent),
        **variables,
    }


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give a function that runs `rewake` with settings, bounded, and returns how it ended."""

    def call(variables: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
        return forked.run(["rewake", *words], tmp_path, environment(tmp_path, variables), WITHIN_S)

    return call
