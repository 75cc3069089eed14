"""Chunks of one result chain; topic-partitions take turns."""

from __future__ import annotations

from itertools import pairwise

import pytest
from faust.types import TP

from streams.delivery.fetch import Fetched
from streams.delivery.scheduler import ChunkScheduler, chunks
from streams.topic_lane import Answer
from tests.streams.runs import Record

ANSWER = Answer(1, 0, True, 7)


def fetched(topic: str, offsets: list[int], begin: int, end: int) -> Fetched:
    return Fetched(TP(topic, 0), [Record(offset) for offset in offsets], begin, end, ANSWER)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 8, 9])
def test_chunks_chain_from_begin_to_end_and_hold_every_record_once(count: int):
    offsets = [10 + 2 * n for n in range(count)]
    made = list(chunks(fetched("t", offsets, 8, 40), 4))
    assert [r.offset for chunk in made for r in chunk.records] == offsets
    assert made[0].begin == 8
    assert made[-1].end == 40
    assert all(one.end == two.begin for one, two in pairwise(made))
    assert all(len(chunk.records) <= 4 for chunk in made)
    assert all(chunk.begin <= r.offset < chunk.end for chunk in made for r in chunk.records)
    assert all(chunk.epoch == 7 and chunk.value is chunk for chunk in made)


def test_only_the_last_chunk_carries_the_answer():
    made = list(chunks(fetched("t", list(range(9)), 0, 9), 4))
    assert [chunk.answer for chunk in made] == [None, None, ANSWER]


def test_topic_partitions_take_turns(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streams.delivery.scheduler.CHUNK", 2)
    results = [fetched("a", [0, 1, 2, 3, 4], 0, 5), fetched("b", [0], 0, 1)]
    order = [tp.topic for tp, _ in ChunkScheduler().iterate(results)]
    assert order == ["a", "b", "a", "a"]
