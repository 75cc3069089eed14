"""Stream changes to one reader as server-sent events.

Responsible for `GET /v1/changes`: the form of events, resuming, heartbeats, and letting go of a
reader who is too slow. What is streamed lies in the ring; here is only a place in it. Must not hold
a queue.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from streams.serving.ring import Filter, Positions, write_cursor

if TYPE_CHECKING:
    from litestar.types import Receive, Send
    from litestar.types import Scope as AsgiScope

    from streams.serving.feed import Feed
    from streams.serving.metrics import ServeMetrics
    from streams.serving.ring import Entry

BEAT_S: Final = 10.0
"""Seconds of silence after which a comment says that the stream is alive."""
PATIENCE_S: Final = 20.0
"""Seconds a reader may take to take what was sent."""
STREAMS: Final = 1_000
"""Open at a time at most."""
_AT_ONCE: Final = 200
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class Start:
    """Where a stream begins.

    Attributes
    ----------
    number
        Of the first change in the ring.
    positions
        Where each partition stands before it.
    lost
        Changes the reader would have had are not held any more.
    """

    def __init__(self, number: int, positions: Positions, *, lost: bool = False) -> None:
        self.number = number
        self.positions = positions
        self.lost = lost


class ChangeStream:
    """One stream; an ASGI application that answers one request.

    Parameters
    ----------
    feed
        What is followed.
    start
        Where to begin.
    fits
        Which changes.
    metrics
        Told of open and of dropped streams.
    """

    def __init__(self, feed: Feed, start: Start, fits: Filter, metrics: ServeMetrics) -> None:
        self._feed = feed
        self._next = start.number
        self._positions = start.positions
        self._lost = start.lost
        self._fits = fits
        self._metrics = metrics

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Stream until the reader leaves, is too slow, or the service stops."""
        del scope
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        left = asyncio.create_task(_left(receive))
        sending = asyncio.create_task(self._stream(send))
        self._feed.streams += 1
        self._metrics.streams.set(self._feed.streams)
        try:
            await asyncio.wait({left, sending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                await sending
        finally:
            self._feed.streams -= 1
            self._metrics.streams.set(self._feed.streams)
            for task in (left, sending):
                task.cancel()
            await asyncio.gather(left, sending, return_exceptions=True)
        if not left.done() or left.cancelled():
            with suppress(TimeoutError):
                await _within(send, b"", more=False)

    async def _stream(self, send: Send) -> None:
        hello = b"retry: 2000\n\n"
        if self._lost:
            hello += b"event: gap\ndata: {}\n\n"
        try:
            await _within(send, hello)
            while not self._feed.stopping:
                ring = self._feed.ring
                if self._next < ring.first:
                    self._metrics.dropped.inc()  # changes have gone over it
                    return
                entries = list(ring.read(self._next, _AT_ONCE))
                if not entries:
                    await self._feed.wait(self._next, BEAT_S)
                    if self._feed.ring.end == self._next and not self._feed.stopping:
                        await _within(send, b": alive\n\n")
                    continue
                self._next += len(entries)
                said = b"".join(map(self._event, entries))
                if said:
                    await _within(send, said)
        except TimeoutError:
            # The connection takes nothing. The reader resumes by the id of the last event it has.
            self._metrics.dropped.inc()

    def _event(self, entry: Entry) -> bytes:
        if entry.offset < self._positions.get(entry.partition, 0):
            return b""  # before the cursor
        self._positions[entry.partition] = entry.offset + 1
        if not self._fits.takes(entry):
            return b""
        cursor = write_cursor(self._positions).encode()
        return b"id: %b\nevent: change\ndata: %b\n\n" % (cursor, entry.value)


async def _within(send: Send, body: bytes, *, more: bool = True) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
