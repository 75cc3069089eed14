"""What is decided about a customer, one system per file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segmenters.systems.lifecycle import Lifecycle
from segmenters.systems.monetary_tier import MonetaryTier
from segmenters.systems.rfm import Rfm

if TYPE_CHECKING:
    from segmenters.system import System

SYSTEMS: dict[str, type[System]] = {s.key: s for s in (Lifecycle, MonetaryTier, Rfm)}
"""Every system of this distribution, by key."""

__all__ = ["SYSTEMS", "Lifecycle", "MonetaryTier", "Rfm"]
