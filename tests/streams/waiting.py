"""Wait until something holds, and fail when it does not in time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


async def eventually(
    holds: Callable[[], object], within: float = 10.0, every: float = 0.01
) -> None:
    """Return as soon as a question is answered with yes."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(every)
