"""Bring one change to its end: delivered, or written to the dead letters.

Responsible for trying again, for the breaker's part in it, and for what becomes of a change that is
refused. Must not order changes or commit offsets.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import stamina
import structlog
from aiokafka.errors import KafkaError
from msgspec import Struct

from schemas.dead_letters import Origin
from schemas.topics import CHANGES, WEBHOOK_DEAD_LETTERS
from schemas.undelivered import UNREADABLE, undelivered_headers
from streams.webhook.breaker import State
from streams.webhook.endpoint import Parcel, Refused

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

    from streams.settings import Settings
    from streams.webhook.breaker import Breaker
    from streams.webhook.endpoint import Endpoint
    from streams.webhook.metrics import Metrics

_log: Final = structlog.get_logger(__name__)

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 60.0
JITTER_S: Final = 1.0


class Patience(Struct, frozen=True):
    """How long a change is tried.

    Attributes
    ----------
    attempts
        Requests after which it is a dead letter; probes of an endpoint that is away do not count.
    first_wait, longest_wait
        Seconds between two of them: doubling, up to a second of jitter beside.
    """

    attempts: int = 8
    first_wait: float = FIRST_WAIT_S
    longest_wait: float = LONGEST_WAIT_S


class Delivering:
    """Delivers changes, each until it is done.

    Parameters
    ----------
    settings
        What topics are called.
    group
        Who gives changes up.
    endpoint, breaker
        Where changes go, and whether it is to be left alone.
    letters
        Writes dead letters.
    metrics
        Counts.
    patience
        How long a change is tried.
    """

    def __init__(
        self,
        settings: Settings,
        group: str,
        endpoint: Endpoint,
        breaker: Breaker,
        letters: AIOKafkaProducer,
        metrics: Metrics,
        patience: Patience,
    ) -> None:
        self._group = group
        self._from = settings.topic(CHANGES)
        self._to = settings.topic(WEBHOOK_DEAD_LETTERS)
        self._bound = settings.stall_timeout / 1000
        self._endpoint = endpoint
        self._breaker = breaker
        self._letters = letters
        self._metrics = metrics
        self._patience = patience

    async def deliver(self, change_id: str, record: Any) -> None:
        """Deliver a change; return when the endpoint, or the topic of dead letters, has it.

        Parameters
        ----------
        change_id
            Its id.
        record
            Its record in the topic.

        Raises
        ------
        KafkaError
            When the dead letter cannot be written: the change is not done.
        """
        parcel = Parcel(change_id, record.value, record.headers)
        attempts = 0
        try:
            async for attempt in stamina.retry_context(
                on=_try_again,
                attempts=self._patience.attempts,
                timeout=None,
                wait_initial=self._patience.first_wait,
                wait_max=self._patience.longest_wait,
                wait_jitter=min(JITTER_S, self._patience.first_wait * 2),
            ):
                attempts = attempt.num
                with attempt:
                    await self._attempt(parcel)
        except Refused as refused:
            how = "refused for good" if not refused.passing else f"not taken in {attempts} attempts"
            await self.bury(record, refused.reason, how, attempts, refused.status)
            return
        self._metrics.delivered.inc()
        self._metrics.delay.observe(max(time.time() - record.timestamp / 1000, 0.0))

    async def _attempt(self, parcel: Parcel) -> None:
        """Make a request that counts: probes that find nobody there are repeated, and do not."""
        while True:
            probe = await self._breaker.enter()
            try:
                await self._request(parcel)
            except Refused as refused:
                if refused.passing:
                    self._metrics.retried.labels(refused.reason).inc()
                if not (probe and refused.away):
                    raise
            else:
                return
            finally:
                if probe:
                    self._breaker.left()
                self._metrics.breaker.state(self._breaker.state.value)

    async def _request(self, parcel: Parcel) -> None:
        began = time.monotonic()
        before = self._breaker.state
        try:
            await self._endpoint.post(parcel)
        except Refused as refused:
            self._breaker.failed(refused.retry_after)
            if before is State.CLOSED and self._breaker.state is State.OPEN:
                _log.warning(
                    "the endpoint fails, it is left alone for a while",
                    last=refused.reason,
                    do="look at the endpoint; nothing is lost, changes wait in the topic",
                )
            raise
        else:
            self._breaker.succeeded()
            if before is not State.CLOSED:
                _log.info("the endpoint takes changes again")
        finally:
            self._metrics.duration.observe(time.monotonic() - began)

    async def bury(
        self, record: Any, reason: str, detail: str, attempts: int = 0, status: int | None = None
    ) -> None:
        """Write a change to the dead letters.

        Raises
        ------
        KafkaError
            When it cannot be written.
        """
        origin = Origin(self._from, record.partition, record.offset)
        now = time.time_ns() // 1_000_000
        headers = undelivered_headers(
            record.headers, self._group, reason, detail, attempts, status, origin, now
        )
        async for attempt in stamina.retry_context(
            on=_may_pass, attempts=None, timeout=self._bound, wait_max=5.0
        ):
            with attempt:
                await self._letters.send_and_wait(
                    self._to, key=record.key, value=record.value, headers=headers
                )
        self._metrics.dead.labels(reason).inc()
        _log.warning(
            "a change is a dead letter",
            reason=reason,
            attempts=attempts,
            partition=record.partition,
            offset=record.offset,
        )

    async def bury_unreadable(self, record: Any, why: str) -> None:
        """Write a record that is no change to the dead letters."""
        await self.bury(record, UNREADABLE, why)


def _may_pass(error: Exception) -> bool:
    return isinstance(error, KafkaError) and bool(error.retriable)


def _try_again(error: Exception) -> bool | float:
    """Tell stamina whether to try again: True waits as it does, a number waits these seconds."""
    if not isinstance(error, Refused) or not error.passing:
        return False
    return error.retry_after or True
