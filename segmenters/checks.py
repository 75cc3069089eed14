"""Check what every system promises: shipped, so that systems of third parties are held to it too.

Responsible for the contract checks. It must not depend on a test framework: each check raises
AssertionError.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from segmenters.instants import NEVER


def features(**known: int) -> Any:
    """Return features for an example: what is not named is 0, or NEVER for instants.

    Examples
    --------
    >>> f = features(n=1, p=5)
    >>> f.n, f.p, f.M365, f.e == NEVER
    (1, 5, 0, True)
    """
    return _Features(**known)


class _Features(SimpleNamespace):
    def __getattr__(self, name: str) -> int:
        return NEVER if name in ("e", "p", "p0", "quiet_since") else 0
