"""Lay a generated log out as a broker would send it.

Responsible for record batches stamped by the broker, and for reading them as the worker does. Must
not decode what is in a record.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

from bench.stream import START
from streams.delivery.fetch import committed_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.stream import Record

BATCH: Final = 500
"""Records of one batch, as of a producer that lingers a little."""
_CRC, _ATTRIBUTES, _MAX_TIMESTAMP = 17, 21, 35
_LOG_APPEND_TIME: Final = 8
_TP: Final = TopicPartition("bench", 0)


class Page(NamedTuple):
    """What one fetch brings: the range ``[begin, end)`` of a log."""

    begin: int
    end: int
    data: bytes

    def read(self) -> list[Any]:
        """Return the records as the worker's fetcher reads them."""
        batches = MemoryRecords(self.data)
        parsed = PartitionRecords(_TP, batches, [], self.begin, None, None, True, READ_COMMITTED)
        return committed_records(parsed, _TP)


def pages_of(log: Sequence[Record], size: int) -> list[Page]:
    """Return a log in pages of so many records.

    Examples
    --------
    >>> from bench.stream import generate
    >>> log = generate(100, 5, partitions=1).engagements[0]
    >>> pages = pages_of(log, 30)
    >>> [page.begin for page in pages]
    [0, 30, 60]
    >>> [record.value for page in pages for record in page.read()] == [each.value for each in log]
    True
    """
    return [
        Page(begin, min(begin + size, len(log)), _stored(log[begin : begin + size], begin))
        for begin in range(0, len(log), size)
    ]


def _stored(records: Sequence[Record], offset: int) -> bytes:
    return b"".join(
        _stamped(records[first : first + BATCH], offset + first)
        for first in range(0, len(records), BATCH)
    )


def _stamped(records: Sequence[Record], offset: int) -> bytes:
    """Build a batch and do to it what a broker does: give it its offset and the append time."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 30)
    for number, (key, value) in enumerate(records):
        builder.append(number, START, key, value, [])
    data = bytearray(builder.build())
    struct.pack_into(">q", data, 0, offset)
    struct.pack_into(">h", data, _ATTRIBUTES, _LOG_APPEND_TIME)
    struct.pack_into(">q", data, _MAX_TIMESTAMP, START)
    struct.pack_into(">I", data, _CRC, calc_crc32c(bytes(data[_ATTRIBUTES:])))
    return bytes(data)
