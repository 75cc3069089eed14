"""Each customer's changes go one after the other, and what is committed is done."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.webhook.schedule import Item, Schedule

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 2), st.integers(0, 3), st.integers(1, 3)),
        st.tuples(st.just("skip"), st.integers(0, 2), st.just(0), st.integers(1, 3)),
        st.tuples(st.just("start"), st.just(0), st.just(0), st.just(0)),
        st.tuples(st.just("done"), st.integers(0, 99), st.just(0), st.just(0)),
        st.tuples(st.just("release"), st.integers(0, 2), st.just(0), st.just(0)),
    ),
    max_size=80,
)


class Model:
    """Says the same slowly: one list of what is open, in the order it was taken."""

    def __init__(self, abreast: int) -> None:
        self.abreast = abreast
        self.open: list[Item[None]] = []
        self.under_way: list[Item[None]] = []
        self.reached: dict[int, int] = {}

    def watermark(self, partition: int) -> int | None:
        offsets = [item.offset for item in self.open if item.partition == partition]
        return min(offsets, default=self.reached.get(partition))

    def check_started(self, started: list[Item[None]]) -> None:
        self.under_way += started
        keys = [item.key for item in self.under_way]
        assert len(keys) == len(set(keys)), "two changes of a customer are under way"
        for item in started:
            first = next(each for each in self.open if each.key == item.key)
            assert item == first, "a change has overtaken another of its customer"
        owners = {item.key for item in self.open}
        assert len(keys) == min(self.abreast, len(owners)), "somebody waits without need"


@given(steps=STEPS, abreast=st.integers(1, 4))
def test_whatever_happens_it_is_as_a_naive_model_says(
    steps: list[tuple[str, int, int, int]], abreast: int
) -> None:
    schedule, model = Schedule[None](abreast), Model(abreast)
    ends = [0, 0, 0]
    for what, number, customer, gap in steps:
        if what == "take":
            ends[number] += gap  # offsets have gaps: marks of transactions, what was compacted
            item = Item(number, ends[number] - 1, b"%d of %d" % (customer, number), None)
            schedule.take(item)
            schedule.reach(number, ends[number])
            model.open.append(item)
            model.reached[number] = ends[number]
        elif what == "skip":
            ends[number] += gap
            schedule.reach(number, ends[number])
            model.reached[number] = ends[number]
        elif what == "start":
            model.check_started(schedule.start())
        elif what == "done" and model.under_way:
            item = model.under_way.pop(number % len(model.under_way))
            model.open.remove(item)
            schedule.done(item.partition, item.offset)
        elif what == "release":
            gone = schedule.release(number)
            assert gone == [i for i in model.open if i.partition == number and i in model.under_way]
            model.open = [item for item in model.open if item.partition != number]
            model.under_way = [item for item in model.under_way if item.partition != number]
            model.reached.pop(number, None)
            for item in gone:
                schedule.done(item.partition, item.offset)  # it ends late: that changes nothing
        assert len(schedule) == len(model.open)
        assert [schedule.watermark(p) for p in range(3)] == [model.watermark(p) for p in range(3)]


@given(st.integers(1, 5), st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_all_that_is_taken_is_started_in_the_end_each_customer_in_order(
    abreast: int, customers: list[int]
) -> None:
    schedule = Schedule[None](abreast)
    for offset, customer in enumerate(customers):
        schedule.take(Item(0, offset, b"%d" % customer, None))
    schedule.reach(0, len(customers))
    told: dict[bytes, list[int]] = {}
    while started := schedule.start():
        for item in reversed(started):
            told.setdefault(item.key, []).append(item.offset)
            schedule.done(0, item.offset)
    assert sum(map(len, told.values())) == len(customers)
    assert all(offsets == sorted(offsets) for offsets in told.values())
    assert schedule.watermark(0) == len(customers)
