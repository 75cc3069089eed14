"""Name the two instants that are not on the clock: one before and one after all others.

Far enough inside 64 bits that adding any window or age to them cannot wrap around.
"""

from __future__ import annotations

from typing import Final

NEVER: Final = -(1 << 62)
"""Something that has not happened."""

FAR: Final = 1 << 62
"""A deadline that no clock reaches."""
