"""Let a kernel be plain Python, the same text: compiling one takes half a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

import numba
import numpy as np
from numba.core.compiler_lock import global_compiler_lock

from segmenters.kernel import build
from segmenters.kernel_source import out_dtype_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segmenters.kernel import Kernel
    from segmenters.layout import Layout
    from segmenters.system import System


def build_interpreted(systems: Sequence[System], layout: Layout) -> Kernel:
    """Stand in for `segmenters.engine.build`."""
    for dtype in (
        layout.row,
        layout.tile,
        layout.order,
        np.dtype(out_dtype_fields(systems, layout)),
    ):
        for name in dtype.names or ():
            _quicken(name)
    # Off for the kernel alone, and while no other thread is in the midst of compiling.
    with global_compiler_lock, patch.object(numba.config, "DISABLE_JIT", 1):
        return build(systems, layout)


def _quicken(name: str) -> None:
    """Let a record find this field at once, as an interpreted kernel does nothing else so often.

    Records look a field up by functions of numpy's in Python, after failing to find an attribute;
    other fields are still read by these.
    """
    if (slow := vars(np.record).get("__getattribute__")) is not None:
        del np.record.__getattribute__, np.record.__setattr__
        np.record.__getattr__ = slow
    if name not in vars(np.record):
        get, put = np.void.__getitem__, np.void.__setitem__
        field = property(lambda row: get(row, name), lambda row, value: put(row, name, value))
        setattr(np.record, name, field)
