"""Profiles in the cache."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import profiles
from schemas.errors import RewakeError
from schemas.profiles import (
    RESERVED_FIELDS,
    Epoch,
    Filler,
    Profile,
    Standing,
    customer_key,
    from_hash,
    is_stale,
    members_key,
    read_epoch,
    to_hash,
)

GOLDEN = Path(__file__).parent / "golden"
PROFILE = Profile(
    "c-17850",
    {"lifecycle": Standing("active", 1301559960000), "value_tier": Standing("high", 1298967960000)},
    sequence=4,
    version=17,
    valid_until=1306743960000,
    next={"lifecycle": "silent", "value_tier": "medium"},
)
names = st.text("abcxyz_09", min_size=1, max_size=12).filter(
    lambda name: name not in RESERVED_FIELDS
)
whole = st.integers(0, 2**53)
cached = st.builds(
    Profile,
    st.text(min_size=1),
    st.dictionaries(names, st.builds(Standing, names, whole)),
    whole,
    whole,
    st.none() | whole,
    st.dictionaries(names, names),
)


def test_the_golden_profile_has_these_fields() -> None:
    assert to_hash(PROFILE) == json.loads((GOLDEN / "profile_hash.json").read_text())


@given(cached)
def test_a_profile_survives_the_cache(profile: Profile) -> None:
    assert from_hash(profile.customer_id, to_hash(profile)) == profile


@given(cached, cached)
def test_writing_over_an_older_profile_of_the_same_systems_leaves_nothing_of_it(
    older: Profile, newer: Profile
) -> None:
    systems = dict.fromkeys(older.systems, Standing("silent", 5))
    newer = Profile("c", systems, newer.sequence, newer.version, newer.valid_until, newer.next)
    assert from_hash("c", to_hash(older) | to_hash(newer)) == newer


def test_one_field_is_enough_for_a_page_view() -> None:
    assert to_hash(PROFILE)["lifecycle"] == "active"


@pytest.mark.parametrize("field", ["seq", "version", "valid_until", "next", "lifecycle.since"])
def test_a_hash_with_a_hole_is_refused_and_the_remedy_named(field: str) -> None:
    fields = {name: text for name, text in to_hash(PROFILE).items() if name != field}
    with pytest.raises(RewakeError, match="delete rw:epoch"):
        from_hash("c-17850", fields)


def test_the_keys_are_the_public_ones() -> None:
    assert customer_key("客户:1") == "rw:c:客户:1"
    assert members_key("lifecycle", "silent") == "rw:m:lifecycle:silent"
    keys = {profiles.CLOCK_KEY, profiles.APPLIED_KEY, profiles.EPOCH_KEY, profiles.OWNERS_KEY}
    assert keys | {profiles.WRITER_PREFIX} == {
        "rw:clock", "rw:applied", "rw:epoch", "rw:owners", "rw:writer:"
    }  # fmt: skip


@pytest.mark.parametrize("changelog", ["Vd9cQm0TQ3OsQ2Xh4Q5w9A", ""])
def test_an_epoch_survives_the_cache(changelog: str) -> None:
    epoch = Epoch(Filler("shop.of-2", changelog, 12), "5f0a")
    assert read_epoch(str(epoch)) == epoch


@pytest.mark.parametrize("written", ["5f0a", "shop Vd9c four 5f0a", "shop Vd9c 4 5f0a more", ""])
def test_an_epoch_of_anything_else_is_refused_and_the_remedy_named(written: str) -> None:
    with pytest.raises(RewakeError, match="delete rw:epoch"):
        read_epoch(written)


# now:          100 000
# clock old:    |---- 10 s ----|            at  90 000 still good, at 89 999 stale
# valid_until:  |---- 10 s ----|            likewise
@pytest.mark.parametrize(
    ("clock", "valid_until", "stale"),
    [
        (100_000, None, False),
        (90_000, None, False),
        (89_999, None, True),
        (None, None, True),
        (100_000, 200_000, False),
        (100_000, 90_000, False),
        (100_000, 89_999, True),
        (130_000, None, False),
    ],
)
def test_an_answer_is_stale_past_ten_seconds(
    clock: int | None, valid_until: int | None, stale: bool
) -> None:
    profile = Profile("c-1", {}, 1, 1, valid_until)
    assert is_stale(profile, clock, now=100_000) is stale
