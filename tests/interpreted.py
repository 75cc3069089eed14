"""Let a kernel be plain Python, the same text: compiling one takes half a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

import numba
import numpy as np
from numba.core.compiler_lock import global_compiler_lock

from segmenters.kernel import build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segmenters.kernel import Kernel
    from segmenters.layout import Layout
    from segmenters.system import System


def build_interpreted(systems: Sequence[System], layout: Layout) -> Kernel:
    """Stand in for `segmenters.engine.build`."""
    for name in layout.row.names or ():
        _quicken(name)
    # Off for the kernel alone, and while no other thread is in the midst of compiling.
    with global_compiler_lock, patch.object(numba.config, "DISABLE_JIT", 1):
        return build(systems, layout)


def _quicken(name: str) -> None:
    """Let a record find this field at once, instead of failing to find an attribute first.

    An interpreted kernel reads fields more than it does anything else.
    """
    if not hasattr(np.record, name):
        get, put = np.void.__getitem__, np.void.__setitem__
        field = property(lambda row: get(row, name), lambda row, value: put(row, name, value))
        setattr(np.record, name, field)
