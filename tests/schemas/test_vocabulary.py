"""Numbers every package shares."""

from __future__ import annotations

from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from schemas.vocabulary import MS_PER_DAY, Cause, Kind, digest64


def test_kinds_sort_as_facts_of_one_instant_are_judged() -> None:
    assert sorted(Kind) == [Kind.ORDER, Kind.REFUND, Kind.CANCEL, Kind.ENGAGEMENT]


def test_causes_have_the_words_of_the_change_message() -> None:
    assert [cause.word for cause in Cause] == [
        "event",
        "clock",
        "rules",
        "cuts",
        "correction",
        "erasure",
    ]


def test_a_day_of_ages_has_24_hours() -> None:
    assert MS_PER_DAY == 24 * 60 * 60 * 1000


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_digest_is_the_same_for_text_and_its_bytes_and_fits_64_signed_bits(text: str) -> None:
    digest = digest64(text)
    assert digest == digest64(text.encode())
    assert -(2**63) <= digest < 2**63
    assert digest != 0


def test_a_digest_is_stable_because_rows_in_changelogs_hold_it() -> None:
    expected = int.from_bytes(blake2b(b"o-1", digest_size=8).digest(), "little", signed=True)
    assert digest64("o-1") == expected == 7289789937711386919


def test_ten_thousand_ids_have_ten_thousand_digests() -> None:
    assert len({digest64(f"order-{n}") for n in range(10_000)}) == 10_000
