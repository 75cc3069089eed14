"""Run the real worker with a fault built in, again and again; started by the tests as a process.

Responsible for being a supervisor whose workers start quickly (it imports and compiles once, each
worker is a fork of it) and for planting faults into a worker: a death (or a long sleep) at a given
step of its effects or of its start, work that stops without a word. It must not change what a
worker does until then.

The environment says what: FAULT names the fault ("" for none), DEATHS is a folder with one file for
each death that is left (``007.left``), SEED goes into the choice of steps and counts. Each number
stands for a step; its file is renamed after it when it has been died.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import signal
import sys
import time
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer
from aiokafka.conn import AIOKafkaConnection

from schemas.errors import RewakeError
from segmenters.rules import load
from segmenters.warming import warm_up
from streams import worker
from streams.delivery import scheduler
from streams.delivery.producer import PartitionProducer
from streams.effects import Effects
from streams.lanes import Lane
from streams.ownership import Ownership
from streams.settings import load_settings
from streams.sinks.no_cache import NoCache
from streams.sinks.redis_cache import ProfileCache
from streams.table import PartitionState

if TYPE_CHECKING:
    from collections.abc import Callable

AT_START = 2
AT_WORK = 25
"""Most times a step of a start, or of the effects, is passed before a worker dies there."""

PATIENCE_S = 12.0
"""Seconds after which a worker whose step does not come dies without it being counted."""

PAUSE_S = 0.2
WEDGED_AFTER_S = 8.0
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


# ---- steps at which a worker may die


def _steps() -> dict[str, tuple[int, Callable[[Callable[[], None]], None]]]:
    """Give each step: how often it is passed at most, and how to be told of it."""
    return {
        "engine called, nothing added": (AT_WORK, _before(Effects, "add")),
        "before begin": (AT_WORK, _before(PartitionProducer, "transact")),
        "between two sends": (AT_WORK, _after(PartitionProducer, "_send")),
        "before commit": (AT_WORK, _before(AIOKafkaProducer, "commit_transaction")),
        "commit sent, not answered": (AT_WORK, _after_sending("EndTxn")),
        "committed, not acknowledged": (AT_WORK, _after(PartitionProducer, "transact")),
        "acknowledged, not cached": (AT_WORK, _before_caching),
        "producers opening": (AT_START, _after(PartitionProducer, "open")),
        "opened, not taken": (1, _before(Ownership, "take")),
        "in the middle of a restore": (AT_START * 4, _after(PartitionState, "load")),
        "taking": (AT_START, _after(Ownership, "_prepare")),
    }


def _before(owner: type, name: str) -> Callable[[Callable[[], None]], None]:
    def plant(passed: Callable[[], None]) -> None:
        method = getattr(owner, name)

        @wraps(method)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            passed()
            return method(*args, **kwargs)

        setattr(owner, name, wrapped)

    return plant


def _after(owner: type, name: str) -> Callable[[Callable[[], None]], None]:
    def plant(passed: Callable[[], None]) -> None:
        method = getattr(owner, name)

        @wraps(method)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            result = await method(*args, **kwargs)
            passed()
            return result

        @wraps(method)
        def called(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            passed()
            return result

        setattr(owner, name, awaited if asyncio.iscoroutinefunction(method) else called)

    return plant


def _after_sending(request_name: str) -> Callable[[Callable[[], None]], None]:
    def plant(passed: Callable[[], None]) -> None:
        send = AIOKafkaConnection.send

        def sent(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            answer = send(self, request, *args, **kwargs)  # the bytes are on their way
            if type(request).__name__.startswith(request_name):
                passed()
            return answer

        AIOKafkaConnection.send = sent

    return plant


def _before_caching(passed: Callable[[], None]) -> None:
    for cache in (NoCache, ProfileCache):
        _before(cache, "durable")(passed)


def _die_somewhere() -> None:
    _somewhere(signal.SIGKILL)


def _freeze_somewhere() -> None:
    _somewhere(signal.SIGSTOP)


def _somewhere(end: signal.Signals) -> None:
    """Take one of the deaths that are left, with the step its number stands for, and die there."""
    death = next(filter(_claim, sorted(Path(os.environ["DEATHS"]).glob("*.left"))), None)
    if death is None:
        return
    chance = random.Random(f"{os.environ['SEED']} {death.stem}")
    steps = sorted(_steps().items())
    random.Random(os.environ["SEED"]).shuffle(steps)
    step, (most, plant) = steps[int(death.stem) % len(steps)]
    left, begun = chance.randint(1, most), time.monotonic()
    claimed = death.with_suffix(".claimed")

    def passed() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            claimed.rename(death.with_name(f"{death.stem} {step}.died"))
            _die(step, end)

    def working() -> None:
        if left > 0 and time.monotonic() > begun + PATIENCE_S:
            claimed.rename(death)
            _die("its step does not come, somebody else may try")

    plant(passed)
    _before(PartitionProducer, "transact")(working)


def _claim(death: Path) -> bool:
    try:
        death.rename(death.with_suffix(".claimed"))
    except FileNotFoundError:
        return False  # the other one was quicker
    return True


def _die(why: str, end: signal.Signals = signal.SIGKILL) -> None:
    _say(f"dying: {why}")
    os.kill(os.getpid(), end)


# ---- other faults


def _wedge_lanes() -> None:
    """Let every lane stop in the middle of its work, without a word."""
    cut, started = Lane.cut, time.monotonic()

    def wedged(self: Lane, limit: int) -> Any:
        return cut(self, limit) if time.monotonic() < started + WEDGED_AFTER_S else None

    Lane.cut = wedged


def _wedge_commits() -> None:
    """Let no commit come to its end, while facts go on being applied."""
    commit, started = Effects._commit, time.monotonic()

    async def wedged(self: Effects) -> None:
        if time.monotonic() >= started + WEDGED_AFTER_S:
            await asyncio.Event().wait()
        await commit(self)

    Effects._commit = wedged


FAULTS: dict[str, Callable[[], None]] = {
    "": lambda: None,
    "die somewhere": _die_somewhere,
    "freeze somewhere": _freeze_somewhere,
    "wedge lanes": _wedge_lanes,
    "wedge commits": _wedge_commits,
}


def _restore_in_small_chunks() -> None:
    """Give a restore a middle; inputs come as ever, for history must not be torn apart."""
    chunks = scheduler.chunks

    def smaller(fetched: Any, size: int) -> Any:
        return chunks(fetched, 50 if fetched.tp.topic.endswith("changelog") else size)

    scheduler.chunks = smaller


# ---- the supervisor


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _work() -> None:
    """Be a worker; leaves the process."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    _restore_in_small_chunks()
    FAULTS[os.environ["FAULT"]]()
    try:
        worker.run(load_settings(env_file=None))
    except RewakeError as error:
        _say(f"stopping code={type(error).__name__} {error}")
    os._exit(1)


def main() -> None:
    """Start a worker whenever there is none, until told to stop; leave with the last one's code."""
    warm_up(load(load_settings(env_file=None).rules))
    stopping = False
    child = 0

    def stop(*_: Any) -> None:
        nonlocal stopping
        stopping = True
        if child:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    code = 0
    while True:
        # Between the two a fork nobody knows of yet would go on, whatever was told to stop.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        if stopping:
            break
        child = os.fork()
        if not child:
            _work()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        _say(f"started {child}")
        _, status = os.waitpid(child, 0)
        child, code = 0, os.waitstatus_to_exitcode(status)
        _say(f"ended {code}")
        time.sleep(PAUSE_S)
    sys.exit(code)


if __name__ == "__main__":
    main()
