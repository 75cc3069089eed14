"""Mark functions that compiled code calls; for Python they stay as they are.

Responsible for the one decorator. Of everything it compiles numba makes a wrapper for callers in C,
too, and optimises it; nobody in C calls these, and compiling a kernel takes a tenth less without.
"""

from __future__ import annotations

from numba.extending import register_jitable

jitable = register_jitable(no_cfunc_wrapper=True)
