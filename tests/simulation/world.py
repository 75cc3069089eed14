"""Run several processes on one simulated clock, one callback at a time.

Responsible for time and for who runs next: everything random is drawn from one seed, so a run can
be repeated to the step. A process that is killed is not told: its loop is never run again, as with
SIGKILL. Must not know Kafka or Rewake.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import itertools
import random
import warnings
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Loop(asyncio.AbstractEventLoop):
    """The event loop of one process, driven from outside."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ready: deque[asyncio.Handle] = deque()
        self.timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self.paused = False

    # ---- what asyncio asks of a loop

    def time(self) -> float:
        return self.world.now

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self.ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self.timers, (when, next(self.world.numbers), handle))
        return handle

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **_: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        # Tasks of a process that is gone are destroyed in the middle: that is what is tested.
        if self in self.world.loops and "destroyed" not in context["message"]:
            raise AssertionError(context["message"]) from context.get("exception")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Leave it in the heap: a cancelled handle is skipped when its time has come."""

    # ---- what drives it

    def wake_due(self) -> None:
        """Make timers ready whose time has come."""
        while self.timers and self.timers[0][0] <= self.world.now:
            handle = heapq.heappop(self.timers)[2]
            if not handle.cancelled():
                self.ready.append(handle)

    def run_one(self) -> None:
        """Run one callback: what a process does between two awaits cannot be seen from outside."""
        handle = self.ready.popleft()
        if handle.cancelled():
            return
        asyncio._set_running_loop(self)
        try:
            handle._run()
        finally:
            asyncio._set_running_loop(None)


class World:
    """Time, chance and all processes.

    Parameters
    ----------
    seed
        Of everything random.
    """

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.chance = random.Random(seed)
        self.numbers = itertools.count()
        self.loops: list[Loop] = []
        self.steps = 0
        self._killed: list[Loop] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def new_loop(self) -> Loop:
        """Start a process."""
        loop = Loop(self)
        self.loops.append(loop)
        return loop

    def kill(self, loop: Loop) -> None:
        """End a process where it stands."""
        self.loops.remove(loop)
        self._killed.append(loop)

    def end(self) -> None:
        """End all processes, and let go of what they left in the middle."""
        for loop in list(self.loops):
            self.kill(loop)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # coroutines that were never awaited
            self._killed.clear()
            self._events.clear()
            gc.collect()

    def at(self, delay: float, event: Callable[[], None]) -> None:
        """Let something happen outside of all processes."""
        heapq.heappush(self._events, (self.now + delay, next(self.numbers), event))

    def run(self, seconds: float = 0.0, steps: int = 1 << 60) -> None:
        """Let time pass, and everybody work, for so long or so many callbacks."""
        until = self.now + seconds
        while steps > 0:
            runnable = [loop for loop in self.loops if loop.ready and not loop.paused]
            if runnable:
                loop = runnable[0] if len(runnable) == 1 else self.chance.choice(runnable)
                loop.run_one()
                self.steps += 1
                steps -= 1
            elif not self._move_time(until):
                self.now = max(self.now, until)
                return

    def _move_time(self, until: float) -> bool:
        """Go to the next thing that is to happen; return whether there is one by then."""
        heads = [loop.timers[0][0] for loop in self.loops if loop.timers and not loop.paused]
        if self._events:
            heads.append(self._events[0][0])
        if not heads or min(heads) > until:
            return False
        self.now = max(self.now, min(heads))
        while self._events and self._events[0][0] <= self.now:
            heapq.heappop(self._events)[2]()
        for loop in self.loops:
            if not loop.paused:
                loop.wake_due()
        return True
