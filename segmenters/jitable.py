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
from functools import partial

from numba.core.bytecode import FunctionIdentity
from numba.extending import register_jitable

# Drawn from the system, they differ in forks as well.
FunctionIdentity._unique_ids = iter(partial(secrets.randbits, 64), None)  # type: ignore[assignment]

jitable = register_jitable(no_cfunc_wrapper=True)
