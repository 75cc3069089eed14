"""Hold customers in a segment for a while, so that campaigns are not tossed about.

Responsible for what a system's ``damping`` says and for the instant at which a flip that is held
back may happen. It must not know which systems there are, nor judge.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from schemas.vocabulary import MS_PER_DAY
from segmenters.instants import FAR, NEVER
from segmenters.jitable import jitable

Days = Annotated[int, msgspec.Meta(ge=0, le=3650)]

FREE: Final = -1
"""In a row's ``…_wanted``: no flip is held back."""


class Compiled(NamedTuple):
    """The parameters in milliseconds; FAR: for ever."""

    dwell: int
    cooldown: int


class Damping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say how long a segment holds, and when one that was left may be entered again.

    Parameters
    ----------
    dwell_days
        A customer stays in a segment for at least so many days of 24 h.
    cooldown_days
        One who has left a segment does not enter it again for so many.
    reentry
        ``"allowed"``, once that is over, or ``"never"``.

    Examples
    --------
    >>> Damping(dwell_days=1).compiled()
    Compiled(dwell=86400000, cooldown=0)
    """

    dwell_days: Days = 0
    cooldown_days: Days = 0
    reentry: Literal["allowed", "never"] = "allowed"

    def compiled(self) -> Compiled:
        """Return the parameters for the kernel."""
        never = self.reentry == "never"
        return Compiled(
            self.dwell_days * MS_PER_DAY, FAR if never else self.cooldown_days * MS_PER_DAY
        )


@jitable
def released_at(p: Any, since: int, left: int) -> int:
    """Return from when on a customer may leave the segment held since ``since`` for another.

    ``left`` says when that other one was last left; NEVER: never.

    Examples
    --------
    >>> released_at(Compiled(10, 50), since=100, left=90)
    140
    >>> released_at(Compiled(10, 50), since=100, left=NEVER)
    110
    """
    instant = since + p.dwell
    if left > NEVER:
        instant = max(instant, FAR if p.cooldown >= FAR else left + p.cooldown)
    return int(instant)
