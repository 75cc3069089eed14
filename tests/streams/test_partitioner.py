"""Partitions are those of the Java client, whose murmur2 aiokafka has, too."""

from __future__ import annotations

from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from streams.partitioner import partitions_of


@given(st.lists(st.binary(max_size=40), max_size=50), st.integers(1, 64))
def test_every_key_goes_where_the_java_client_sends_it(keys: list[bytes], count: int):
    expected = [(murmur2(key) & 0x7FFFFFFF) % count for key in keys]
    assert partitions_of(keys, count).tolist() == expected
