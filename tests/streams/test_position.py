"""The position record reads back as it was written, or says why not."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.errors import ChangelogCorrupt
from streams.inventory import Inventory
from streams.position import (
    FORMAT,
    POSITION_KEY,
    InputPosition,
    PositionRecord,
    read,
    seal,
    verify,
    write,
)

RECORD = PositionRecord(
    FORMAT, {"a": InputPosition(5, -7, "x"), "b": InputPosition(0)}, 9, "r", "l"
)


def test_a_record_comes_back_equal():
    assert read(write(RECORD)) == RECORD


def test_the_key_can_be_no_customer_id():
    with pytest.raises(UnicodeDecodeError):
        POSITION_KEY.decode()


def test_fields_of_a_later_release_pass():
    later = write(RECORD).replace(b'"clock"', b'"novelty":1,"clock"')
    assert read(later) == RECORD


def test_a_later_format_is_refused():
    with pytest.raises(ChangelogCorrupt, match="format 1 or older, got 2"):
        read(write(PositionRecord(FORMAT + 1, {}, 0, "r", "l")))


def test_something_else_is_refused():
    with pytest.raises(ChangelogCorrupt, match="expected a position record"):
        read(b"{}")


def test_a_sealed_record_reads_back_and_vouches_for_the_rows_it_was_sealed_with():
    rows, fewer = Inventory(), Inventory()
    rows.write(np.array([0, 1]), [(b"a", b"12345678"), (b"b", b"12345678")])
    fewer.write(np.array([0]), [(b"a", b"12345678")])
    record = read(write(seal(RECORD, rows)))
    verify(record, rows, "here")
    with pytest.raises(ChangelogCorrupt, match=r"here: expected the 2 rows .* got 1 rows"):
        verify(record, fewer, "here")


def test_a_record_without_a_seal_is_believed():
    verify(RECORD, Inventory(), "here")
