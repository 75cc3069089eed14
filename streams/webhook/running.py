"""Run a webhook as a process.

Responsible for what stands around the service: logs, health and metrics, the parts and their end,
signals, and the exit. Must not hold anything of the delivery itself.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

import stamina
import stamina.instrumentation
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError, UnknownTopicOrPartitionError
from msgspec import Struct

from schemas.dead_letters import REASON
from schemas.errors import RewakeError
from schemas.topics import CHANGES, WEBHOOK_DEAD_LETTERS
from schemas.undelivered import GROUP, UNREADABLE
from streams import health, logs
from streams.masking import secrets_in
from streams.webhook.breaker import Breaker
from streams.webhook.delivering import Delivering, Patience
from streams.webhook.endpoint import Endpoint, check_url
from streams.webhook.metrics import Metrics
from streams.webhook.offsets import begin
from streams.webhook.selection import Selection
from streams.webhook.service import Service, Source
from streams.webhook.signing import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.settings import Settings

_log: Final = structlog.get_logger(__name__)

# Above the largest change with the headers a dead letter adds.
_LETTER_BYTES: Final = 2 * 1024 * 1024
_ANSWER_S: Final = 10.0
_LEAVE_S: Final = 5.0
AGAIN: Final = "-again"
"""Behind a webhook's group: the group that reads its dead letters."""


class Options(Struct, frozen=True):
    """What the command line says.

    Attributes
    ----------
    selection
        Which changes are sent.
    patience
        How long each is tried.
    name
        Which of several webhooks this is; empty: the only one.
    earliest
        Whether a new one begins with what the topic still holds.
    abreast
        How many customers' changes are under way at a time.
    timeout
        Seconds a request may take.
    open_after
        Failures in a row after which the endpoint is left alone.
    redeliver
        Whether to send this webhook's dead letters once more, and end, instead of changes.
    """

    selection: Selection = Selection()
    patience: Patience = Patience()
    name: str = ""
    earliest: bool = False
    abreast: int = 16
    timeout: float = 10.0
    open_after: int = 10
    redeliver: bool = False


def group_of(settings: Settings, name: str) -> str:
    """Name the consumer group of a webhook.

    Examples
    --------
    >>> from streams.settings import load_settings
    >>> group_of(load_settings(None), ""), group_of(load_settings(None), "crm")
    ('rewake-webhook', 'rewake-webhook-crm')
    """
    return f"{settings.app}-webhook" + (f"-{name}" if name else "")


def run(settings: Settings, options: Options) -> None:
    """Run a webhook until it is told to stop (SIGTERM, Ctrl-C).

    Raises
    ------
    RewakeError
        When it cannot start or go on.
    """
    url = settings.webhook_url.get_secret_value()
    host = check_url(url)
    keys = keys_of(settings.webhook_secret.get_secret_value())
    logs.set_up(settings.log_level, settings.log_format, secrets_in(settings))
    # Both would write addresses, which may hold secrets, once per request.
    for library in ("httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.WARNING)
    # Ours are counted and logged where they are understood.
    stamina.instrumentation.set_on_retry_hooks([])
    try:
        asyncio.run(_run(settings, options, url, keys, host))
    except KafkaError as error:
        message = (
            f"expected Kafka at {settings.kafka} to do what was asked, it said: {error!r}; nothing "
            "is lost: start again once the brokers are well"
        )
        raise RewakeError(message) from error


async def _run(
    settings: Settings, options: Options, url: str, keys: list[bytes], host: str
) -> None:
    metrics, breaker = Metrics(), Breaker(options.open_after)
    giving_up = group = group_of(settings, options.name)
    letters = await _connected(settings, group)
    endpoint = Endpoint(url, keys, options.abreast, options.timeout)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_stopped, letters)
        stack.push_async_callback(endpoint.close)
        dead = await _partitions(letters, settings.topic(WEBHOOK_DEAD_LETTERS))
        if options.redeliver:
            group += AGAIN
            ends = await begin(settings, group, dead, earliest=True)
            source = Source(settings.topic(WEBHOOK_DEAD_LETTERS), ends, _given_up_by(giving_up))
        else:
            tps = await _partitions(letters, settings.topic(CHANGES))
            await begin(settings, group, tps, earliest=options.earliest)
            source = Source(settings.topic(CHANGES))
        delivering = Delivering(
            settings, giving_up, endpoint, breaker, letters, metrics, options.patience
        )
        service = Service(
            settings, group, source, options.selection, delivering, breaker, options.abreast,
            metrics,
        )  # fmt: skip
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, service.stop)
        server = health.serve(settings.metrics, metrics.registry, service.ailing, service.unready)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        _log.info("webhook starting", group=group, host=host, metrics=str(server.server_port))
        await service.run()
    _log.info("webhook stopped", **metrics.totals())


def _given_up_by(group: str) -> Callable[[Any], bool]:
    """Tell the dead letters of one webhook; one that is no change would be none again."""

    def takes(letter: Any) -> bool:
        said = dict(letter.headers)
        return said.get(GROUP) == group.encode() and said.get(REASON) != UNREADABLE.encode()

    return takes


async def _connected(settings: Settings, group: str) -> AIOKafkaProducer:
    """Return a producer that is connected, once a broker answers."""
    async for attempt in stamina.retry_context(
        on=KafkaConnectionError, attempts=None, timeout=settings.stall_timeout / 1000, wait_max=5.0
    ):
        with attempt:
            producer = AIOKafkaProducer(
                bootstrap_servers=settings.kafka,
                client_id=group,
                enable_idempotence=True,
                max_request_size=_LETTER_BYTES,
                **settings.kafka_security(),
            )
            try:
                await producer.start()
            except KafkaError:
                await producer.stop()
                raise
    return producer


async def _stopped(letters: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(_LEAVE_S):
            await letters.stop()
    except (TimeoutError, KafkaError):
        _log.warning("the producer of dead letters was not stopped in order")


async def _partitions(letters: AIOKafkaProducer, topic: str) -> list[TopicPartition]:
    try:
        async with asyncio.timeout(_ANSWER_S):
            return [TopicPartition(topic, p) for p in await letters.partitions_for(topic)]
    except (TimeoutError, UnknownTopicOrPartitionError) as error:
        message = f"expected topic {topic}, got none; run `rewake topics create`"
        raise RewakeError(message) from error
