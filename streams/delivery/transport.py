"""Name the consumer Faust is to use.

Responsible for that alone.
"""

from __future__ import annotations

from faust.transport.drivers import aiokafka

from streams.delivery.consumer import LaneConsumer


class LaneTransport(aiokafka.Transport):
    """Faust's aiokafka transport with the consumer of this package."""

    Consumer = LaneConsumer
