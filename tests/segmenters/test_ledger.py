"""The ledger grows, and reads back exactly what it wrote or says what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.errors import ChangelogCorrupt, LayoutChanged
from segmenters.batch import EventBatch
from segmenters.changelog import HEAD_BYTES, seal
from segmenters.engine import Engine
from segmenters.ledger import FIRST_CAPACITY
from segmenters.pools import BLANK
from segmenters.rules import defaults, loads

DAY = 86_400_000
CROWD = 100_000


def orders(first: int, count: int, day: int) -> EventBatch:
    numbers = range(first, first + count)
    return EventBatch.from_columns(
        [b"c%d" % number for number in numbers],
        [day * DAY + number for number in numbers],
        [0] * count,
        [number % 90_000 for number in numbers],
        [number + 1 for number in numbers],
        [number + 1 + day * CROWD for number in numbers],
        [False] * count,
        [None] * count,
    )


@pytest.fixture(scope="module")
def crowd() -> Engine:
    """Hold a hundred thousand customers with two orders each, on two days."""
    engine = Engine(defaults())
    for day in (1, 2):
        for first in range(0, CROWD, 7_777):
            engine.apply(orders(first, min(7_777, CROWD - first), day))
    return engine


def test_rows_keep_their_customers_while_capacity_doubles(crowd: Engine) -> None:
    ledger = crowd.ledger
    assert crowd.customers == CROWD > 64 * FIRST_CAPACITY
    for number in (0, 1_023, 1_024, 1_025, 65_535, 65_536, CROWD - 1):
        row = crowd.row_of(b"c%d" % number)
        assert ledger.keys.at(np.array([row])) == (b"c%d" % number,)
        assert ledger.rows.n[row] == 2
        assert (ledger.rows.p0[row], ledger.rows.p[row]) == (DAY + number, 2 * DAY + number)
        latest = ledger.orders.cells[ledger.rows.latest[row]]
        assert (latest.ts, latest.number) == (2 * DAY + number, 2)
        assert ledger.orders.cells[latest.next].ts == DAY + number
    assert crowd.row_of(b"c%d" % CROWD) == -1
    assert (ledger.rows.n[:CROWD] == 2).all()
    assert int(ledger.tiles.free[1]) == int(ledger.orders.free[1]) == BLANK + 1 + 2 * CROWD


def test_a_crowd_is_read_back_equal(crowd: Engine) -> None:
    records = crowd.dump_rows(np.arange(CROWD))
    other = Engine(defaults())
    for first in range(0, CROWD, 33_333):
        part = records[first : first + 33_333]
        other.load_rows([key for key, _ in part], [value for _, value in part])
    other.wind()
    assert other.dump_rows(np.arange(CROWD)) == records
    assert (other.ledger.dues[:CROWD] == crowd.ledger.dues[:CROWD]).all()


def test_of_one_key_the_last_value_wins_and_gives_back_what_others_held(crowd: Engine) -> None:
    rows = np.arange(3)
    new = crowd.dump_rows(rows)
    engine = Engine(defaults())
    engine.apply(orders(0, 3, 9))
    old = engine.dump_rows(rows)
    keys = [key for key, _ in old + new]
    for _ in range(4):
        engine.load_rows(keys, [value for _, value in old + new])
    assert engine.dump_rows(rows) == new
    assert engine.customers == 3
    ledger = engine.ledger
    assert [int(pool.free[1]) for pool in (ledger.tiles, ledger.orders)] == [BLANK + 1 + 6] * 2


def test_no_more_is_held_than_rows_tiles_and_orders(crowd: Engine) -> None:
    ledger = crowd.ledger
    day = ledger.tiles.cells.itemsize + ledger.orders.cells.itemsize
    held = CROWD * (ledger.rows.itemsize + 24 + 2 * day)
    assert ledger.nbytes == held + day + ledger.keys.nbytes


@pytest.fixture(scope="module")
def value() -> bytes:
    engine = Engine(defaults())
    engine.apply(orders(0, 1, 1))
    engine.apply(orders(0, 1, 2))
    return engine.dump_rows(np.arange(1))[0][1]


@pytest.fixture(scope="module")
def reader() -> Engine:
    return Engine(defaults())


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_is_noticed_wherever_it_is(value: bytes, reader: Engine, bit: int) -> None:
    for place in range(len(value)):
        flipped = bytearray(value)
        flipped[place] ^= 1 << bit
        with pytest.raises(LayoutChanged if place < 4 else ChangelogCorrupt):
            reader.load_rows([b"c0"], [bytes(flipped)])
    reader.load_rows([b"c0"], [value])


def test_a_value_cut_short_or_run_on_is_noticed(value: bytes, reader: Engine) -> None:
    for length in range(len(value)):
        with pytest.raises(ChangelogCorrupt, match=f"got {length} bytes"):
            reader.load_rows([b"c0"], [value[:length]])
    for tail in (b"\0", b"\0" * 8, b"\0" * 16, value[-16:]):
        with pytest.raises(ChangelogCorrupt):
            reader.load_rows([b"c0"], [value + tail])


def test_exchanged_words_are_noticed(value: bytes, reader: Engine) -> None:
    words = [value[k : k + 8] for k in range(0, len(value), 8)]
    for k in range(1, len(words) - 1):
        exchanged = [*words[:k], words[k + 1], words[k], *words[k + 2 :]]
        if exchanged != words:
            with pytest.raises(ChangelogCorrupt):
                reader.load_rows([b"c0"], [b"".join(exchanged)])


@pytest.mark.parametrize(("name", "count"), [
    ("tiles", 1), ("tiles", 3), ("tiles", -1), ("listed", 1), ("listed", 3), ("listed", 11),
    ("listed", -1),
])  # fmt: skip
def test_a_row_that_says_it_has_other_than_stands_behind_it_is_noticed(
    value: bytes, reader: Engine, name: str, count: int
) -> None:
    reader.load_rows([b"c0"], [value])
    used = reader.ledger.nbytes
    words = np.frombuffer(value, np.int64).copy()
    row = words.view(np.uint8)[HEAD_BYTES:][: reader.layout.row.itemsize].view(reader.layout.row)
    row[name] = count
    seal(words, 0, len(value), reader.ledger.stamp)
    with pytest.raises(ChangelogCorrupt):
        reader.load_rows([b"c0"], [words.tobytes()])
    reader.load_rows([b"c0"], [value])
    assert reader.ledger.nbytes == used
    assert reader.dump_rows(np.arange(1)) == [(b"c0", value)]


def test_one_bad_value_among_good_ones_is_noticed(value: bytes, reader: Engine) -> None:
    with pytest.raises(ChangelogCorrupt):
        reader.load_rows([b"a", b"b", b"c"], [value, value[:-3], value])


def test_a_value_of_another_layout_is_refused_with_what_to_do(value: bytes) -> None:
    for rules in ("[systems.monetary_tier]", "[systems.lifecycle]\n[systems.monetary_tier]"):
        with pytest.raises(LayoutChanged, match="start the release and rules that wrote it"):
            Engine(loads(rules)).load_rows([b"c0"], [value])


def test_another_map_of_segments_is_another_layout(value: bytes) -> None:
    rules = "[systems.lifecycle]\n[systems.monetary_tier]\n[systems.rfm]\nmap = 'B'"
    with pytest.raises(LayoutChanged):
        Engine(loads(rules)).load_rows([b"c0"], [value])


def test_a_value_under_other_parameters_is_not_taken_for_one_under_these(value: bytes) -> None:
    rules = "[systems.lifecycle]\nnew_days = 31\n[systems.monetary_tier]\n[systems.rfm]"
    with pytest.raises(LayoutChanged):
        Engine(loads(rules)).load_rows([b"c0"], [value])


def test_of_one_key_the_last_value_wins_whoever_wrote_it(value: bytes) -> None:
    other = Engine(loads("[systems.monetary_tier]"))
    other.apply(orders(0, 1, 3))
    strange = other.dump_rows(np.arange(1))[0][1]
    engine = Engine(defaults(), patient=True)
    engine.load_rows([b"c0"], [value])
    engine.load_rows([b"c0"], [strange])
    assert engine.waiting == {b"c0": strange}
    with pytest.raises(LayoutChanged):
        engine.wind()
    engine.load_rows([b"c0"], [value])
    engine.wind()
    assert engine.waiting == {}
    engine.load_rows([b"c0", b"c0"], [strange, value])
    assert engine.waiting == {}
    assert engine.dump_rows(np.arange(1)) == [(b"c0", value)]
