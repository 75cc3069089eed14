"""A sample is the same wherever ids are met, and as large as asked for."""

from __future__ import annotations

import random

from streams.audit.sampling import Sample

IDS = [b"c-%d" % number for number in range(2_000)]


def sampled(size: int, seed: int, ids: list[bytes]) -> Sample:
    sample = Sample(size, seed)
    for key in ids:
        sample.offer(key)
    return sample


def test_the_order_in_which_ids_are_met_and_how_often_does_not_matter() -> None:
    ids = IDS * 2
    random.Random(3).shuffle(ids)
    assert sampled(100, 7, IDS).chosen == sampled(100, 7, ids).chosen
    assert len(sampled(100, 7, ids).chosen) == 100


def test_another_seed_chooses_others() -> None:
    assert len(sampled(100, 7, IDS).chosen & sampled(100, 8, IDS).chosen) < 30


def test_one_who_is_out_never_comes_back() -> None:
    sample, out = Sample(10, 1), set()
    for key in IDS * 2:
        out.update(sample.offer(key))
        assert not out & sample.chosen


def test_who_was_never_offered_belongs_to_the_sample_if_its_hash_is_low_enough() -> None:
    half = sampled(100, 7, IDS[:1_000])
    everyone = {key for key in IDS if half.admits(key)}
    assert half.chosen < everyone
    assert everyone & set(IDS[:1_000]) == half.chosen


def test_with_fewer_customers_than_asked_for_all_belong_to_it() -> None:
    assert all(sampled(3_000, 7, IDS[:10]).admits(key) for key in IDS)


def test_named_customers_and_no_others() -> None:
    sample = Sample(100, 7, [b"c-1", b"c-2"])
    assert sample.offer(b"c-3") == (b"c-3",)
    assert sample.offer(b"c-1") == ()
    assert (sample.admits(b"c-2"), sample.admits(b"c-3")) == (True, False)
    assert sample.chosen == {b"c-1", b"c-2"}
