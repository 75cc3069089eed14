"""Lookups that come together share a round trip, and nobody gets another's answer or failure."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from streams.serving.together import LANES, MOST, Together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.streams.serving.conftest import Cache, Service


class Trips:
    """Something that is asked, and remembers its round trips."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.under_way = self.most = 0

    async def ask(self, names: Sequence[str]) -> list[str | Exception]:
        self.sizes.append(len(names))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0.001)
        self.under_way -= 1
        if "all" in names:
            raise OSError("away")
        return [ValueError(name) if name == "bad" else name.upper() for name in names]


async def test_everybody_gets_their_own_in_few_round_trips():
    trips = Trips()
    together = Together(trips.ask)
    asked = [[f"c{n}", f"d{n}"] for n in range(1_000)]
    found = await asyncio.gather(*map(together.find, asked))
    assert found == [[name.upper() for name in names] for names in asked]
    assert len(trips.sizes) < 20
    assert max(trips.sizes) <= MOST
    assert trips.most <= LANES


async def test_one_that_cannot_be_read_fails_alone_and_all_fail_together():
    together = Together(Trips().ask)
    names = [["a"], ["bad"], ["b"]]
    found = await asyncio.gather(*map(together.find, names), return_exceptions=True)
    assert [type(each) for each in found] == [list, ValueError, list]
    away = await asyncio.gather(
        *map(together.find, [["x"], ["y"], ["all"], ["z"]]), return_exceptions=True
    )
    assert OSError in {type(each) for each in away}
    assert await together.find(["later"]) == ["LATER"]


async def test_who_leaves_takes_nothing_from_the_others():
    together = Together(Trips().ask)
    tasks = [asyncio.create_task(together.find([f"c{n}"])) for n in range(30)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [each for n, each in enumerate(found) if n % 3] == [
        [f"C{n}"] for n in range(30) if n % 3
    ]


def test_a_key_that_holds_something_else_spoils_one_customer(service: Service, cache: Cache):
    cache.redis.set("rw:c:odd", "not a hash")
    cache.put("fine")
    assert service.get("/v1/customers/odd").status_code == 503
    assert "delete them" in service.get("/v1/customers/odd").json()["detail"]
    assert service.get("/v1/customers/fine").status_code == 200


@pytest.mark.parametrize("count", [1, 500])
def test_a_batch_of_any_size_goes_in_one_piece(service: Service, cache: Cache, count: int):
    cache.put("c")
    ids = {"customer_ids": ["c"] * count}
    found = service.http.post("/v1/customers:batchGet", json=ids).json()["customers"]
    assert len(found) == count
    assert len({each["as_of"] for each in found}) == 1
