"""Which rules a state was written under, and when others may take over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from faust.types import TP

from schemas.errors import ChangelogCorrupt, LayoutChanged, RulesChanged
from schemas.vocabulary import MS_PER_DAY
from segmenters.batch import EventBatch
from segmenters.engine import Engine
from segmenters.rules import Rules, loads
from streams.delivery.scheduler import Chunk
from streams.position import FORMAT, POSITION_KEY, PositionRecord, seal, write
from streams.succession import RULES_KEY, RulesRecord, Succession, read
from streams.succession import write as write_rules
from streams.table import PartitionState
from tests.streams.runs import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = MS_PER_DAY
NOW = 45 * DAY
OLD = loads("[systems.lifecycle]")
SOONER = loads("[systems.lifecycle]\nsilent_purchase_days = 40")
OTHERS = loads("[systems.monetary_tier]")
WORDS = loads("[systems.lifecycle]\n[plays]\n'lifecycle:new' = { zh = '你好', en = 'Hello' }")
LONDON = loads("[engine]\nbusiness_timezone = 'Europe/London'\n[systems.lifecycle]")
DOLLARS = loads("[engine]\nbase_currency = 'USD'\n[systems.lifecycle]")


def rows_under(rules: Rules, customers: int = 3) -> dict[bytes, bytes]:
    engine = Engine(rules)
    names = [b"c%d" % number for number in range(customers)]
    ids = list(range(1, customers + 1))
    none = [False] * customers
    engine.apply(
        EventBatch.from_columns(
            names, [0] * customers, [0] * customers, ids, ids, ids, none, [None] * customers
        )
    )
    return dict(engine.dump_rows(np.arange(customers)))


def state_of(
    now: Rules, rows: Mapping[bytes, bytes], rules: Rules, known: RulesRecord | None
) -> PartitionState:
    """Read a changelog back under the rules in force."""
    engine = Engine(now, patient=True)
    state = PartitionState(engine, Succession(engine))
    values = dict(rows)
    if known is not None:
        values[RULES_KEY] = write_rules(known)
    record = PositionRecord(FORMAT, {}, NOW, rules.version, "l")
    records = [Record(n, key=key, value=value) for n, (key, value) in enumerate(values.items())]
    end = len(records) + 1
    chunk: Any = Chunk(TP("changelog", 0), records, 0, end - 1, 1, None)  # type: ignore[arg-type]
    state.load(chunk)
    sealed = Record(end - 1, key=POSITION_KEY, value=write(seal(record, state.inventory)))
    state.load(Chunk(TP("changelog", 0), [sealed], end - 1, end, 1, None))  # type: ignore[arg-type]
    state.verify("here", 0, end)
    return state


def recorded(rules: Rules, *before: Rules, kept: int = 730) -> RulesRecord:
    return RulesRecord(1, rules.text, tuple(law.text for law in before), kept)


def told(state: PartitionState) -> list[tuple[str, str | None, str, str]]:
    changes = []
    assert state.changeover is not None
    while state.changeover.more:
        made = state.changeover.step(2).build_changes(NOW)
        changes += [(each.customer_id, each.from_, each.to, each.cause) for _, each in made]
    return changes


def test_a_new_partition_records_its_rules_once():
    state = PartitionState(engine := Engine(OLD, patient=True), Succession(engine))
    state.wind()
    assert state.changeover is None
    ((key, value),) = state.beside()
    assert (key, read(value)) == (RULES_KEY, recorded(OLD))
    assert state.beside() == []
    with pytest.raises(UnicodeDecodeError):
        RULES_KEY.decode()


def test_under_the_same_rules_nothing_is_brought_over_and_nothing_recorded_again():
    state = state_of(OLD, rows_under(OLD), OLD, recorded(OLD))
    state.wind()
    assert state.changeover is None
    assert state.beside() == []
    assert state.engine.customers == 3


def test_other_rules_take_over_slice_by_slice_and_say_who_is_left():
    state = state_of(SOONER, rows_under(OLD), OLD, recorded(OLD))
    state.wind()
    assert [read(value) for _, value in state.beside()] == [recorded(SOONER, OLD)]
    state.changeover.step(2)  # type: ignore[union-attr]
    assert state.beside() == []
    state.changeover.step(2)  # type: ignore[union-attr]
    assert [read(value) for _, value in state.beside()] == [recorded(SOONER)]
    assert state.changeover.moved == state.changeover.told == 3  # type: ignore[union-attr]
    assert state.changeover.settled == 3  # type: ignore[union-attr]


def test_who_goes_on_after_a_crash_brings_over_only_those_who_are_left():
    rows = rows_under(OLD) | {b"c1": rows_under(SOONER)[b"c1"]}
    state = state_of(SOONER, rows, SOONER, recorded(SOONER, OLD))
    state.wind()
    assert {each[0] for each in told(state)} == {"c0", "c2"}


def test_rules_of_before_take_over_again_from_wherever_a_customer_is():
    rows = rows_under(OLD) | {b"c1": rows_under(SOONER)[b"c1"]}
    state = state_of(OLD, rows, SOONER, recorded(SOONER, OLD))
    state.wind()
    assert told(state) == [("c1", "new", "active", "clock"), ("c1", "active", "silent", "clock"),
                           ("c1", "silent", "active", "rules")]  # fmt: skip
    assert [read(value) for _, value in state.beside()] == [recorded(OLD)]


def test_the_cache_is_not_told_of_customers_who_are_still_to_be_brought_over():
    rows = rows_under(OLD) | {b"c1": rows_under(SOONER)[b"c1"]}
    state = state_of(SOONER, rows, SOONER, recorded(SOONER, OLD))
    state.wind()
    assert state.uncached().tolist() == [state.engine.row_of(b"c1")]
    slice_ = state.changeover.step(5)  # type: ignore[union-attr]
    assert len(slice_.profile_rows) == 2
    assert len(state.uncached()) == 3


def test_new_words_alone_bring_nobody_over():
    state = state_of(WORDS, rows_under(OLD), OLD, recorded(OLD))
    state.wind()
    assert told(state) == []
    assert [read(value) for _, value in state.beside()] == [recorded(WORDS)]


def test_a_state_of_before_the_record_goes_on_under_its_own_rules():
    state = state_of(OLD, rows_under(OLD), OLD, None)
    state.wind()
    assert state.changeover is None
    assert [read(value) for _, value in state.beside()] == [recorded(OLD)]


def test_rows_of_before_the_stamp_are_rewritten_under_their_own_rules():
    engine = Engine(OLD)
    engine.load_rows(*zip(*rows_under(OLD).items(), strict=True))
    engine.ledger.stamp = engine.layout.digest
    rows = dict(engine.dump_rows(np.arange(3)))
    state = state_of(OLD, rows, OLD, None)
    state.wind()
    assert [each[1:] for each in told(state)] == [("new", "active", "clock")] * 3
    under_stamp = rows_under(OLD)
    assert state.engine.dump_rows(np.array([0]))[0][1][:4] == under_stamp[b"c0"][:4]


def test_a_state_of_before_the_record_is_not_taken_over_by_other_rules():
    state = state_of(SOONER, rows_under(OLD), OLD, None)
    with pytest.raises(RulesChanged, match="start once with the rules of before"):
        state.wind("partition 0")


def test_without_customers_any_rules_will_do():
    state = state_of(LONDON, {}, OLD, None)
    state.wind()
    assert state.changeover is None
    assert [read(value) for _, value in state.beside()] == [recorded(LONDON)]


@pytest.mark.parametrize(
    ("rules", "path"), [(LONDON, "engine.business_timezone"), (DOLLARS, "engine.base_currency")]
)
def test_what_would_mean_something_else_is_refused_with_what_to_do(rules: Rules, path: str):
    state = state_of(rules, rows_under(OLD), OLD, recorded(OLD))
    with pytest.raises(RulesChanged, match=rf"partition 0: {path}: .* replaying the inputs"):
        state.wind("partition 0")


def test_rows_of_rules_nobody_recorded_are_refused():
    rows = rows_under(OLD) | {b"c1": rows_under(OTHERS)[b"c1"]}
    state = state_of(SOONER, rows, OLD, recorded(OLD))
    with pytest.raises(LayoutChanged):
        state.wind()


@pytest.mark.parametrize("known", [recorded(OTHERS), None])
def test_a_record_of_other_rules_than_the_position_names_is_refused(known: RulesRecord | None):
    state = state_of(OLD, rows_under(OLD), SOONER, known)
    with pytest.raises((ChangelogCorrupt, RulesChanged)):
        state.wind()


def test_recorded_rules_that_cannot_be_read_are_refused():
    text = OLD.text.replace("new_days", "newer_days")
    engine = Engine(OLD, patient=True)
    succession = Succession(engine)
    engine.load_rows(*zip(*rows_under(OLD).items(), strict=True))
    succession.known = RulesRecord(1, text, (), 730)
    from segmenters.rules import version_of

    record = PositionRecord(FORMAT, {}, NOW, version_of(text), "l")
    with pytest.raises(RulesChanged, match=r"newer_days.*start the version that wrote them"):
        succession.begin(record, "here")


@pytest.mark.parametrize("value", [b"", b"{", b'{"format": 1}', b'{"format":2,"rules":"","before":[],"kept":1}'])  # fmt: skip  # noqa: E501
def test_a_record_that_is_none_is_refused(value: bytes):
    with pytest.raises(ChangelogCorrupt):
        read(value)
