"""Run the real worker on changed rules, in many small transactions, and let it die in one of them.

Responsible for planting that one death; started by the tests as a process. It must not change what
a worker does until then, except that customers are brought over few at a time.

The environment says what: DIE_IN names a step of `tests.faults.faulty_worker` or one of those here
("" for none), DIE_AT how often it is passed until then.
"""

from __future__ import annotations

import os
import signal

from segmenters.changeover import Changeover
from streams import worker
from streams.effects import Effects
from streams.settings import load_settings
from tests.faults import faulty_worker

STEPS = {
    "brought over, nothing added": faulty_worker._after(Changeover, "step"),
    **{
        name: plant
        for name, (most, plant) in faulty_worker._steps().items()
        if most == faulty_worker.AT_WORK
    },
}
"""Where a worker may die while it brings customers over."""


def main() -> None:
    """Be a worker; leaves the process."""
    # A slice waits until the one before is committed: without this a transaction takes many.
    Effects.has_room = property(lambda effects: effects.idle)  # type: ignore[assignment]
    left = int(os.environ.get("DIE_AT", "0"))
    changing = False

    def passed() -> None:
        nonlocal left
        left -= changing
        if changing and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def begun() -> None:
        nonlocal changing
        changing = True

    name = os.environ.get("DIE_IN", "")
    if name:
        faulty_worker._before(Changeover, "step")(begun)
        STEPS[name](passed)
    worker.run(load_settings(env_file=None))


if __name__ == "__main__":
    main()
