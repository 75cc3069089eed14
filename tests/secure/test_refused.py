"""Who is not let in, or lacks a right, hears so in bounded time, with what to do, and no secret."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.secure.servers import PASSWORD, grants, redis_rules

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.secure.authority import Authority
    from tests.secure.servers import Grant, SecureKafka, SecureRedis

    Run = Callable[..., subprocess.CompletedProcess[str]]

WRONG = "canary-wrong"

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]


def said(done: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """Return what a refused command says, having looked at how it ended."""
    whole = done.stdout + done.stderr
    assert done.returncode == code, whole
    assert PASSWORD not in whole
    assert "canary" not in whole
    assert "Traceback" not in done.stderr or "ProducerFailed" in done.stderr, whole
    return done.stderr


def test_a_connection_kafka_refuses_says_why_and_which_setting_it_is(
    secure_kafka: SecureKafka, stranger: Authority, run: Run
) -> None:
    port = secure_kafka.sasl
    alien = stranger.issue("alien")
    ways = {
        "REWAKE_KAFKA_SASL_": secure_kafka.login("admin", WRONG),
        "in REWAKE_KAFKA_SSL_CAFILE": secure_kafka.login(
            "admin", REWAKE_KAFKA_SSL_CAFILE=str(stranger.ca)
        ),
        "in REWAKE_KAFKA which the broker's certificate is for": secure_kafka.login(
            "admin", REWAKE_KAFKA=f"localhost:{port}"
        ),
        "REWAKE_KAFKA_SSL_CERTFILE": secure_kafka.certified(alien, ""),
    }
    with ThreadPoolExecutor(4) as pool:
        ends = pool.map(lambda variables: run(variables, "topics", "diff"), ways.values())
        for todo, done in zip(ways, ends, strict=True):
            assert todo in said(done)


def test_an_encrypted_key_without_its_password_is_an_error_and_no_question(
    secure_kafka: SecureKafka, run: Run
) -> None:
    locked = secure_kafka.authority.issue("locked", password="canary-of-the-key")
    for password in ("", WRONG):
        done = run(secure_kafka.certified(locked, password), "topics", "diff")
        assert "REWAKE_KAFKA_SSL_KEY_PASSWORD" in said(done, 2)


def test_a_worker_that_lacks_a_right_stops_and_names_it(
    secure_kafka: SecureKafka, run: Run, full: bool
) -> None:
    admin = secure_kafka.login("admin", REWAKE_PARTITIONS="2", REWAKE_APP="rewake")
    assert run(admin, "topics", "create").returncode == 0
    mine = [grant for grant in grants() if grant.who == "worker"]

    def without(number: int, lacking: Grant) -> str:
        user = f"lacks-{number}"
        secure_kafka.add_users(user)
        secure_kafka.allow(user, *(grant for grant in mine if grant is not lacking))
        more = {"REWAKE_REDIS": "", "REWAKE_METRICS": "127.0.0.1:0"}
        more |= {"REWAKE_LOG_LEVEL": "debug"}  # a crash that is told at length
        return said(run(secure_kafka.login(user, **more), "worker"))

    with ThreadPoolExecutor(4) as pool:
        lacking_each = mine if full else [mine[0], *mine[-3:]]
        ends = pool.map(without, range(9), lacking_each)
        for lacking, words in zip(lacking_each, ends, strict=True):
            assert lacking.name in words
            assert "Kafka denies it to this user" in words
            assert "docs/security.md" in words


def test_a_connection_redis_refuses_says_why_and_what_to_change(
    secure_redis: SecureRedis, stranger: Authority, run: Run
) -> None:
    secure_redis.add_user("nobody", ["~rw:*", "-@all"])
    plain = secure_redis.url("reader").partition("?")[0].replace("rediss:", "redis:")
    try:
        ways = {
            "user or password in REWAKE_REDIS are refused": secure_redis.url("reader", WRONG),
            "docs/security.md": secure_redis.url("nobody"),
            "ssl_ca_certs=FILE": secure_redis.url("reader", ssl_ca_certs=str(stranger.ca)),
            "use a host in REWAKE_REDIS": secure_redis.url("reader", host="localhost"),
            "is Redis up": secure_redis.url("reader", ssl_certfile="", ssl_keyfile=""),
            "is REWAKE_REDIS right?": plain,
        }  # fmt: skip
        for todo, url in ways.items():
            assert todo in said(run({"REWAKE_REDIS": url}, "lookup", "c-1"))
    finally:
        secure_redis.remove_users("nobody")


def test_a_reader_of_the_cache_cannot_write_and_a_worker_touches_its_own_keys_only(
    secure_redis: SecureRedis,
) -> None:
    from redis import Redis
    from redis.exceptions import NoPermissionError

    assert "+set" not in redis_rules("reader")
    with Redis.from_url(secure_redis.url("reader")) as reader:
        with pytest.raises(NoPermissionError):
            reader.set("rw:epoch", "mine")
        with pytest.raises(NoPermissionError):
            reader.get("another")
    with Redis.from_url(secure_redis.url("worker")) as worker:
        with pytest.raises(NoPermissionError):
            worker.set("another", "mine")
        with pytest.raises(NoPermissionError):
            worker.flushall()


@pytest.mark.parametrize(
    "url", [f"redis://:{WRONG}/x@cache:6379/0", f"rediss://u:{WRONG}@cache/0?ssl_cacerts=ca.pem"]
)
def test_a_url_that_cannot_be_read_is_refused_without_its_password(url: str, run: Run) -> None:
    assert "REWAKE_REDIS: expected a URL with" in said(run({"REWAKE_REDIS": url}, "settings"), 2)
