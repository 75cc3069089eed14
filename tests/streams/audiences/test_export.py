"""What is exported comes back as it was, and no spreadsheet runs it."""

from __future__ import annotations

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from schemas.profiles import Profile, Standing
from streams.audiences.export import cells_of, columns_of, write_csv, write_lines
from streams.audiences.members import Member

NASTY = st.one_of(
    st.text(min_size=1, max_size=30).filter(lambda text: text.isprintable() or "\n" in text),
    st.text(alphabet="=+-@\t\r\n'\"，,;＝＋－＠ 1e5中文\U0001f600", min_size=1, max_size=12),
    st.sampled_from(["=cmd|' /C calc'!A0", "00123", "1e5", "a,b", 'say "hi"', "two\nlines", "'='"]),
).filter(lambda text: text.encode("utf-8", "replace").decode() == text)


def member(customer: str) -> Member:
    profile = Profile(customer, {"lifecycle": Standing("silent", 0)}, 1, 1, None, {})
    return Member(profile, 1_000, stale=False)


def unsafe(cell: str) -> str:
    """Do what the how-to says: take one leading apostrophe off."""
    return cell.removeprefix("'")


@given(st.lists(NASTY, max_size=8))
def test_ids_come_back_from_csv_as_they_were_and_none_begins_a_formula(ids: list[str]) -> None:
    file = io.BytesIO()
    systems = ["lifecycle"]
    rows = (cells_of(member(each), systems) for each in ids)
    assert write_csv(file, columns_of(systems), rows) == len(ids)
    read = list(csv.DictReader(io.StringIO(file.getvalue().decode(), newline="")))
    assert [unsafe(row["customer_id"]) for row in read] == ids
    for row in read:
        assert not row["customer_id"].startswith(tuple("=+-@\t\r\n＝＋－＠"))
        assert (row["lifecycle"], row["stale"], row["valid_until"]) == ("silent", "false", "")
        assert row["lifecycle_since"] == "1970-01-01T00:00:00.000Z"


@given(st.lists(NASTY, max_size=8))
def test_ids_come_back_from_json_lines_as_they_were(ids: list[str]) -> None:
    file = io.BytesIO()
    systems = ["lifecycle"]
    rows = (cells_of(member(each), systems) for each in ids)
    write_lines(file, columns_of(systems), rows)
    lines = file.getvalue().decode().split("\n")[:-1]
    assert [json.loads(line)["customer_id"] for line in lines] == ids
