"""Ask the worker that owns a customer's partition for an explanation.

Responsible for asking beside the event loop, a few at a time, and for what becomes of the worker's
answer. The question itself is that of `streams.owners`. Must not explain anything.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from schemas.errors import NotExplained, RewakeError
from streams import owners
from streams.serving.problems import away

if TYPE_CHECKING:
    from schemas.explanations import Explanation
    from streams.settings import Settings

AT_ONCE: Final = 4
"""Explanations under way: each takes the worker some 10 ms of a core."""


class Asking:
    """Asks workers.

    Parameters
    ----------
    settings
        Where the cache is, which names the owners, and the token they want.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def explain(self, customer_id: str, partition: int) -> Explanation:
        """Ask for one customer whom the cache knows.

        Raises
        ------
        Refusal
            When no worker can answer at present.
        """
        async with self._turn:
            try:
                return await asyncio.to_thread(owners.ask, self._settings, customer_id, partition)
            except NotExplained as error:
                raise away(_why(error)) from error
            except RewakeError as error:
                raise away(str(error)) from error


def _why(error: NotExplained) -> str:
    if error.status == HTTPStatus.NOT_FOUND:
        # The cache knows the customer: the partition is moving between workers.
        return f"the worker that was asked does not know the customer yet: {error.detail}"
    return f"the worker that was asked refuses: {error.detail}"
