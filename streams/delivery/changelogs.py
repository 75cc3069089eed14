"""Hand changelog chunks to Faust's recovery, and only those that still count.

Responsible for dropping what a rebalance has made stale before Faust takes note of its offset: it
would believe it read, while the table, which looks at epochs, refuses it. Must not read chunks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from faust.tables import TableManager
from mode.utils.queues import ThrowableQueue

if TYPE_CHECKING:
    from faust.types import EventT

    from streams.delivery.scheduler import Chunk


class CurrentChunks(ThrowableQueue[Any]):
    """The queue between changelog topics and the recovery.

    Parameters
    ----------
    app
        The Faust app: its consumer knows the epoch under which each topic-partition is fetched.
    """

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._app = app

    async def get(self) -> EventT[Any]:
        """Return the next event whose chunk is of the present epoch."""
        while True:
            event = cast("EventT[Any]", await super().get())
            chunk = cast("Chunk", event.value)
            if chunk.epoch == self._app.consumer.epoch(event.message.tp):
                return event


class ChangelogTables(TableManager):
    """Faust's tables, recovered from chunks."""

    @property
    def changelog_queue(self) -> ThrowableQueue[Any]:
        """The queue that Faust's recovery reads."""
        if self._changelog_queue is None:
            app = cast("Any", self.app)
            self._changelog_queue = CurrentChunks(
                app, maxsize=app.conf.stream_buffer_maxsize, flow_control=app.flow_control
            )
        return self._changelog_queue
