"""Keys are numbered as a dict would number them, whatever they look like."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segmenters.keys import UNKNOWN, Keys

# Few letters and short: many are equal, beginnings of one another, or end in zero bytes.
NAMES = st.binary(max_size=9) | st.text("ab\0", max_size=6).map(str.encode)
BATCHES = st.lists(st.lists(NAMES, max_size=40), max_size=8)


class Dict:
    """The naive numbering."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {}

    def add(self, keys: list[bytes]) -> list[int]:
        return [self.numbers.setdefault(key, len(self.numbers)) for key in keys]

    def find(self, keys: list[bytes]) -> list[int]:
        return [self.numbers.get(key, UNKNOWN) for key in keys]


@given(BATCHES, st.lists(NAMES))
def test_keys_are_numbered_as_by_a_dict(batches: list[list[bytes]], asked: list[bytes]) -> None:
    keys, naive = Keys(), Dict()
    for batch in batches:
        assert keys.find(batch).tolist() == naive.find(batch)
        assert keys.add(batch).tolist() == naive.add(batch)
    assert keys.find(asked).tolist() == naive.find(asked)
    assert len(keys) == len(naive.numbers)
    assert keys.at(np.arange(len(keys))) == tuple(naive.numbers)


def test_many_keys_keep_their_numbers_while_the_table_grows_and_where_hashes_are_equal() -> None:
    names = [b"customer-%d" % number for number in range(300_000)]
    keys = Keys()
    for first in range(0, len(names), 7_777):
        part = names[first : first + 7_777]
        assert keys.add(part).tolist() == list(range(first, first + len(part)))
    hashes = keys._slots[keys._slots != 0] >> 32
    assert len(names) > len(np.unique(hashes)) > 0.999 * len(names)
    assert keys.find(names[::-1]).tolist() == list(range(len(names)))[::-1]
    some = np.array([0, 299_999, 17, 17])
    assert keys.at(some) == tuple(names[number] for number in some.tolist())


def test_a_key_of_sixteen_bytes_takes_less_than_fifty() -> None:
    keys = Keys()
    keys.add([b"customer-%07d" % number for number in range(700_000)])
    assert keys.nbytes / len(keys) < 50
