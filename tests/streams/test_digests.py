"""Digests of ids: stable, 64 bits, and different for different ids."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.digests import digests_of

IDS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1)


def naive(text: str) -> int:
    """Compute MurmurHash64A over UTF-8 with a zero-padded tail, in plain integers."""
    if not text:
        return 0
    mask, m = 2**64 - 1, 0xC6A4A7935BD1E995
    data = text.encode()
    h = 0x9E3779B97F4A7C15 ^ (len(data) * m & mask)
    for at in range(0, len(data), 8):
        k = int.from_bytes(data[at : at + 8], "little") * m & mask
        k ^= k >> 47
        h = (h ^ (k * m & mask)) * m & mask
    h ^= h >> 47
    h = h * m & mask
    h ^= h >> 47
    return (h - 2**64 if h >= 2**63 else h) or 1


@given(IDS)
def test_digests_equal_the_naive_computation_one_by_one(ids: list[str]) -> None:
    assert digests_of(ids).tolist() == [naive(text) for text in ids]


def test_digests_never_change_because_rows_in_changelogs_hold_them() -> None:
    assert digests_of(["o-1", "日本"]).tolist() == [-3894963181461689448, 5132430523189479920]


def test_no_id_has_digest_zero_and_every_id_another() -> None:
    assert digests_of(["", "a", ""]).tolist()[::2] == [0, 0]
    assert len(set(digests_of([f"order-{n}" for n in range(100_000)]).tolist())) == 100_000
