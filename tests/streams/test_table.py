"""The ledger table: read back exactly, never raising inside Faust's recovery."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from faust.types import TP

from schemas.errors import ChangelogCorrupt, ContinuityBroken
from streams.delivery.scheduler import Chunk
from streams.inventory import Inventory
from streams.position import FORMAT, POSITION_KEY, InputPosition, PositionRecord, seal, write
from streams.table import LedgerTable, PartitionState
from streams.topic_lane import Answer
from tests.streams.counting import ROW, CountingEngine
from tests.streams.runs import Record

RECORD = PositionRecord(FORMAT, {"t": InputPosition(9)}, 5, "r", "l")


def row(offset: int, key: bytes, count: int) -> Record:
    return Record(offset, key=key, value=ROW.pack(count, 0, 0, bytes(8)))


def sealed(offset: int, *rows: Record) -> Record:
    """Make a position record that vouches for rows."""
    inventory = Inventory()
    for number, each in enumerate(rows):
        inventory.write(np.array([number]), [(each.key, each.value)])  # type: ignore[list-item]
    return Record(offset, key=POSITION_KEY, value=write(seal(RECORD, inventory)))


def chunk(
    records: list[Record], begin: int, end: int, partition: int = 0, answer: Answer | None = None
) -> Chunk:
    return Chunk(TP("changelog", partition), records, begin, end, 1, answer)  # type: ignore[arg-type]


def counts(state: PartitionState) -> dict[bytes, int]:
    return {key: state.engine.cells[at][0] for key, at in state.engine.rows.items()}  # type: ignore[attr-defined]


def state() -> PartitionState:
    return PartitionState(CountingEngine())


def test_rows_and_the_latest_position_are_taken_back():
    found = state()
    position = Record(2, key=POSITION_KEY, value=write(RECORD))
    found.load(chunk([row(0, b"a", 1), row(1, b"b", 2), position], 0, 4))
    found.load(chunk([row(4, b"a", 3)], 4, 6))
    assert counts(found) == {b"a": 3, b"b": 2}
    assert found.record == RECORD
    assert found.offset == 5


def test_markers_at_the_end_count_as_read():
    found = state()
    found.load(chunk([row(0, b"a", 1)], 0, 1))
    found.load(chunk([], 1, 4))
    assert found.offset == 3


def test_a_hole_in_the_changelog_is_an_error():
    found = state()
    found.load(chunk([row(0, b"a", 1)], 0, 1))
    with pytest.raises(ContinuityBroken, match="expected offset 1 next, got 3"):
        found.load(chunk([row(3, b"a", 1)], 3, 4))


def test_a_changelog_that_was_not_read_from_its_start_is_not_worked_with():
    found = state()
    found.load(chunk([row(5, b"a", 1)], 5, 6))
    with pytest.raises(ContinuityBroken, match="expected offsets 0 to 5 to be read back, got 5"):
        found.verify("here", 0, 6)


def test_a_changelog_that_was_not_read_to_its_end_is_not_worked_with():
    found = state()
    found.load(chunk([row(0, b"a", 1)], 0, 1))
    with pytest.raises(ContinuityBroken, match="expected offsets 0 to 3 to be read back, got 0"):
        found.verify("here", 0, 4)


def test_a_foreign_transaction_that_hides_the_end_is_not_taken_for_the_end():
    found = state()
    hidden = Answer(sent=1, end=1, caught_up=False, epoch=1)
    found.load(chunk([row(0, b"a", 1)], 0, 1, answer=hidden))
    with pytest.raises(ContinuityBroken, match="an open transaction of somebody else"):
        found.verify("here", 0, 1)
    found.load(chunk([], 1, 2, answer=hidden._replace(end=2, caught_up=True)))
    found.verify("here", 0, 2)


def test_a_kept_state_needs_only_what_came_since():
    found = state()
    found.offset, found.read = 41, 41  # its own last commit, a marker behind it
    found.load(chunk([], 41, 43))
    found.verify("here", 0, 43)
    found.read = found.offset
    found.verify("here", 0, 43)


ROWS = [row(0, b"a", 1), row(1, b"b", 2)]


def test_a_position_record_vouches_for_the_rows_beside_it():
    found = state()
    found.load(chunk([row(0, b"a", 7), *ROWS, sealed(3, *ROWS)], 0, 4))
    found.verify("here", 0, 4)


@pytest.mark.parametrize(
    ("read_back", "said"),
    [
        pytest.param(ROWS[:1], "expected the 2 rows .*, got 1 rows", id="a row is missing"),
        pytest.param([*ROWS, row(2, b"c", 1)], "got 3 rows", id="a row was brought in"),
        pytest.param([ROWS[0], row(1, b"b", 1)], "not as they were", id="an old row came back"),
        pytest.param([row(0, b"a", 2), row(1, b"b", 1)], "not as they", id="rows were exchanged"),
    ],
)
def test_other_rows_than_those_vouched_for_are_refused(read_back: list[Record], said: str):
    found = state()
    found.load(chunk([*read_back, sealed(3, *ROWS)], 0, 4))
    with pytest.raises(ChangelogCorrupt, match=said):
        found.verify("here", 0, 4)


def test_a_position_record_that_was_changed_is_refused():
    found = state()
    good = sealed(3, *ROWS)
    changed = Record(3, key=good.key, value=good.value.replace(b'"offset":9', b'"offset":8'))  # type: ignore[union-attr]
    found.load(chunk([*ROWS, changed], 0, 4))
    with pytest.raises(ChangelogCorrupt, match="not as they were written"):
        found.verify("here", 0, 4)


def test_what_was_read_before_does_not_take_a_row_back_in_time():
    found = state()
    old = chunk([row(0, b"a", 1), row(1, b"a", 2)], 0, 2)
    found.load(old)
    found.load(chunk([row(2, b"a", 3)], 2, 3))
    found.load(old)
    assert counts(found) == {b"a": 3}
    assert found.read == 3


@pytest.mark.parametrize("record", [Record(0, key=b"a", value=None), Record(0, key=None)])
def test_foreign_records_are_refused(record: Record):
    with pytest.raises(ChangelogCorrupt, match="nothing else may write"):
        state().load(chunk([record], 0, 1))


def test_only_rows_above_what_the_cache_reached_are_written_to_it_again():
    found = state()
    found.cached_up_to(1)
    found.load(chunk([row(0, b"a", 1), row(1, b"b", 1), row(2, b"c", 1)], 0, 3))
    found.load(chunk([row(3, b"a", 2)], 3, 4))
    assert sorted(found.uncached().tolist()) == [0, 2]


def test_with_an_unknown_cache_all_rows_are_written_to_it():
    found = state()
    found.cached_up_to(-1)
    found.load(chunk([row(0, b"a", 1), row(1, b"b", 1)], 0, 2))
    assert found.uncached().tolist() == [0, 1]


def test_a_kept_state_that_is_ahead_of_the_cache_is_written_to_it_again():
    found = state()
    found.load(chunk([row(0, b"a", 1)], 0, 1))
    found.cached_up_to(0)
    assert found.uncached().tolist() == []
    found.load(chunk([row(1, b"b", 1)], 1, 2))
    found.cached_up_to(0)
    assert found.uncached().tolist() == [0, 1]


# ---- what Faust calls


class App:
    """What the table asks of the app."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.revoked: list[TP] = []
        self.tables = SimpleNamespace(recovery=SimpleNamespace(revoke=self.revoked.append))
        self.ownership = self
        self.opened: list[set[int]] = []
        self.actives = {TP("changelog", 0), TP("changelog", 1), TP("other", 2)}
        self.assignor = SimpleNamespace(assigned_actives=lambda: self.actives)
        self.consumer = SimpleNamespace(epoch=lambda _: self.now_epoch)
        self.now_epoch = 1

    def fail(self, error: Exception) -> None:
        self.failure = error

    async def open(self, numbers: set[int], generation: int) -> None:
        assert generation == 7
        self.opened.append(set(numbers))

    async def take(self, numbers: set[int]) -> None:
        raise ContinuityBroken(f"on purpose: {sorted(numbers)}")


@pytest.fixture
def table() -> Any:
    made: Any = LedgerTable.__new__(LedgerTable)
    made.app = App()
    made.states = {}
    made._new_engine = CountingEngine
    made._begun = 0.0
    made._changelog_topic = SimpleNamespace(get_topic_name=lambda: "changelog")
    return made


def event(of: Chunk) -> Any:
    return SimpleNamespace(message=SimpleNamespace(tp=TP(of.topic, of.partition)), value=of)


def test_an_error_in_recovery_is_remembered_not_raised(table: Any):
    bad = chunk([Record(0, key=b"a", value=None)], 0, 1)
    states = [table.state_of(0), table.state_of(1)]
    table.apply_changelog_batch([event(bad), event(chunk([row(0, b"b", 1)], 0, 1, partition=1))])
    assert "changelog, partition 0, offsets 0 to 0: expected rows" in str(table.app.failure)
    assert [state.offset for state in states] == [None, None]


def test_chunks_left_over_from_before_a_rebalance_are_dropped(table: Any):
    table.apply_changelog_batch([event(chunk([row(5, b"a", 1)], 5, 6))])
    assert table.states == {}
    again = table.state_of(0)
    table.app.now_epoch = 2
    table.apply_changelog_batch([event(chunk([row(5, b"a", 1)], 5, 6))])
    assert (again.offset, table.app.failure) == (None, None)


async def test_an_error_at_the_takeover_is_remembered_not_raised(table: Any):
    await table.on_recovery_completed({TP("changelog", 0)}, set())
    assert "on purpose: [0]" in str(table.app.failure)


def test_a_dropped_partition_is_forgotten_by_recovery_too(table: Any):
    table.state_of(1)
    table.drop(1)
    assert table.app.revoked == [TP("changelog", 1)]
    assert table.persisted_offset(TP("changelog", 1)) is None


async def test_producers_are_opened_for_the_active_partitions_and_others_dropped(table: Any):
    kept, gone = table.state_of(0), table.state_of(5)
    kept.offset = gone.offset = 41
    await table.on_rebalance(set(), set(), set(), 7)
    assert table.app.opened == [{0, 1}]
    assert set(table.states) == {0}
    assert table.persisted_offset(TP("changelog", 0)) == 41
    assert kept.read == 41


async def test_a_recovery_never_goes_on_behind_what_an_interrupted_one_has_only_counted(table: Any):
    table.state_of(0)
    await table.on_rebalance(set(), set(), set(), 7)
    assert set(table.app.revoked) == {TP("changelog", 0), TP("changelog", 1)}
    assert table.persisted_offset(TP("changelog", 0)) is None
