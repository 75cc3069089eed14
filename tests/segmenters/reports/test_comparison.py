"""Two sets of rules over one history: who ends elsewhere, and what each has told."""

from __future__ import annotations

from schemas.changes import Change, Words
from segmenters.reports.comparison import Apart, Sample, Shared, compare
from segmenters.rules import Rules, loads

LIFECYCLE = loads("[systems.lifecycle]")
BOTH = loads("[systems.lifecycle]\n[systems.monetary_tier]")


def told(customer: str, system: str, to: str, at: int = 1, cause: str = "event") -> Change:
    return Change(
        f"{customer}-{system}-{at}", at, customer, system, None, to, at, at, cause, None, None, "",
        Words("", ""), features={"at": at},
    )  # fmt: skip


def shared(changes: list[Change], others: list[Change], samples: int = 3) -> Shared:
    (only,) = compare(LIFECYCLE, changes, LIFECYCLE, others, samples).systems
    assert isinstance(only, Shared)
    return only


def lifecycle(**segments: str) -> list[Change]:
    return [told(customer, "lifecycle", segment) for customer, segment in segments.items()]


def test_customers_are_counted_by_where_they_end_under_each() -> None:
    found = shared(
        lifecycle(a="active", b="active", c="active", d="silent"),
        lifecycle(a="active", b="silent", c="silent", d="silent"),
    )
    assert found.counts == {
        ("active", "active"): 1,
        ("active", "silent"): 2,
        ("silent", "silent"): 1,
    }
    assert (found.customers, found.moved) == (4, 2)
    assert found.rows == {"active": 3, "silent": 1}


def test_pairs_come_in_the_order_of_the_segments() -> None:
    found = shared(
        lifecycle(a="churned", b="silent", c="new", d="silent"),
        lifecycle(a="new", b="reactivated", c="new", d="prospect"),
    )
    assert list(found.counts) == [
        ("new", "new"),
        ("silent", "prospect"),
        ("silent", "reactivated"),
        ("churned", "new"),
    ]


def test_the_segment_told_last_is_where_a_customer_ends() -> None:
    before = told("a", "lifecycle", "new", 1)
    found = shared(
        [before, told("a", "lifecycle", "active", 2)], [before, told("a", "lifecycle", "new", 3)]
    )
    assert found.counts == {("active", "new"): 1}
    (sample,) = found.samples["active", "new"]
    assert sample.customer_id == "a"
    assert sample.rules is not None
    assert sample.other is not None
    assert (sample.rules.features, sample.other.features) == ({"at": 2}, {"at": 3})


def test_a_customer_whom_only_one_has_judged_comes_last_and_is_named() -> None:
    found = shared(lifecycle(a="new", b="new"), lifecycle(a="new"))
    assert list(found.counts.items()) == [(("new", "new"), 1), (("new", None), 1)]
    assert found.moved == 1
    assert found.samples["new", None] == [Sample("b", told("b", "lifecycle", "new"), None)]


def test_samples_are_of_moves_alone_never_more_than_asked_and_the_same_each_time() -> None:
    names = [f"c{k}" for k in range(40)]
    mine = lifecycle(**dict.fromkeys(names, "active"), x="new")
    theirs = lifecycle(**dict.fromkeys(names, "silent"), x="new")
    found = shared(mine, theirs)
    assert set(found.samples) == {("active", "silent")}
    drawn = [sample.customer_id for sample in found.samples["active", "silent"]]
    assert len(drawn) == len(set(drawn)) == 3
    assert drawn != sorted(names)[:3]
    again = shared(mine[::-1], theirs[::-1], 5).samples["active", "silent"]
    assert [sample.customer_id for sample in again][:3] == drawn
    assert shared(mine, theirs, 0).samples["active", "silent"] == []


def test_a_system_that_only_one_enables_is_said_to_be_so_with_its_sizes() -> None:
    mine = [*lifecycle(a="new", b="new"), told("a", "monetary_tier", "small")]
    mine.append(told("b", "monetary_tier", "large"))
    theirs = lifecycle(a="new", b="new")

    def apart(rules: Rules, changes: list[Change], other: Rules, others: list[Change]) -> Apart:
        first, second = compare(rules, changes, other, others).systems
        assert isinstance(first, Shared)
        assert isinstance(second, Apart)
        return second

    found = apart(BOTH, mine, LIFECYCLE, theirs)
    assert (found.key, found.side) == ("monetary_tier", "rules")
    assert found.sizes == {"large": 1, "small": 1}
    assert apart(LIFECYCLE, theirs, BOTH, mine) == found._replace(side="other")


def test_changes_are_counted_by_system_and_cause() -> None:
    mine = [told("a", "lifecycle", "new", 1), told("a", "lifecycle", "active", 2, "clock")]
    theirs = [*mine, told("a", "lifecycle", "silent", 3, "clock")]
    theirs.append(told("a", "monetary_tier", "small", 4))
    assert compare(BOTH, mine, BOTH, theirs).told == {
        ("lifecycle", "clock"): (1, 2),
        ("lifecycle", "event"): (1, 1),
        ("monetary_tier", "event"): (0, 1),
    }


def test_rules_compared_with_themselves_differ_nowhere() -> None:
    changes = lifecycle(a="new", b="silent", c="churned")
    found = shared(changes, changes)
    assert (found.moved, found.samples) == (0, {})


def test_nothing_compared_with_nothing_is_nothing() -> None:
    found = shared([], [])
    assert (found.customers, found.moved, found.rows) == (0, 0, {})
