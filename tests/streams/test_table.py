"""The ledger table: read back exactly, never raising inside Faust's recovery."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from schemas.errors import ChangelogCorrupt, ContinuityBroken
from streams.delivery.scheduler import Chunk
from streams.position import FORMAT, POSITION_KEY, InputPosition, PositionRecord, write
from streams.table import LedgerTable, PartitionState
from tests.streams.counting import ROW, CountingEngine
from tests.streams.runs import Record

RECORD = PositionRecord(FORMAT, {"t": InputPosition(9)}, 5, "r", "l")


def row(offset: int, key: bytes, count: int) -> Record:
    return Record(offset, key=key, value=ROW.pack(count, 0, 0, bytes(8)))


def chunk(records: list[Record], begin: int, end: int, partition: int = 0) -> Chunk:
    return Chunk(TP("changelog", partition), records, begin, end, 1, None)  # type: ignore[arg-type]


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
    return SimpleNamespace(message=SimpleNamespace(partition=of.partition), value=of)


def test_an_error_in_recovery_is_remembered_not_raised(table: Any):
    bad = chunk([Record(0, key=b"a", value=b"short")], 0, 1)
    table.apply_changelog_batch([event(bad), event(chunk([row(0, b"b", 1)], 0, 1, partition=1))])
    assert table.app.failure is not None
    assert 1 not in table.states


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
