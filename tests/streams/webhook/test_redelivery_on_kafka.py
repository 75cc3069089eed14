"""What was given up is sent once more when somebody asks for it, and then nothing runs any more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.streams.webhook.posting import make_changes
from tests.streams.webhook.receiver import Answer, Receiver

if TYPE_CHECKING:
    from tests.streams.webhook.posting import Posting


async def stopped(posting: Posting) -> None:
    posting.processes[-1].terminate()
    assert await asyncio.wait_for(asyncio.to_thread(posting.processes[-1].wait), 60) == 0


async def redeliver(posting: Posting, receiver: Receiver) -> list[tuple[str, int]]:
    """Send the dead letters again; return whose changes, of which sequences, were taken."""
    receiver.took.clear()
    posting.start(receiver.url, "--redeliver")
    code = await asyncio.wait_for(asyncio.to_thread(posting.processes[-1].wait), 90)
    assert code == 0, posting.log()
    return [(took.customer, took.sequence) for took in receiver.took]


async def test_dead_letters_are_sent_once_more_in_order_and_only_those_of_this_webhook(
    posting: Posting, receiver: Receiver
) -> None:
    made = make_changes(customers=12, each=4)
    refused = {"c-3", "c-4"}

    def behave(change: dict[str, Any], _: int) -> Answer:
        return Answer(422 if change["customer_id"] in refused else 200)

    receiver.behave = behave
    await posting.tell([*made, b"this is no change"])
    posting.start(receiver.url)
    await posting.until(lambda: posting.figure("rewake_webhook_dead_letters_total") == 9)
    await stopped(posting)
    posting.start(receiver.url, "--name", "other", "--system", "lifecycle")
    await posting.until(lambda: posting.figure("rewake_webhook_dead_letters_total") == 9)
    await stopped(posting)
    assert len(await posting.dead()) == 18

    refused = {"c-4"}
    mended = await redeliver(posting, receiver)
    assert mended == [("c-3", sequence) for sequence in (1, 2, 3, 4)]
    assert "dead=4 delivered=4 skipped=10" in posting.log()
    letters = await posting.dead()
    assert len(letters) == 22
    for _, said in letters[-4:]:
        assert said["rewake-reason"] == "http_422"
        assert said["rewake-origin-topic"] == posting.changes
        assert said["rewake-group"] == f"{posting.name}-webhook"

    refused = set()
    assert await redeliver(posting, receiver) == [("c-4", sequence) for sequence in (1, 2, 3, 4)]
    assert await redeliver(posting, receiver) == []
    assert len(await posting.dead()) == 22
    assert receiver.forged == receiver.overtaking == []
