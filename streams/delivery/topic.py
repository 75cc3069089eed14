"""Hand chunks through Faust's topics undecoded.

Responsible for making one Faust event of one chunk. Must not decode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faust.topics import Topic

if TYPE_CHECKING:
    from faust.types import EventT, Message


class ChunkTopic(Topic):
    """A topic whose events are chunks of fetch results."""

    def _compile_decode(self) -> None:
        app = self.app

        async def decode(message: Message, *, propagate: bool = False) -> EventT[Any]:  # noqa: ARG001
            return app.create_event(None, message.value, None, message)

        self.decode = decode  # type: ignore[method-assign]
