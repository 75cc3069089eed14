"""Write the effects of one partition in transactions.

Responsible for one transactional producer: opening it (which fences the partition's previous
owner), one transaction at a time with every send awaited and a bounded commit, and abandoning it
without a flush. Must not know what the records mean.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeAlias

import aiokafka.producer.sender
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from schemas.errors import ProducerFailed
from streams.delivery.metadata import (
    close_what_bootstrap_opened,
    pause_after_failure,
    retry_broken_lookups,
)
from streams.refused import RIGHTS
from streams.runs import LOG_APPEND_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka.producer.message_accumulator import BatchBuilder

    from schemas.vocabulary import Instant
    from streams.wall import WallClock

BATCH_BYTES: Final = 512 * 1024
COMMIT_SHARE: Final = 0.75
"""Part of the transaction timeout that one may take: its end is ours, not the broker's."""
OPEN_S: Final = 40.0
CLOSE_S: Final = 2.0
_DENIED: Final = (TopicAuthorizationFailedError, TransactionalIdAuthorizationFailed)

Headers: TypeAlias = list[tuple[str, bytes]]
NO_HEADERS: Final[Headers] = []

# Between two transactions aiokafka waits this long while the broker still writes the markers; its
# own 20 ms are twice the commit itself.
aiokafka.producer.sender.BACKOFF_OVERRIDE = 0.002


Outgoing: TypeAlias = tuple[bytes | None, bytes | None, Headers]
"""One record to be written: key, value, headers; a value of None is a tombstone."""


class PartitionProducer:
    """The transactional producer of one owned partition.

    Parameters
    ----------
    transactional_id
        The same for every owner of the partition: opening fences the one before.
    connection
        Keyword arguments of aiokafka's producer that say where and how to connect.
    wall
        Hears when the broker appended what was sent.
    timeout_ms
        After this long the broker aborts a transaction nobody ends.
    """

    def __init__(
        self,
        transactional_id: str,
        connection: Mapping[str, object],
        wall: WallClock,
        timeout_ms: int = 60_000,
    ) -> None:
        self._wall = wall
        self._commit_s = timeout_ms / 1000 * COMMIT_SHARE
        self.transactional_id = transactional_id
        self.abandoned = False
        self._producer = AIOKafkaProducer(
            **connection,
            client_id=transactional_id,  # what quotas and the broker's metrics go by
            transactional_id=transactional_id,
            transaction_timeout_ms=timeout_ms,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=30_000,
            retry_backoff_ms=20,
            linger_ms=0,
        )
        self._starting: asyncio.Task[None] | None = None
        pause_after_failure(self._producer.client)
        retry_broken_lookups(self._producer.client)
        close_what_bootstrap_opened(self._producer.client)

    async def open(self) -> None:
        """Fence the previous owner and have what it left open aborted.

        Returns when the broker has written the markers: what is read afterwards is final.

        Raises
        ------
        ProducerFailed
            When the broker does not answer in time or refuses, or when it was abandoned meanwhile.
        """
        try:
            if not self.abandoned:
                self._starting = asyncio.create_task(self._producer.start())
                async with asyncio.timeout(OPEN_S):
                    await asyncio.wait([self._starting])
            if self.abandoned or self._starting is None:
                raise ConnectionAbortedError("the partition was let go meanwhile")
            self._starting.result()
        except (KafkaError, TimeoutError, OSError) as error:
            await self.abandon()
            raise self._failed("to open the producer", error) from error

    async def partitions(self, topic: str) -> int:
        """Return the partition count of a topic."""
        return len(await self._producer.partitions_for(topic))

    async def transact(self, parts: Iterable[tuple[str, int, Sequence[Outgoing]]]) -> list[int]:
        """Write records to topics in one transaction and commit it.

        Parameters
        ----------
        parts
            Topic, partition, records in order. Parts of different topics travel side by side.

        Returns
        -------
        list of int
            Per part the offset of its last record, -1 for a part without any.

        Raises
        ------
        ProducerFailed
            When anything failed. The outcome is unknown then and the producer is of no more use:
            stop, start again and recover.
        """
        try:
            async with asyncio.timeout(self._commit_s):
                await self._producer.begin_transaction()
                sends = [self._send(topic, number, records) for topic, number, records in parts]
                # With one failed batch aiokafka would commit the rest: await every one first.
                sent = await asyncio.gather(*sends)
                await self._producer.commit_transaction()
        except (KafkaError, TimeoutError, AssertionError, OSError) as error:
            raise self._failed("a transaction to be committed", error) from error
        appended = [time for _, time in sent if time is not None]
        if appended:
            self._wall.witness(max(appended))
        else:
            self._wall.trust()
        return [last for last, _ in sent]

    async def abandon(self) -> None:
        """Close without flushing: what is not committed is aborted by the next owner's opening."""
        if self.abandoned:
            return
        self.abandoned = True
        self._producer._closed = True
        # aiokafka's start goes on with new connections otherwise, and would fence the next owner.
        if self._starting is not None:
            self._starting.cancel()
        sender = self._producer._sender.sender_task
        if sender is not None and not sender.done():
            sender.cancel()
        try:
            async with asyncio.timeout(CLOSE_S):
                if self._starting is not None:
                    await asyncio.wait([self._starting])  # else it may still add a connection
                await self._producer.client.close()
        except (KafkaError, TimeoutError, OSError):
            return

    async def _send(
        self, topic: str, partition: int, records: Sequence[Outgoing]
    ) -> tuple[int, Instant | None]:
        """Send records; return the last one's offset and, if the broker says, its append time."""
        last, appended = -1, None
        futures = []
        for batch in self._batches(records):
            future = await self._producer.send_batch(batch, topic, partition=partition)
            futures.append((future, batch.record_count()))
        for future, count in futures:
            receipt = await future
            last = receipt.offset + count - 1
            appended = receipt.timestamp if receipt.timestamp_type == LOG_APPEND_TIME else None
        return last, appended

    def _batches(self, records: Sequence[Outgoing]) -> list[BatchBuilder]:
        if not records:
            return []
        batches: list[BatchBuilder] = []
        count, append = 0, None
        for key, value, headers in records:
            # The C builder itself: `BatchBuilder.append` costs two Python frames a record. No
            # timestamp: the broker's or now, never one of the past (retention, rolling).
            if append is None or append(count, None, key, value, headers) is None:
                if batches:
                    _seal(batches[-1], count)
                batches.append(self._producer.create_batch())
                append, count = batches[-1]._builder.append, 0
                append(count, None, key, value, headers)
            count += 1
        _seal(batches[-1], count)
        return batches

    def _failed(self, expected: str, error: BaseException) -> ProducerFailed:
        if isinstance(error, _DENIED):
            return ProducerFailed(
                f"expected to be allowed {expected} ({self.transactional_id}), Kafka denies it to "
                f"this user: {error!r}. {RIGHTS}"
            )
        late = ""
        if isinstance(error, TimeoutError):
            late = (
                f" within {self._commit_s:.0f} s; if it comes again and the broker is up, a quota "
                "may hold its bytes back: lift it, raise REWAKE_TRANSACTION_TIMEOUT or lower "
                "REWAKE_BATCH_EVENTS"
            )
        return ProducerFailed(
            f"expected {expected} ({self.transactional_id}){late}, got {error!r}; its outcome is "
            "unknown: restart the worker, it recovers from the changelog"
        )


def _seal(batch: BatchBuilder, count: int) -> None:
    batch._relative_offset = count
    batch.close()
