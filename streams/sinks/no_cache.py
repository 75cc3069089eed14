"""Stand where a cache would be when there is none.

Responsible for answering the questions of `streams.ownership` with nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.profiles import Profile
    from schemas.vocabulary import Instant
    from streams.ports import PartitionEngine
    from streams.runs import IntArray


class NoCache:
    """No cache: REWAKE_REDIS is empty."""

    behind = 0

    async def start(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""

    async def applied(self) -> dict[int, int]:
        """Say that nothing is cached."""
        return {}

    def taken(self, partition: int, engine: PartitionEngine, rows: IntArray) -> None:
        """Do nothing."""

    def released(self, partition: int) -> None:
        """Do nothing."""

    def render(self, partition: int, rows: IntArray) -> Sequence[Profile]:  # noqa: ARG002
        """Render nothing."""
        return ()

    def durable(
        self, partition: int, profiles: Sequence[Profile], offset: int, clock: Instant
    ) -> None:
        """Do nothing."""

    def settled(self, partition: int, clock: Instant) -> None:
        """Do nothing."""
