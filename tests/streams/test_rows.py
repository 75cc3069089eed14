"""Files of rows in the forms people have them."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from schemas.errors import UsageError
from streams.rows import read_rows

if TYPE_CHECKING:
    from pathlib import Path

CSV = "id,ts\nä,1\nb,2\n"
REQUIRED = ("id", "ts")


def cells(path: Path) -> list[object]:
    return [row.cells for row in read_rows([path], REQUIRED)]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.txt"])
def test_csv_is_read_plain_and_gzipped(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(CSV.encode()) if name.endswith(".gz") else CSV.encode())
    assert cells(path) == [{"id": "ä", "ts": "1"}, {"id": "b", "ts": "2"}]


def test_a_byte_order_mark_before_the_header_is_not_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "excel.csv"
    path.write_text(CSV, encoding="utf-8-sig")
    assert len(cells(path)) == 2


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json", "a.jsonl.gz"])
def test_json_lines_are_read_and_a_broken_line_keeps_its_place(tmp_path: Path, name: str) -> None:
    text = b'{"id": "a", "amount": 1.10}\n\n{"id": \n[1]\n{"id": 7}\n'
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    assert cells(path) == [{"id": "a", "amount": "1.10"}, None, None, {"id": 7}]


def test_a_fraction_is_never_rounded_to_binary(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"amount": 0.1000000000000000055511151231257827}\n')
    assert cells(path) == [{"amount": "0.1000000000000000055511151231257827"}]


def test_rows_know_their_file_and_number(tmp_path: Path) -> None:
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    first.write_text(CSV)
    second.write_text(CSV)
    rows = list(read_rows([first, second], REQUIRED))
    assert [(row.path.name, row.number) for row in rows] == [
        ("1.csv", 1),
        ("1.csv", 2),
        ("2.csv", 1),
        ("2.csv", 2),
    ]


def test_progress_ends_at_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    path.write_text("id,ts\n" + "a,1\n" * 40_000)
    heard: list[tuple[int, int]] = []
    list(read_rows([path], REQUIRED, lambda *numbers: heard.append(numbers)))
    size = path.stat().st_size
    assert len(heard) > 2
    assert heard == sorted(heard)
    assert heard[-1] == (size, size)


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (b"id,when\n", "a.csv", "ts missing in id, when"),
        (b"", "a.csv", "id, ts missing in nothing"),
        (b"id,ts\n\xff,1\n", "a.csv", "in UTF-8"),
        (b"no gzip", "a.csv.gz", "plain or .gz"),
        (gzip.compress(CSV.encode(), mtime=0)[:-9], "a.csv.gz", "plain or .gz"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, content: bytes, name: str, expected: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError, match=expected) as raised:
        cells(path)
    assert str(path) in str(raised.value)


def test_a_file_that_is_not_there_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        cells(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="got the folder"):
        cells(tmp_path)
