"""Deal fetch results out in chunks, round robin over the topic-partitions.

Responsible for the size of what is decoded in one go and for dressing a chunk as the record Faust
expects. Must not look into records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from faust.types.transports import SchedulingStrategyT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from faust.types import TP

    from streams.delivery.fetch import Fetched
    from streams.runs import Raw
    from streams.topic_lane import Answer

CHUNK: Final = 5_000
"""Records of one chunk: about ten milliseconds of decoding before others get their turn."""


class Chunk:
    """A range ``[begin, end)`` of one fetch result, looking like one record to Faust.

    Attributes
    ----------
    records : list
        The raw records in it; may be empty.
    begin, end : int
        Chunks of one result chain: the next one begins where this one ends.
    epoch : int
        Epoch of the topic-partition the fetch was sent under.
    answer : Answer or None
        With the last chunk of a result: what the fetch proved.
    offset : int
        ``end - 1``: what Faust takes for the record's offset.
    """

    __slots__ = (
        "answer", "begin", "checksum", "end", "epoch", "headers", "key", "offset", "partition",
        "records", "serialized_key_size", "serialized_value_size", "timestamp", "timestamp_type",
        "topic",
    )  # fmt: skip

    def __init__(
        self, tp: TP, records: list[Raw], begin: int, end: int, epoch: int, answer: Answer | None
    ) -> None:
        self.topic, self.partition = tp.topic, tp.partition
        self.records = records
        self.begin, self.end, self.epoch, self.answer = begin, end, epoch, answer
        self.offset = end - 1
        self.timestamp = 0
        self.timestamp_type = 0
        self.headers = self.key = self.checksum = None
        self.serialized_key_size = 0
        self.serialized_value_size = len(records)

    @property
    def value(self) -> Chunk:
        """The chunk itself: what Faust hands to the agent."""
        return self


def chunks(fetched: Fetched, size: int) -> Iterator[Chunk]:
    """Split a fetch result into chunks of at most ``size`` records that chain."""
    tp, records, begin, end, answer = fetched
    for first in range(0, len(records), size):
        if first + size >= len(records):
            break
        part = records[first : first + size]
        upto = part[-1].offset + 1
        yield Chunk(tp, part, begin, upto, answer.epoch, None)
        begin = upto
    else:
        first = 0
    yield Chunk(tp, records[first:], begin, end, answer.epoch, answer)


class ChunkScheduler(SchedulingStrategyT):
    """Faust's ``ConsumerScheduler`` for whole fetch results."""

    def __init__(self) -> None:
        """Keep nothing: each fetch is dealt out on its own."""

    def iterate(self, records: Iterable[Fetched]) -> Iterator[tuple[TP, Chunk]]:  # type: ignore[override]
        """Yield chunks, one per topic-partition and round; those of one partition follow closely.

        What its topics bring together can then be judged and committed together.
        """
        together = sorted(records, key=lambda fetched: fetched.tp.partition)
        lines = [(fetched.tp, chunks(fetched, CHUNK)) for fetched in together]
        while lines:
            going = []
            for tp, line in lines:
                chunk = next(line, None)
                if chunk is not None:
                    yield tp, chunk
                    going.append((tp, line))
            lines = going
