"""Let a kernel be plain Python, the same text: compiling one takes half a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

import numba
from numba.core.compiler_lock import global_compiler_lock

from segmenters.kernel import build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segmenters.kernel import Kernel
    from segmenters.layout import Layout
    from segmenters.system import System


def build_interpreted(systems: Sequence[System], layout: Layout) -> Kernel:
    """Stand in for `segmenters.engine.build`."""
    # Off for the kernel alone, and while no other thread is in the midst of compiling.
    with global_compiler_lock, patch.object(numba.config, "DISABLE_JIT", 1):
        return build(systems, layout)
