"""Mark functions that compiled code calls; for Python they stay as they are.

Responsible for the one decorator, and for symbols that no two processes give alike. Of everything
it compiles numba makes a wrapper for callers in C, too, and optimises it; nobody in C calls these,
and compiling a kernel takes a tenth less without.

numba tells functions of one name and types apart by a number, which it counts in each process, and
records by such a number too. So two processes, each with rules of its own, may give the same symbol
to functions that expect different rows; who then loads both kernels from the cache, as a worker
does whose rules were changed, has one of them call the functions of the other
(github.com/numba/numba/issues/10486). Numbers drawn at random do not meet.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from numba.core.bytecode import FunctionIdentity
from numba.extending import register_jitable

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Drawn:
    """Numbers that do not come twice; drawn from the system, they differ in forks as well."""

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        return secrets.randbits(64)


FunctionIdentity._unique_ids = _Drawn()

jitable = register_jitable(no_cfunc_wrapper=True)
