"""Start and stop the local Kafka and Redis of one directory.

Responsible for the directory: its ports, its processes, its lock. Everything the servers write lies
below it, and only processes recorded in it are ever signalled. Must not know how each server works.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal

from schemas.errors import RewakeError, UsageError
from streams.local.endpoints import Endpoints, free_port, is_free
from streams.local.kafka_server import KafkaServer
from streams.local.processes import Identity, end, kill, launch, tail
from streams.local.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Name = Literal["kafka", "redis"]

_STATE: Final = "servers.json"
_POLL_SECONDS: Final = 0.05
_PORT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is known of one server of a directory.

    Attributes
    ----------
    name
        ``kafka`` or ``redis``.
    running
        Whether the recorded process runs.
    address
        Where it listens, or would listen when started again; empty when it never ran.
    pid
        Its process, when it runs.
    log
        File with everything it printed.
    """

    name: str
    running: bool
    address: str
    pid: int | None
    log: str


@dataclass(slots=True)
class _Record:
    """One server's entry in the state file."""

    ports: list[int]
    pid: int | None = None
    started: float | None = None
    log_begin: int = 0  # where in the log the present process begins to speak

    @property
    def identity(self) -> Identity | None:
        if self.pid is None or self.started is None:
            return None
        return Identity(self.pid, self.started)

    @property
    def is_running(self) -> bool:
        return self.identity is not None and self.identity.is_running()


class LocalServers:
    """A Kafka and a Redis whose files, ports and processes belong to one directory.

    They are detached: they go on when the process that started them ends, until `down`.

    Parameters
    ----------
    directory
        Made when missing. Two directories never disturb each other.
    say
        Told in words what takes long; nothing is said when absent.
    kafka
        How the broker is configured; the plain one when absent.

    Examples
    --------
    ::

        servers = LocalServers(Path("trial"))
        endpoints = servers.up()
        servers.kill("kafka")      # the broker is gone, its data and ports stay
        servers.start("kafka")
        servers.down()
    """

    def __init__(
        self,
        directory: Path,
        say: Callable[[str], None] | None = None,
        kafka: KafkaServer | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self._kinds: Final[dict[str, KafkaServer | RedisServer]] = {
            "redis": RedisServer(),
            "kafka": kafka or KafkaServer(say or (lambda _: None)),
        }

    def up(self) -> Endpoints:
        """Start what does not run, wait until both serve, and say where.

        Raises
        ------
        RewakeError
            When a server ends or does not serve in time; its last lines are in the message.
        """
        with self._locked() as records:
            for name in self._kinds:
                self._start(name, records, may_move=True)
            return self._endpoints(records)

    def down(self) -> None:
        """Stop both servers; the data stays. Without running servers this does nothing."""
        if not self.directory.is_dir():
            return
        with self._locked() as records:
            for name, record in records.items():
                if record.identity is not None:
                    end(record.identity, self._kinds[name].stop_seconds)

    def start(self, name: Name) -> str:
        """Start one server, on the ports and the data it had, and return its address.

        Raises
        ------
        RewakeError
            When its ports were taken by somebody else, or as `up` does.
        """
        with self._locked() as records:
            self._start(name, records, may_move=False)
            return self._kinds[name].address(records[name].ports)

    def stop(self, name: Name) -> None:
        """Stop one server cleanly; a server which does not run is left alone."""
        with self._locked() as records:
            if (identity := self._identity(name, records)) is not None:
                end(identity, self._kinds[name].stop_seconds)

    def kill(self, name: Name) -> None:
        """Kill one server without giving it time, as a power cut would."""
        with self._locked() as records:
            if (identity := self._identity(name, records)) is not None:
                kill(identity)

    def pause(self, name: Name) -> None:
        """Freeze one server: it keeps its connections and answers nothing until `resume`."""
        self._signal(name, signal.SIGSTOP)

    def resume(self, name: Name) -> None:
        """Let a frozen server go on."""
        self._signal(name, signal.SIGCONT)

    def status(self) -> list[ServerStatus]:
        """Say of each server whether it runs, and where; touches nothing."""
        records = self._read()
        found = []
        for name, kind in sorted(self._kinds.items()):
            record = records.get(name, _Record([]))
            address = kind.address(record.ports) if record.ports else ""
            pid = record.pid if record.is_running else None
            found.append(ServerStatus(name, record.is_running, address, pid, str(self._log(name))))
        return found

    def endpoints(self) -> Endpoints:
        """Say where both servers are reached.

        Raises
        ------
        UsageError
            When they were never started in this directory.
        """
        records = self._read()
        if records.keys() != self._kinds.keys():
            message = f"expected servers in {self.directory}, none were started there; run `up`"
            raise UsageError(message)
        return self._endpoints(records)

    def _endpoints(self, records: dict[str, _Record]) -> Endpoints:
        found = {name: kind.address(records[name].ports) for name, kind in self._kinds.items()}
        return Endpoints(**found)

    def _start(self, name: str, records: dict[str, _Record], *, may_move: bool) -> None:
        kind, log = self._kinds[name], self._log(name)
        record = records.get(name)
        if record is not None and record.is_running and self._serves(name, record):
            return
        if record is not None and record.identity is not None:
            # Left behind by a start that was interrupted: finish it, then start afresh.
            end(record.identity, kind.stop_seconds)
        log.parent.mkdir(parents=True, exist_ok=True)
        ports = self._ports(name, records, may_move=may_move)
        command = kind.prepare(log.parent, ports)
        begin = log.stat().st_size if log.is_file() else 0
        identity = launch(command, log.parent, log)
        records[name] = _Record(ports, identity.pid, identity.started, begin)
        # On disk before the wait: an interrupted start can still be taken down.
        self._write(records)
        self._await_readiness(name, records[name])

    def _await_readiness(self, name: str, record: _Record) -> None:
        kind, log = self._kinds[name], self._log(name)
        bound = time.monotonic() + kind.start_seconds
        while not self._serves(name, record):
            if not record.is_running:
                message = f"expected {name} to serve, it ended; the end of {log}:{tail(log)}"
                raise RewakeError(message)
            if time.monotonic() > bound:
                end(Identity(record.pid or 0, record.started or 0.0), kind.stop_seconds)
                message = (
                    f"expected {name} to serve within {kind.start_seconds:.0f} s, it did not and "
                    f"was stopped; the end of {log}:{tail(log)}"
                )
                raise RewakeError(message)
            time.sleep(_POLL_SECONDS)

    def _serves(self, name: str, record: _Record) -> bool:
        with self._log(name).open("rb") as log:
            log.seek(record.log_begin)
            said = log.read().decode(errors="replace")
        return self._kinds[name].is_ready(said, record.ports)

    def _ports(self, name: str, records: dict[str, _Record], *, may_move: bool) -> list[int]:
        """Return the ports of last time, else new ones."""
        former = records[name].ports if name in records else []
        bound = time.monotonic() + _PORT_SECONDS
        while former and not all(map(is_free, former)):
            if may_move:
                former = []
            elif time.monotonic() > bound:
                message = f"expected ports {former} of {name} to be free, somebody listens there"
                raise RewakeError(message)
            else:
                time.sleep(_POLL_SECONDS)
        taken = {port for record in records.values() for port in record.ports}
        while len(former) < self._kinds[name].ports_needed:
            former = [*former, free_port(frozenset(taken))]
            taken.update(former)
        return former

    @staticmethod
    def _identity(name: str, records: dict[str, _Record]) -> Identity | None:
        return records[name].identity if name in records else None

    def _signal(self, name: Name, number: signal.Signals) -> None:
        if (identity := self._identity(name, self._read())) is not None:
            identity.send(number)

    def _log(self, name: str) -> Path:
        return self.directory / name / "server.log"

    def _read(self) -> dict[str, _Record]:
        try:
            text = (self.directory / _STATE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        return {name: _Record(**entry) for name, entry in json.loads(text).items()}

    def _write(self, records: dict[str, _Record]) -> None:
        text = json.dumps({name: asdict(record) for name, record in records.items()}, indent=1)
        draft = self.directory / f"{_STATE}.{os.getpid()}"
        draft.write_text(text, encoding="utf-8")
        draft.replace(self.directory / _STATE)

    @contextmanager
    def _locked(self) -> Iterator[dict[str, _Record]]:
        """Keep other commands out of the directory while servers come or go."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._read()


def up(directory: Path) -> Endpoints:
    """Start Kafka and Redis with all files below a directory; see `LocalServers.up`."""
    return LocalServers(directory).up()


def down(directory: Path) -> None:
    """Stop the Kafka and Redis of a directory; see `LocalServers.down`."""
    LocalServers(directory).down()


def status(directory: Path) -> list[ServerStatus]:
    """Say what runs in a directory; see `LocalServers.status`."""
    return LocalServers(directory).status()
