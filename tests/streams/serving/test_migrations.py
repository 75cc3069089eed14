"""Who moved from where to where: counted from the changes that are held."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from schemas.changes import Change, Words
from streams.serving.moves import Moves, count
from tests.streams.serving.conftest import now, until

if TYPE_CHECKING:
    from tests.streams.serving.conftest import Cache, Service, Topic

T = 1_650_000_000_000


def change(customer: str, before: str | None, after: str, at: int, system: str = "s") -> Change:
    return Change(
        "", 1, customer, system, before, after, at, at, "event", None, None, "", Words("", "")
    )  # fmt: skip


def told(moves: Moves, *given: Change) -> None:
    for each in given:
        moves.take(each, 0)


def found(
    moves: Moves, since: int, until: int, system: str = "s"
) -> set[tuple[str | None, str, int]]:
    counted = count(moves.cut(system, since, until), moves.names())
    return {tuple(each) for each in counted}


#   since          until
#     |  a→b   b→a   |        came back: no move
#     |  a→b   b→c   |        one move, a→c
def test_who_comes_back_has_not_moved_and_who_goes_on_has_moved_once():
    moves = Moves()
    told(
        moves,
        change("back", "a", "b", 11), change("on", "a", "b", 12),
        change("back", "b", "a", 13), change("on", "b", "c", 14), change("new", None, "a", 15),
    )  # fmt: skip
    assert found(moves, 10, 20) == {("a", "c", 1), (None, "a", 1)}
    assert found(moves, 12, 20) == {("b", "a", 1), ("b", "c", 1), (None, "a", 1)}
    assert found(moves, 10, 13) == {("a", "b", 1)}
    assert found(moves, 10, 20, "other") == set()


@pytest.mark.parametrize("held", [50, 128, 4_000])
def test_the_count_is_that_of_a_walk_over_all_changes_held(held: int):
    draw = random.Random(held)
    moves, stands, log = Moves(held), dict[str, str](), list[Change]()
    for at in range(3_000):
        customer, after = f"c{draw.randrange(40)}", draw.choice("abcd")
        log.append(change(customer, stands.get(customer), after, at))
        stands[customer] = after
        told(moves, log[-1])
    log = log[-held:]
    for since, until_ in [(-1, 3_000), (2_960, 2_990), (2_990, 2_999)]:
        begin: dict[str, str | None] = {}
        end: dict[str, str] = {}
        for each in log:
            if since < each.at <= until_:
                begin.setdefault(each.customer_id, each.from_)
                end[each.customer_id] = each.to
        pairs = [(begin[each], end[each]) for each in end if begin[each] != end[each]]
        assert found(moves, since, until_) == {(*pair, pairs.count(pair)) for pair in pairs}


def test_what_is_let_go_is_said():
    moves = Moves(held=3)
    told(moves, *[change(str(at), "a", "b", at) for at in range(3)])
    assert moves.since is None
    told(moves, change("x", "a", "b", 9))
    assert moves.since == 0
    assert len(moves) == 3


def test_a_partition_whose_past_is_not_read_vouches_from_its_first_change_on():
    moves = Moves()
    moves.begin(frozenset({1}))
    moves.take(change("a", "a", "b", 5), 0)
    assert moves.since is None
    moves.take(change("b", "a", "b", 7), 1)
    assert moves.since == 7


def test_moves_are_answered_with_who_stayed(service: Service, cache: Cache, topic: Topic):
    begun = now() + 1_000_000  # nobody else's changes are of then
    for number in range(5):
        cache.put(f"m{number}", "silent" if number < 2 else "active")
    topic.tell("m0", "active", "silent", begun + 1)
    topic.tell("m1", "active", "silent", begun + 2)
    topic.tell("m2", "silent", "active", begun + 3)
    topic.tell("m3", None, "active", begun + 50)
    path = f"/v1/migrations?system=lifecycle&since={begun}&until={begun + 40}"

    def answer() -> list[object]:
        body = service.get(path).json()
        lifecycle = body["systems"]["lifecycle"]
        return lifecycle["moves"] if len(lifecycle["moves"]) == 2 else []

    moves = until(answer)
    assert moves == [
        {"from": "active", "to": "silent", "customers": 2},
        {"from": "silent", "to": "active", "customers": 1},
    ]
    until(lambda: service.get("/v1/migrations").json()["until"])
    body = service.get(path).json()
    assert (body["since"], body["until"], body["complete"]) == (begun, begun + 40, True)
    # Three are active now; m3 came later, m2 only just: m4 was there all the time.
    until(lambda: service.get(path).json()["systems"]["lifecycle"]["stayed"]["active"] == 1)
    assert service.get(path).json()["systems"]["lifecycle"]["stayed"]["silent"] == 0


@pytest.mark.parametrize(
    ("query", "status", "word"),
    [
        ("system=nope", 404, "lifecycle"),
        ("since=2&until=1", 400, "until"),
        ("since=x", 400, "since"),
    ],
)
def test_what_cannot_be_counted_is_refused(service: Service, query: str, status: int, word: str):
    answer = service.get(f"/v1/migrations?{query}")
    assert (answer.status_code, word in answer.json()["detail"]) == (status, True)


def test_lag_tells_partitions_clocks_and_lateness(service: Service, topic: Topic):
    topic.tell("late-1", "active", "silent", now() - 500, cause="clock")
    body = until(lambda: (found := service.get("/v1/lag").json())["lateness"]["count"] and found)
    assert 500 <= body["lateness"]["p99_ms"] < 600_000
    assert {each["status"] for each in body["partitions"]} <= {
        "OK",
        "WARN",
        "STALL",
        "STOP",
        "REWIND",
    }
    assert len(body["partitions"]) == 4
    assert set(body["clocks"]) == {"0", "1"}
