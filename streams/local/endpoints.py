"""Name where local servers listen, and where their files lie.

Responsible for addresses, free ports and folders. Must not start anything.
"""

from __future__ import annotations

import os
import random
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.errors import RewakeError

HOST: Final = "127.0.0.1"

# Below the range from which Linux and macOS take the local ports of outgoing connections: a client
# that keeps knocking at a stopped server would otherwise end up connected to itself, on the very
# port the server needs to come back.
_PORTS: Final = range(15_000, 32_000)
_PORT_ATTEMPTS: Final = 200


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where running local servers are reached.

    Attributes
    ----------
    kafka
        Bootstrap address, ``127.0.0.1:<port>``; the value of REWAKE_KAFKA.
    redis
        URL of database 0; the value of REWAKE_REDIS.
    """

    kafka: str
    redis: str

    def exports(self) -> str:
        """Write the addresses as lines a shell can evaluate.

        Examples
        --------
        >>> print(Endpoints("127.0.0.1:19092", "redis://127.0.0.1:16379/0").exports())
        export REWAKE_KAFKA=127.0.0.1:19092
        export REWAKE_REDIS=redis://127.0.0.1:16379/0
        """
        return f"export REWAKE_KAFKA={self.kafka}\nexport REWAKE_REDIS={self.redis}"


def is_free(port: int) -> bool:
    """Say whether a server could listen on a port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do it: connections that wind down after a stop do not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(taken: frozenset[int] = frozenset()) -> int:
    """Pick a port of 127.0.0.1 on which nothing listens.

    Parameters
    ----------
    taken
        Ports promised to other servers which do not listen yet.

    Raises
    ------
    RewakeError
        When none of many ports tried is free.
    """
    # Not a secret: two runs at once only have to try different ports.
    for port in random.SystemRandom().sample(_PORTS, _PORT_ATTEMPTS):
        if port not in taken and is_free(port):
            return port
    message = (
        f"expected a free port between {_PORTS.start} and {_PORTS.stop} on {HOST}, found none in "
        f"{_PORT_ATTEMPTS} attempts; stop what listens there"
    )
    raise RewakeError(message)


def home() -> Path:
    """Give the folder in which Rewake keeps what it builds and runs on this machine.

    In a clone that is ``.rewake`` at its top, so that removing the clone removes everything;
    installed from a wheel it is ``rewake`` in the user's cache folder.
    """
    clone = Path(__file__).resolve().parents[2]
    if (clone / "pyproject.toml").is_file():
        return clone / ".rewake"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rewake"
