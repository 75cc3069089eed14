"""Dead letters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import dead_letters
from schemas.dead_letters import HEADERS, Origin, encode, original_headers, read_verdict
from schemas.errors import Reason, Rejected

GOLDEN = Path(__file__).parent / "golden"
WHY = Rejected(Reason.INVALID_VALUE, "amount: expected 0 or more, got '-1'")
ORIGIN = Origin("commerce.purchases.v1", 3, 41)
AT = 1298967960000
names = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda name: name not in HEADERS)
came = st.lists(st.tuples(names, st.binary(max_size=50)), max_size=5)


def weight(value: bytes | None, headers: list[tuple[str, bytes]]) -> int:
    return len(value or b"") + sum(len(n.encode()) + len(c) for n, c in headers)


def test_the_golden_dead_letter_has_these_headers() -> None:
    letter = encode(b"{}", [("trace", b"abc")], WHY, ORIGIN, AT, limit=2000)
    said = {name: content.decode() for name, content in letter.headers}
    assert said == json.loads((GOLDEN / "dead_letter_headers.json").read_text())
    assert letter.value == b"{}"


@given(st.none() | st.binary(), came, st.sampled_from(Reason), st.text())
def test_a_dead_letter_keeps_bytes_and_headers_and_says_why(
    value: bytes | None, headers: list[tuple[str, bytes]], reason: Reason, detail: str
) -> None:
    letter = encode(value, headers, Rejected(reason, detail), ORIGIN, AT, limit=100_000)
    assert letter.value == value
    assert original_headers(letter.headers) == headers
    verdict = read_verdict(letter.headers)
    assert (verdict.reason, verdict.origin, verdict.rejected_at) == (reason, ORIGIN, AT)
    assert verdict.original_bytes is None
    expected = detail[:1000].encode("utf-8", "replace").decode()
    assert verdict.detail == expected


@given(st.binary(min_size=500, max_size=3000), came, st.integers(400, 3500))
def test_a_dead_letter_never_exceeds_its_limit_and_says_when_it_lost_something(
    value: bytes, headers: list[tuple[str, bytes]], limit: int
) -> None:
    letter = encode(value, headers, WHY, ORIGIN, AT, limit=limit)
    assert weight(letter.value, letter.headers) <= limit
    assert letter.value is not None
    assert value.startswith(letter.value)
    verdict = read_verdict(letter.headers)
    whole = letter.value == value and original_headers(letter.headers) == headers
    assert verdict.original_bytes == (None if whole else len(value))


def test_headers_too_long_to_keep_go_before_the_value() -> None:
    letter = encode(b"x" * 100, [("huge", b"h" * 5000)], WHY, ORIGIN, AT, limit=1000)
    assert letter.value == b"x" * 100
    assert original_headers(letter.headers) == []
    assert read_verdict(letter.headers).original_bytes == 100


def test_a_second_rejection_replaces_what_the_first_one_said() -> None:
    first = encode(b"x", [("trace", b"1")], WHY, ORIGIN, AT, limit=1000)
    later = Rejected(Reason.TOO_LATE, "ts: expected …")
    second = encode(first.value, first.headers, later, Origin("t", 0, 1), AT + 1, limit=1000)
    assert [name for name, _ in second.headers].count(dead_letters.REASON) == 1
    assert read_verdict(second.headers).reason is Reason.TOO_LATE
    assert original_headers(second.headers) == [("trace", b"1")]


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ([], Reason.MISSING_FIELD),
        ([(dead_letters.REASON, b"bad_mood")], Reason.INVALID_VALUE),
        ([(dead_letters.REASON, b"too_late")], Reason.MISSING_FIELD),
    ],
)
def test_a_record_that_is_no_dead_letter_is_refused(
    headers: list[tuple[str, bytes]], why: Reason
) -> None:
    with pytest.raises(Rejected) as caught:
        read_verdict(headers)
    assert caught.value.reason is why


def test_a_time_that_cannot_be_read_back_is_refused() -> None:
    letter = encode(b"x", [], WHY, ORIGIN, AT, limit=1000)
    broken = dict(letter.headers) | {dead_letters.REJECTED_AT: b"yesterday"}
    with pytest.raises(Rejected) as caught:
        read_verdict(broken.items())
    assert caught.value.reason is Reason.INVALID_VALUE
