"""Run a real Kafka and a real Redis on this machine, without containers.

Responsible for building the broker's jars, starting both servers on free ports of 127.0.0.1 and
stopping exactly what it started. Must not know topics, events or anything else of the product.
"""

from streams.local.endpoints import Endpoints
from streams.local.servers import LocalServers, ServerStatus, down, status, up

__all__ = ["Endpoints", "LocalServers", "ServerStatus", "down", "status", "up"]
